"""The OpenAPI 3.1 document: written from the routes, their shapes and the GraphQL schema's descriptions."""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

from outrider.core.storable import MAX_BYTES
from outrider.surfaces.developer_errors import ENTRIES
from outrider.surfaces.developer_rest.names import split_description
from outrider.surfaces.developer_rest.routes import Route
from outrider.surfaces.developer_rest.shapes import JsonSchema, Shape, closed
from outrider.surfaces.developer_rest.table import ROUTES

OPENAPI_PATH: Final = "/v1/openapi.json"
_VERSION: Final = "1"
# What any route may answer with.
_ALWAYS: Final = (400, 401, 403, 429, 503)
_WITH_BODY: Final = (413, 415)
_TEXT: Final = f"""The developer API of one application as REST: what an API key may read, send and set up. It is
the same API as the GraphQL at `POST /`, with names in snake_case and words in lower case.

Requests need `Authorization: Bearer otr_live_…`. Bodies are JSON of at most {MAX_BYTES >> 20} MB; unknown members and
unknown parameters are refused; null is as good as left out. Ids are UUIDs; a typed prefix may stand before one
(`pc_<uuid>`). An id of another application answers exactly like one that does not exist. Every answer to a key has the
headers `X-RateLimit-*`, every answer `X-Request-ID`."""
_REASONS: Final = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Gone",
    413: "TooLarge",
    415: "UnsupportedMediaType",
    429: "RateLimited",
    502: "PlatformError",
    503: "Unavailable",
}


@cache
def served_openapi() -> str:
    """Give the document as it is served, and as it stands under docs/api."""
    return json.dumps(_document(ROUTES), indent=2, ensure_ascii=False) + "\n"


def _document(routes: Sequence[Route]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Outrider developer REST",
            "version": _VERSION,
            "description": " ".join(_TEXT.split()),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"api_key": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "api_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key: `otr_live_…`; or a member's access token, beside `X-Outeract-App-ID`.",
                }
            },
            "headers": _HEADERS,
            "responses": {_REASONS[status]: _refusal(status) for status in _REASONS},
            "schemas": {"Error": _error_schema(), **_schemas(routes)},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    summary, _ = split_description(route.text)
    statuses = {*_ALWAYS, *route.refusals, *(_WITH_BODY if route.body else ())}
    responses = {
        str(status): {"$ref": f"#/components/responses/{_REASONS[status]}"} for status in sorted(statuses)
    }
    parameters = _parameters(route)
    return {
        "operationId": route.name,
        "summary": summary,
        "description": route.text,
        "tags": [route.tag],
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": _request_body(route)} if route.body else {}),
        "responses": {str(route.status): _success(route), **responses},
    }


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": place,
            "in": "path",
            "required": True,
            "description": "The id.",
            "schema": {"type": "string", "format": "uuid"},
        }
        for place in route.places
    ]
    found += [
        {
            "name": one.name,
            "in": "query",
            "required": False,
            "description": one.description,
            "schema": one.schema,
        }
        for one in route.parameters
    ]
    return [*found, _KEY_HEADER] if route.takes_key else found


def _request_body(route: Route) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": route.body}
    if route.example:
        media["example"] = route.example
    content = {"application/json": media}
    if route.form is not None:
        content["multipart/form-data"] = {"schema": route.form}
    return {"required": route.is_body_required, "content": content}


def _success(route: Route) -> dict[str, Any]:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS}
    if route.answer is None:
        return {"description": "It was done.", "headers": headers}
    description = "It was created." if route.status == 201 else "The answer."
    return {
        "description": description,
        "headers": headers,
        "content": {"application/json": {"schema": route.answer}},
    }


def _refusal(status: int) -> dict[str, Any]:
    entries = [entry for entry in ENTRIES if entry.status == status]
    described = "; ".join(f"`{entry.code}`: {entry.means}" for entry in entries)
    first = entries[0]
    error: dict[str, Any] = {"code": first.code, "message": first.error.default_message, "details": {}}
    return {
        "description": described,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Error"},
                "example": {"error": error},
            }
        },
    }


def _error_schema() -> JsonSchema:
    error = closed(
        {
            "code": {
                "type": "string",
                "description": "A stable code for programs.",
                "enum": [entry.code for entry in ENTRIES],
            },
            "message": {"type": "string", "description": "The same for people; it may be reworded."},
            "details": {
                "type": "object",
                "description": "What belongs to it, such as `path` or `resource_id`.",
            },
        },
        "What was refused, and why.",
    )
    return closed({"error": error}, "A refusal.")


def _schemas(routes: Iterable[Route]) -> dict[str, JsonSchema]:
    found: dict[str, JsonSchema] = {}
    for route in routes:
        _gather(route.shapes, found)
    return dict(sorted(found.items()))


def _gather(shapes: Iterable[Shape], found: dict[str, JsonSchema]) -> None:
    for shape in shapes:
        known = found.setdefault(shape.name, shape.schema)
        assert known == shape.schema, f"there are two shapes named {shape.name}"
        _gather(shape.within, found)


_HEADERS: Final[dict[str, Any]] = {
    "X-RateLimit-Limit": {
        "description": "How many requests the key may make in a minute.",
        "schema": {"type": "integer"},
    },
    "X-RateLimit-Remaining": {
        "description": "How many of them are left.",
        "schema": {"type": "integer"},
    },
    "X-RateLimit-Reset": {
        "description": "When the minute ends, in seconds since 1970.",
        "schema": {"type": "integer"},
    },
    "X-Request-ID": {
        "description": "The name of this request in the server's log; that of the request, if it had one.",
        "schema": {"type": "string"},
    },
}
_KEY_HEADER: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "As good as `idempotency_key` in the body.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x20-\\x7e]+$"},
}
