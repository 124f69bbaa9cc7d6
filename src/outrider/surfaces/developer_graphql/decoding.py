"""Turns the arguments of mutations into what the operations take."""

from collections.abc import Mapping
from typing import Any, cast

from graphql import ListValueNode, ObjectValueNode, StringValueNode, Undefined

from outrider.core.errors import AppError, ValidationError
from outrider.core.storable import storable_text
from outrider.events.creating import EdgeRequest, NewCustomEvent
from outrider.events.values import NodeType
from outrider.messaging.values import SendRequest
from outrider.platforms.base import Channel
from outrider.surfaces.developer_graphql.selections import Selected
from outrider.tenancy.connections import NewConnection
from outrider.webhooks.subscriptions import NewSubscription

Arguments = Mapping[str, Any]


def plain_arguments(selected: Selected, arguments: dict[str, Any]) -> dict[str, Any]:
    """Clean what was written in the document itself: it may hold variables left out, and escapes of NUL.

    What came as JSON was checked when the body was read.
    """
    written = selected.nodes[0].arguments or ()
    if any(isinstance(one.value, ListValueNode | ObjectValueNode | StringValueNode) for one in written):
        return {name: _plain(value, name) for name, value in arguments.items()}
    return arguments


def _plain(value: object, name: str) -> object:
    match value:
        case str():
            return storable_text(value, name=name)
        case list():
            return [_plain(part, name) for part in cast("list[object]", value)]
        case dict():
            members = cast("dict[str, object]", value)
            return {
                storable_text(key, name=name): _plain(part, name)
                for key, part in members.items()
                if part is not Undefined
            }
        case _:
            return None if value is Undefined else value


def send_request(arguments: Arguments) -> SendRequest:
    """Read the arguments of `sendMessage`."""
    return SendRequest(
        connection_id=arguments["platformConnectionId"],
        recipient=arguments["toExternalId"],
        text=arguments.get("message"),
        content=_object(arguments, "content"),
        metadata=_object(arguments, "metadata"),
        file_ids=arguments.get("fileIds") or (),
        is_sandbox=bool(arguments.get("sandbox")),
        idempotency_key=arguments.get("idempotencyKey"),
        reply_to_event_id=arguments.get("replyToEventId"),
        scheduled_at=arguments.get("scheduledAt"),
        expires_at=arguments.get("expiresAt"),
        wait=arguments.get("wait") is not False,
    )


def send_request_or_refusal(arguments: Arguments) -> SendRequest | AppError:
    """Read one of several messages: what is wrong with it is its own answer."""
    try:
        return send_request({**arguments, "wait": arguments.get("wait") or False})
    except AppError as problem:
        return problem


def custom_event(arguments: Arguments) -> NewCustomEvent:
    """Read the arguments of `createEvent`."""
    return NewCustomEvent(
        event_type=arguments["eventType"],
        payload=arguments["payload"],
        edges=[
            EdgeRequest(edge["edgeType"], NodeType(edge["targetNodeType"].lower()), edge["targetNodeId"])
            for edge in arguments.get("edges") or ()
        ],
        origin_event_id=arguments.get("originEventId"),
        idempotency_key=arguments.get("idempotencyKey"),
    )


def new_connection(arguments: Arguments) -> NewConnection:
    """Read the arguments of `createPlatformConnection`."""
    return NewConnection(
        channel=Channel(arguments["platformName"].lower()),
        name=arguments["name"],
        provider=arguments.get("provider"),
        identifier=arguments.get("identifier"),
        account_id=arguments.get("accountId"),
        config=arguments.get("config"),
        in_doubt_policy=(arguments.get("inDoubtPolicy") or "RETRY").lower(),
    )


def new_subscription(arguments: Arguments) -> NewSubscription:
    """Read the arguments of `createWebhookSubscription`."""
    return NewSubscription(
        name=arguments["name"],
        target_url=arguments["targetUrl"],
        patterns=arguments["eventPatterns"],
        secret=arguments.get("secret"),
    )


def _object(arguments: Arguments, name: str) -> Mapping[str, object] | None:
    value = arguments.get(name)
    if value is None or isinstance(value, dict):
        return cast("Mapping[str, object] | None", value)
    raise ValidationError(f"{name} must be an object.", field=name)
