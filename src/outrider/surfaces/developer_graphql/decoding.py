"""Turns the arguments of mutations into what the operations take."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from graphql import GraphQLError, GraphQLField, ListValueNode, ObjectValueNode, Undefined, VariableNode
from graphql.execution.values import get_argument_values
from msgspec import UNSET

from outrider.core.errors import AppError, ValidationError
from outrider.core.storable import storable_text
from outrider.events.creating import EdgeRequest, NewCustomEvent
from outrider.events.logs.creating import NewLog
from outrider.events.schemas import EventSchemaChange, NewEventSchema
from outrider.events.values import NodeType
from outrider.identity.values import NewPlatformUser, PlatformUserChanges
from outrider.messaging.values import SendRequest
from outrider.platforms.base import Channel
from outrider.surfaces.developer_graphql.documents import Variables
from outrider.surfaces.developer_graphql.kinds import argument_kind, default_of
from outrider.surfaces.developer_graphql.selections import Selected
from outrider.tenancy.application_settings import ApplicationChanges
from outrider.tenancy.connections import NewConnection
from outrider.tenancy.managing_connections import ConnectionChanges
from outrider.webhooks.managing import SubscriptionChanges
from outrider.webhooks.subscriptions import NewSubscription

Arguments = Mapping[str, Any]
"""The arguments of one field, by name; None and absent mean the same, where nothing else is said."""


def arguments_of(selected: Selected, definition: GraphQLField) -> Callable[[Variables], Arguments]:
    """Give what reads a field's arguments at each request; what needs no variable is read once, here.

    What came as JSON was checked when the body was read. What is written in the document may hold escapes of NUL.
    """
    written = {argument.name.value: argument.value for argument in selected.nodes[0].arguments or ()}
    if any(isinstance(node, ListValueNode | ObjectValueNode) for node in written.values()):
        # Variables may stand inside.
        return lambda variables: _slow_arguments(selected, definition, variables)
    constant: dict[str, Any] = {}
    variable: list[tuple[str, str, object, bool]] = []
    for name, argument in definition.args.items():
        node, default = written.get(name), default_of(argument)
        if isinstance(node, VariableNode):
            variable.append((name, node.name.value, default, argument_kind(argument).is_required))
        elif node is not None:
            constant[name] = _plain(argument_kind(argument).literal(node), name)
        elif default is not None:
            constant[name] = default
    return lambda variables: _read(constant, variable, variables.coerced)


def _read(
    constant: dict[str, Any], variable: list[tuple[str, str, object, bool]], coerced: Mapping[str, Any]
) -> Arguments:
    found = constant.copy()
    for name, source, default, is_required in variable:
        if source not in coerced and default is None and not is_required:
            continue
        value = coerced.get(source, default)
        if value is None and is_required:
            raise ValidationError(f"{name} must not be null.", path=name)
        found[name] = value
    return found


def _slow_arguments(selected: Selected, definition: GraphQLField, variables: Variables) -> Arguments:
    try:
        found = get_argument_values(definition, selected.nodes[0], variables.values())
    except GraphQLError as problem:
        raise ValidationError(problem.message) from None
    return {name: _plain(value, name) for name, value in found.items()}


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
        ignores_suppression=bool(arguments.get("ignoreSuppression")),
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
        family=(arguments.get("family") or "OUTERACT").lower(),
    )


def subscription_changes(arguments: Arguments) -> SubscriptionChanges:
    """Read the arguments of `updateWebhookSubscription`."""
    return SubscriptionChanges(
        name=arguments.get("name"),
        target_url=arguments.get("targetUrl"),
        patterns=arguments.get("eventPatterns"),
    )


def connection_changes(arguments: Arguments) -> ConnectionChanges:
    """Read the arguments of `updatePlatformConnection`."""
    policy, status = arguments.get("inDoubtPolicy"), arguments.get("status")
    return ConnectionChanges(
        name=arguments.get("name"),
        config=arguments.get("config"),
        in_doubt_policy=policy.lower() if policy else None,
        status=status.lower() if status else None,
    )


def application_changes(arguments: Arguments) -> ApplicationChanges:
    """Read the arguments of `updateApplication`."""
    return ApplicationChanges(name=arguments.get("name"), config=arguments.get("config"))


def new_platform_user(arguments: Arguments) -> NewPlatformUser:
    """Read the arguments of `createPlatformUser`."""
    return NewPlatformUser(
        connection_id=arguments["platformConnectionId"],
        external_id=arguments["externalId"],
        user_id=arguments.get("userId"),
        name=arguments.get("name"),
        profile_picture_url=arguments.get("profilePictureUrl"),
    )


def platform_user_changes(arguments: Arguments) -> PlatformUserChanges:
    """Read the arguments of `updatePlatformUser`: what is left out stays, null removes."""
    return PlatformUserChanges(
        name=arguments.get("name", UNSET), profile_picture_url=arguments.get("profilePictureUrl", UNSET)
    )


def new_schema(arguments: Arguments) -> NewEventSchema:
    """Read the arguments of `createEventSchema`."""
    return NewEventSchema(arguments["name"], arguments["jsonSchema"], arguments.get("description"))


def schema_change(arguments: Arguments) -> EventSchemaChange:
    """Read the arguments of `updateEventSchema`: what is null stays as it is."""
    schema, description = arguments.get("jsonSchema"), arguments.get("description")
    return EventSchemaChange(
        schema_id=arguments.get("id"),
        name=arguments.get("name"),
        json_schema=UNSET if schema is None else schema,
        description=UNSET if description is None else description,
    )


def new_log(arguments: Arguments) -> NewLog:
    """Read the arguments of `createLog`; null is as good as left out."""
    level, log_type = arguments.get("logLevel"), arguments.get("logType")
    return NewLog(
        message=arguments["message"],
        level="info" if level is None else level,
        log_type="execution" if log_type is None else log_type,
        payload=arguments.get("payload"),
        event_id=arguments.get("eventId"),
    )


def number(arguments: Arguments, name: str, otherwise: int) -> int:
    """Read a number; null is as good as left out."""
    found = arguments.get(name)
    return otherwise if found is None else found


def _object(arguments: Arguments, name: str) -> Mapping[str, object] | None:
    value = arguments.get(name)
    if value is None or isinstance(value, dict):
        return cast("Mapping[str, object] | None", value)
    raise ValidationError(f"{name} must be an object.", path=name)
