"""The OpenAPI 3.1 document of `/v1/messages` for transactional messages, as it stands under docs/api."""

from typing import Any, Final

import orjson

from outrider.messaging.submissions.finding import DEFAULT_LISTED, MOST_LISTED
from outrider.messaging.submissions.showing import STATUSES
from outrider.platforms.base import Channel

_ID: Final = {"type": "string", "format": "uuid"}
_TEXT: Final = {"type": ["string", "null"]}
_FLAG: Final = {"type": ["boolean", "null"]}
_MOMENT: Final = {"type": ["string", "null"], "format": "date-time"}
_CODES: Final = (
    "bad_data",
    "config_issue",
    "recipient_suppressed",
    "unauthorized",
    "https_required",
    "not_found",
    "too_many_requests",
    "internal_error",
)
_GIVEN: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "type": (
        {"type": "string", "enum": sorted(Channel)},
        "What kind of message it is: a channel with a backend.",
    ),
    "to": ({"type": "string"}, "The recipient; of an e-mail `addr` or `Name <addr>`."),
    "from": (_TEXT, "The sender; the template's or the backend's if it is left out."),
    "subject": (_TEXT, "Of an e-mail."),
    "project": (_TEXT, "The project's identifier: the slug of an application. This or `project_id`."),
    "project_id": ({"type": ["string", "null"], "format": "uuid"}, "The project's id."),
    "template": (_TEXT, "A stored template, by its identifier."),
    "template_id": ({"type": ["string", "null"], "format": "uuid"}, "A stored template, by its id."),
    "text_template_body": (_TEXT, "A template of the text part, sent with the message."),
    "html_template_body": (_TEXT, "A template of the HTML part, sent with the message."),
    "template_styles": (_TEXT, "CSS that is written into `html_template_body`."),
    "text_body": (_TEXT, "The text part, ready: it is not rendered."),
    "html_body": (_TEXT, "The HTML part, ready: it is not rendered."),
    "data": ({"type": ["object", "null"]}, "The locals of the templates."),
    "backend": (_TEXT, "What sends it, by its identifier; the project's default if it is left out."),
    "backend_id": ({"type": ["string", "null"], "format": "uuid"}, "What sends it, by its id."),
    "sync": (_FLAG, "Answer when the message has ended, at most 30 seconds later."),
    "render_only": (_FLAG, "Render it and send nothing."),
    "test": (_FLAG, "Send it to the sandbox, whichever backend it names."),
    "id_from_submitter": ({"type": ["string", "null"], "maxLength": 255}, "Your own reference."),
}
# What the message does not show again.
_ONLY_GIVEN: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "ignore_suppression": (_FLAG, "Send it also to who is on the suppression list of the project."),
}
_SHOWN: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "id": (_ID, "Its id, which is that of its event."),
    "public_id": (_ID, "The same."),
    "status": ({"type": "string", "enum": list(STATUSES)}, "How far it has come."),
    "status_message": (_TEXT, "Why it has failed."),
    "done": ({"type": "boolean"}, "Whether nothing more will happen."),
    "received_at": (_MOMENT, "When it was submitted."),
    "queued_for_rendering_at": (_MOMENT, "When it was to be rendered; null if it was not queued for that."),
    "rendered_at": (_MOMENT, "When it was rendered."),
    "queued_for_delivery_at": (_MOMENT, "When it was to be sent; null if it was not queued for that."),
    "delivered_at": (_MOMENT, "When the backend took it."),
    "failed_at": (_MOMENT, "When it failed; after `delivered_at` if it bounced."),
    "provider_id": ({"type": ["string", "null"], "format": "uuid"}, "The provider behind the backend."),
    "id_from_backend": (_TEXT, "What the backend calls it."),
    "backend_response": ({"type": "object"}, "What the backend said."),
}
_SEARCH: Final = {
    "limit": f"How many, from 1 to {MOST_LISTED}; {DEFAULT_LISTED} if it is left out.",
    "cursor": "The `cursor` of an earlier page: what comes after it.",
    "status": "With this status.",
    "project": "Of the project with this identifier.",
    "to": "To this recipient.",
    "id_from_submitter": "With this reference of yours.",
    "id_from_backend": "That its backend calls this.",
}


def _properties(fields: dict[str, tuple[dict[str, Any], str]]) -> dict[str, Any]:
    return {name: {**schema, "description": text} for name, (schema, text) in fields.items()}


def _answer(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _data(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "required": ["data", *more], "properties": {"data": schema, **more}}


def _refusals(*statuses: str) -> dict[str, Any]:
    refusal = {"$ref": "#/components/responses/Refusal"}
    return dict.fromkeys((*statuses, "401", "403", "429", "500", "503"), refusal)


def _document() -> dict[str, Any]:
    message = {"$ref": "#/components/schemas/Message"}
    new = {"$ref": "#/components/schemas/NewMessage"}
    key = {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 255}}
    form = {
        "type": "object",
        "required": ["message"],
        "properties": {
            "message": {"type": "string", "description": "The message as JSON, without a wrapper."},
            "disposition": {"type": "string", "enum": ["attachment", "inline"]},
            "attachments[]": {"type": "array", "items": {"type": "string", "format": "binary"}},
        },
    }
    content = {
        "application/json": {
            "schema": {"type": "object", "required": ["message"], "properties": {"message": new}}
        },
        "multipart/form-data": {"schema": form},
    }
    submit = {
        "operationId": "submit_message",
        "summary": "Submit a message.",
        "parameters": [key],
        "requestBody": {"required": True, "content": content},
        "responses": {
            "201": _answer("The message; one that failed meanwhile, too.", _data(message)),
            "202": _answer("`sync`: it has not ended after 30 seconds.", _data(message)),
            **_refusals("422"),
        },
    }
    cursor = {"type": ["string", "null"], "description": "Leads to what comes after; null at the end."}
    listed = {
        "operationId": "list_messages",
        "summary": "List messages, the newest first.",
        "parameters": [
            {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
            for name, text in _SEARCH.items()
        ],
        "responses": {
            "200": _answer("A page.", _data({"type": "array", "items": message}, cursor=cursor)),
            **_refusals("422"),
        },
    }
    got = {
        "operationId": "get_message",
        "summary": "Show a message.",
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": _ID}],
        "responses": {"200": _answer("The message.", _data(message)), **_refusals("404")},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Outrider: transactional messages",
            "version": "1",
            "description": "Requests with `Outkit-Access-*` headers at `/v1/messages`; see the guide.",
        },
        "paths": {"/v1/messages": {"post": submit, "get": listed}, "/v1/messages/{id}": {"get": got}},
        "security": [{"key": [], "passphrase": [], "timestamp": [], "signature": []}],
        "components": _components(),
    }


def _components() -> dict[str, Any]:
    given, shown = _properties(_GIVEN), _properties(_SHOWN)
    new = {**given, **_properties(_ONLY_GIVEN)}
    error = {
        "type": "object",
        "required": ["code", "message"],
        "properties": {
            "code": {"type": "string", "enum": list(_CODES)},
            "message": {"type": "string", "description": "For people."},
        },
    }
    refusal = {"type": "object", "required": ["error"], "properties": {"error": error}}
    return {
        "schemas": {
            "NewMessage": {"type": "object", "required": ["type", "to"], "properties": new},
            "Message": {
                "type": "object",
                "required": sorted({*given, *shown}),
                "properties": {**given, **shown},
            },
        },
        "responses": {"Refusal": _answer("A refusal.", refusal)},
        "securitySchemes": {
            name: {"type": "apiKey", "in": "header", "name": f"Outkit-Access-{name.capitalize()}"}
            for name in ("key", "passphrase", "timestamp", "signature")
        },
    }


def written_openapi() -> str:
    """Write the document."""
    return orjson.dumps(_document(), option=orjson.OPT_INDENT_2).decode() + "\n"
