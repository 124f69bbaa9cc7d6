"""The OpenAPI 3.1 document of the read API.

What the contract publishes of it (the head, `Problem`, `Contact`, `ContactList`, the beginning of `Draft`) is the same
here in names and properties. It marks what may be null with `nullable`, which 3.1 does not know; here the types say it.
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from outrider.outreach.reading.values import DRAFT_STATUSES
from outrider.outreach.searching import LONGEST_QUERY
from outrider.surfaces.outbound_rest.parameters import LONGEST_WORD, MOST_LISTED, MOST_TYPES, USUAL_LIMIT
from outrider.surfaces.outbound_rest.problems import METHOD_NOT_ALLOWED, PROBLEMS, Problem
from outrider.surfaces.outbound_rest.routes import BASE, ROUTES, Route

Json = dict[str, Any]

PAGE_PATH: Final = "/api-docs"
DOCUMENT_PATH: Final = "/api-docs/openapi.json"
USUAL_URL: Final = "http://127.0.0.1:8080"
"""Where a server is reached that nobody has configured; the committed document names it."""
_DESCRIPTION: Final = (
    "Read-only access to an organization's contacts, lists, drafts and platform events. Authenticate with "
    "`Authorization: Bearer obk_live_…`; keys are made in the administration, and each has scopes. Lists are newest "
    "first, and `nextCursor` leads on. A key may ask 60 times a minute, and up to 120 times within 30 seconds for "
    "short bursts. Every refusal is a problem document (RFC 7807)."
)
_TEXT: Final[Json] = {"type": "string"}
_MOMENT: Final[Json] = {"type": "string", "format": "date-time"}
_NULL_TEXT: Final[Json] = {"type": ["string", "null"]}
_NULL_MOMENT: Final[Json] = {"type": ["string", "null"], "format": "date-time"}
_NULL_SCORE: Final[Json] = {"type": ["integer", "null"]}
_SUMMARIES: Final = {
    "getMe": "The API key and its organization.",
    "listContacts": "Contacts, the newest first.",
    "getContact": "One contact.",
    "getContactResearch": "The cached research dossier of a contact. Reading never starts research.",
    "listLists": "Contact lists, the newest first.",
    "getList": "One contact list, also an archived one.",
    "listDrafts": "Drafts without their bodies, the newest first.",
    "getDraft": "One draft with its body and engagement timeline.",
    "listEvents": "The events of all applications of the organization, the newest first.",
}
_RESULTS: Final = {
    "getMe": "Me",
    "listContacts": "ContactPage",
    "getContact": "Contact",
    "getContactResearch": "ResearchDossier",
    "listLists": "ContactListPage",
    "getList": "ContactList",
    "listDrafts": "DraftPage",
    "getDraft": "DraftDetail",
    "listEvents": "PlatformEventPage",
}
_PARAMETERS: Final[dict[str, tuple[Json, str]]] = {
    "cursor": (_TEXT, "`nextCursor` of the page before: what comes after it."),
    "limit": (
        {"type": "integer", "minimum": 1, "default": USUAL_LIMIT},
        f"How many entries a page has at most; more than {MOST_LISTED} counts as {MOST_LISTED}.",
    ),
    "listId": ({"type": "string", "format": "uuid"}, "Only contacts on this list."),
    "qualificationStatus": (
        {"type": "string", "minLength": 1, "maxLength": LONGEST_WORD},
        "Only contacts of this status.",
    ),
    "q": (
        {"type": "string", "maxLength": LONGEST_QUERY},
        "Only contacts whose name, address or company has each of these words, or one that begins so, in any case.",
    ),
    "includeArchived": (
        {"type": "string", "enum": ["1", "0", "true", "false"]},
        "`1`: archived lists, too.",
    ),
    "status": ({"type": "string", "enum": list(DRAFT_STATUSES)}, "Only drafts of this status."),
    "contactId": ({"type": "string", "format": "uuid"}, "Only drafts to this contact."),
    "eventType": (
        {"type": "string", "minLength": 1},
        f"Only events of this type, or of these types with a comma between each two, at most {MOST_TYPES}.",
    ),
}
_COMMON: Final = (
    "invalid-request",
    "invalid-api-key",
    "rate-limit-exceeded",
    "internal-error",
    "service-unavailable",
)


def _object(properties: Json, required: Sequence[str] | None = None) -> Json:
    return {
        "type": "object",
        **({} if required is None else {"required": list(required)}),
        "properties": properties,
    }


def _whole(properties: Json) -> Json:
    """An object that always has all of its properties."""
    return _object(properties, list(properties))


def _or_null(schema: Json) -> Json:
    return {**schema, "type": ["object", "null"]}


def _reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _page(name: str) -> Json:
    return _whole({"data": {"type": "array", "items": _reference(name)}, "nextCursor": _NULL_TEXT})


_DRAFT: Final[Json] = {
    "id": _TEXT,
    "organizationId": _TEXT,
    "contactId": _TEXT,
    "contactName": _TEXT,
    "subject": _TEXT,
    "status": {"type": "string", "enum": list(DRAFT_STATUSES)},
    "listId": _NULL_TEXT,
    "scheduledAt": _NULL_MOMENT,
    "sentAt": _NULL_MOMENT,
    "createdAt": _MOMENT,
    "updatedAt": _MOMENT,
}


def _schemas() -> Json:
    company = _or_null(_object({"id": _TEXT, "name": _NULL_TEXT, "domain": _NULL_TEXT}))
    # the published ones require nothing, and neither do these
    published: Json = {
        "Problem": _object(
            {
                "type": _TEXT,
                "title": _TEXT,
                "status": {"type": "integer"},
                "detail": _TEXT,
                "instance": _TEXT,
            },
            ["type", "title", "status", "detail"],
        ),
        "Contact": _object(
            {
                "id": _TEXT,
                "organizationId": _TEXT,
                "name": _TEXT,
                "email": _TEXT,
                "company": company,
                "qualificationStatus": _TEXT,
                "fitScore": _NULL_SCORE,
                "urgencyScore": _NULL_SCORE,
                "list": _or_null(_object({"id": _TEXT, "name": _TEXT})),
                "createdAt": _MOMENT,
                "updatedAt": _MOMENT,
            }
        ),
        "ContactList": _object(
            {
                "id": _TEXT,
                "organizationId": _TEXT,
                "name": _TEXT,
                "sourceType": _TEXT,
                "description": _NULL_TEXT,
                "connectionPoint": _NULL_TEXT,
                "goal": _NULL_TEXT,
                "userId": _TEXT,
                "archivedAt": _NULL_MOMENT,
                "createdAt": _MOMENT,
                "updatedAt": _MOMENT,
            }
        ),
        "Draft": _object(_DRAFT),
    }
    return {**published, **_own_schemas()}


def _own_schemas() -> Json:
    engagement = _whole({"type": _TEXT, "at": _MOMENT, "eventId": _TEXT, "detail": _NULL_TEXT})
    key = {
        "id": _TEXT,
        "name": _TEXT,
        "scopes": {"type": "array", "items": _TEXT},
        "createdAt": _MOMENT,
        "lastUsedAt": _NULL_MOMENT,
        "expiresAt": _NULL_MOMENT,
    }
    return {
        "DraftDetail": _whole(
            {
                **_DRAFT,
                "body": _whole({"text": _NULL_TEXT, "html": _NULL_TEXT}),
                "engagement": {"type": "array", "items": _reference("Engagement")},
            }
        ),
        "Engagement": engagement,
        "PlatformEvent": _whole(
            {
                "id": _TEXT,
                "organizationId": _TEXT,
                "applicationId": _TEXT,
                "eventType": _TEXT,
                "payload": {"description": "Whatever the event tells: any JSON."},
                "contactId": _NULL_TEXT,
                "createdAt": _MOMENT,
            }
        ),
        "ResearchDossier": _whole(
            {
                "contactId": _TEXT,
                "level": {"type": "integer", "minimum": 1, "maximum": 4},
                "summary": _TEXT,
                "facts": {"type": "array", "items": _reference("ResearchFact")},
                "researchedAt": _MOMENT,
                "expiresAt": _MOMENT,
            }
        ),
        "ResearchFact": _whole({"text": _TEXT, "source": _NULL_TEXT, "eventId": _NULL_TEXT}),
        "Me": _whole({"apiKey": _reference("ApiKey"), "organization": _reference("Organization")}),
        "ApiKey": _whole(key),
        "Organization": _whole({"id": _TEXT, "name": _TEXT}),
        "ContactPage": _page("Contact"),
        "ContactListPage": _page("ContactList"),
        "DraftPage": _page("Draft"),
        "PlatformEventPage": _page("PlatformEvent"),
    }


def _headers() -> Json:
    return {
        "X-RateLimit-Limit": {
            "description": "How many requests a minute the key may make in the long run.",
            "schema": {"type": "integer"},
        },
        "X-RateLimit-Reset": {
            "description": "When a whole burst is free again, in seconds since 1970.",
            "schema": {"type": "integer"},
        },
        "X-Request-Id": {"description": "What the log calls the request.", "schema": _TEXT},
        "Retry-After": {
            "description": "After how many seconds to try again.",
            "schema": {"type": "integer"},
        },
        "WWW-Authenticate": {"description": "`Bearer`.", "schema": _TEXT},
    }


_LIMITED: Final = ("X-RateLimit-Limit", "X-RateLimit-Reset", "X-Request-Id")
_TOLD_WITH: Final = {
    401: ("X-Request-Id", "WWW-Authenticate"),
    429: (*_LIMITED, "Retry-After"),
    503: ("X-Request-Id", "Retry-After"),
}


def _told(names: Sequence[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _responses() -> Json:
    by_status: dict[int, list[Problem]] = {}
    for problem in PROBLEMS:
        # there is no other method here that could be described
        if problem is not METHOD_NOT_ALLOWED:
            by_status.setdefault(problem.status, []).append(problem)
    return {
        f"Problem{status}": {
            "description": "; ".join(f"{one.title} (`{one.slug}`): {one.means}" for one in problems) + ".",
            "headers": _told(_TOLD_WITH.get(status, _LIMITED)),
            "content": {"application/problem+json": {"schema": _reference("Problem")}},
        }
        for status, problems in by_status.items()
    }


def _operation(route: Route) -> Json:
    slugs = [
        *_COMMON,
        *(["insufficient-scope"] if route.scope else []),
        *(["not-found"] if "{" in route.path else []),
    ]
    statuses = sorted({problem.status for problem in PROBLEMS if problem.slug in slugs})
    scope = f" Scope `{route.scope.value}`." if route.scope else " Any key."
    path = [
        {
            "name": "id",
            "in": "path",
            "required": True,
            "description": "Its id.",
            "schema": {"type": "string", "format": "uuid"},
        }
    ]
    query = [
        {"name": name, "in": "query", "description": text, "schema": schema}
        for name, (schema, text) in ((name, _PARAMETERS[name]) for name in route.parameters)
    ]
    return {
        "operationId": route.name,
        "tags": [route.path.split("/")[1]],
        "summary": _SUMMARIES[route.name],
        "description": _SUMMARIES[route.name] + scope,
        "parameters": [*(path if "{" in route.path else []), *query],
        "responses": {
            "200": {
                "description": "What was asked for.",
                "headers": _told(_LIMITED),
                "content": {"application/json": {"schema": _reference(_RESULTS[route.name])}},
            },
            **{str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in statuses},
        },
    }


def document(public_url: str) -> Json:
    """The document of a server that is reached at this address."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Outbound Public API", "version": "1.0.0", "description": _DESCRIPTION},
        "servers": [{"url": f"{public_url}{BASE}"}],
        "security": [{"ApiKeyAuth": []}],
        "components": {
            "securitySchemes": {
                "ApiKeyAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "obk_live_<32hex>"}
            },
            "schemas": _schemas(),
            "headers": _headers(),
            "responses": _responses(),
        },
        "tags": [
            {"name": name, "description": text}
            for name, text in (
                ("me", "The API key itself."),
                ("contacts", "People who are written to."),
                ("lists", "Contacts who are written to for one reason."),
                ("drafts", "What is written to them, and what came of it."),
                ("events", "Everything that happened."),
            )
        ],
        "paths": {route.path: {"get": _operation(route)} for route in ROUTES},
    }


def served_openapi(public_url: str) -> bytes:
    """Write the document as it is served."""
    return orjson.dumps(document(public_url), option=orjson.OPT_INDENT_2)


def written_openapi() -> str:
    """Write the document as it is committed."""
    return served_openapi(USUAL_URL).decode() + "\n"
