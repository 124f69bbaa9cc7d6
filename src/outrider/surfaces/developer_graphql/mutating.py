"""Mutations: arguments are decoded, one operation is called, its result is encoded.

What creates something answers with a compiled read of it. Fields run one after the other, as the specification
says; the first that is refused ends the request.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson

from outrider.core.errors import AppError, ValidationError
from outrider.surfaces.developer_graphql import decoding
from outrider.surfaces.developer_graphql.decoding import Arguments
from outrider.surfaces.developer_graphql.documents import Operation, Variables
from outrider.surfaces.developer_graphql.encoding import Encode, encoder, send_answer
from outrider.surfaces.developer_graphql.operations import Operations
from outrider.surfaces.developer_graphql.queries.reads import ReadPlan
from outrider.surfaces.developer_graphql.queries.statements import BadArgument, Call
from outrider.surfaces.developer_graphql.reading import (
    Reading,
    plan_created,
    refused_field,
    require_scopes,
    run,
)
from outrider.surfaces.developer_graphql.schema import SCHEMA, field_of
from outrider.surfaces.developer_graphql.selections import Selected, Selecting
from outrider.tenancy.actors import Actor, Scope

MOST_MESSAGES: Final = 500

_Run = Callable[[Operations, Actor, Arguments], Awaitable[Mapping[str, object]]]
_Send = Callable[[Operations, Actor, Arguments], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Step:
    """One top-level field of a mutation: its answer is either encoded or read."""

    selected: Selected
    scope: Scope | None
    read_arguments: Callable[[Variables], Arguments]
    encode: Encode | None = None
    read: ReadPlan | None = None


async def answer_mutation(
    reading: Reading, operations: Operations, operation: Operation, call: Call, variables: Variables
) -> str:
    """Carry out a mutation and answer the JSON of its `data`; raises `FieldRefused`."""
    try:
        steps = cast(
            "tuple[Step, ...]",
            operation.plan(
                operation.pattern(variables), lambda: plan_mutation(reading.public_url, operation, variables)
            ),
        )
        for step in steps:
            # Before anything is done: a refusal of the second field would not undo the first.
            _require(step, call)
        parts = [
            f'"{step.selected.key}":{await _carry_out(reading, operations, step, call, variables)}'
            for step in steps
        ]
    except BadArgument as bad:
        selecting = Selecting(operation.fragments, variables.values())
        raise refused_field(selecting.fields([operation.node.selection_set]), bad) from bad.problem.__cause__
    return "{" + ",".join(parts) + "}"


def plan_mutation(public_url: str, operation: Operation, variables: Variables) -> tuple[Step, ...]:
    """Compile what a mutation selects of its results; raises `BadArgument`."""
    selecting = Selecting(operation.fragments, variables.values())
    return tuple(
        _step(public_url, selecting, selected)
        for selected in selecting.fields([operation.node.selection_set])
    )


def _step(public_url: str, selecting: Selecting, selected: Selected) -> Step:
    name = selected.name
    if name == "__typename":
        return Step(selected, None, lambda _variables: {})
    try:
        read_arguments = decoding.arguments_of(selected, field_of(cast("Any", SCHEMA.mutation_type), name))
    except AppError as problem:
        raise BadArgument(selected.key, problem) from None
    if name in _CREATE:
        scope, type_name, _ = _CREATE[name]
        read = plan_created(public_url, selecting, type_name, selected)
        return Step(selected, scope, read_arguments, read=read)
    type_name, _ = _SEND[name]
    return Step(selected, Scope.EVENTS_WRITE, read_arguments, encode=encoder(selecting, type_name, selected))


def _require(step: Step, call: Call) -> None:
    if step.scope is not None:
        require_scopes({step.scope: step.selected.key}, call)
    if step.read is not None:
        require_scopes(step.read.scopes, call)


async def _carry_out(
    reading: Reading, operations: Operations, step: Step, call: Call, variables: Variables
) -> str:
    name, key = step.selected.name, step.selected.key
    try:
        arguments = step.read_arguments(variables)
        if step.encode is not None:
            result = await _SEND[name][1](operations, call.actor, arguments)
            return orjson.dumps(_encoded(step.encode, result)).decode()
        if step.read is not None:
            created = await _CREATE[name][2](operations, call.actor, arguments)
            return await run(reading, step.read, Call(call.actor, call.variables, created))
    except AppError as problem:
        raise BadArgument(key, problem) from problem.__cause__
    return '"Mutation"'


def _encoded(encode: Encode, result: object) -> object:
    if isinstance(result, list):
        return [encode(item) for item in cast("list[object]", result)]
    return encode(result)


async def _send(operations: Operations, actor: Actor, arguments: Arguments) -> object:
    return await operations.send(actor, decoding.send_request(arguments))


async def _send_many(operations: Operations, actor: Actor, arguments: Arguments) -> object:
    inputs = cast("list[Arguments]", arguments["inputs"])
    if not 1 <= len(inputs) <= MOST_MESSAGES:
        raise ValidationError(
            f"inputs must hold 1 to {MOST_MESSAGES} messages, not {len(inputs)}.", field="inputs"
        )
    requests = [decoding.send_request_or_refusal(one) for one in inputs]
    return [send_answer(answer) for answer in await operations.send_many(actor, requests)]


async def _cancel(operations: Operations, actor: Actor, arguments: Arguments) -> object:
    return await operations.cancel(actor, arguments["id"])


async def _create_event(operations: Operations, actor: Actor, arguments: Arguments) -> Mapping[str, object]:
    return {"id": await operations.create_event(actor, decoding.custom_event(arguments))}


async def _create_connection(
    operations: Operations, actor: Actor, arguments: Arguments
) -> Mapping[str, object]:
    created = await operations.create_connection(actor, decoding.new_connection(arguments))
    return {"id": created.id, "webhook_url": created.webhook_url}


async def _create_subscription(
    operations: Operations, actor: Actor, arguments: Arguments
) -> Mapping[str, object]:
    created = await operations.create_subscription(actor, decoding.new_subscription(arguments))
    return {"id": created.id, "secret": created.secret}


async def _mark_read(operations: Operations, actor: Actor, arguments: Arguments) -> Mapping[str, object]:
    await operations.mark_conversation_read(actor, arguments["id"], arguments.get("upToEventId"))
    return {"id": arguments["id"]}


_SEND: Final[Mapping[str, tuple[str, _Send]]] = {
    "sendMessage": ("SendMessageResult", _send),
    "sendMessages": ("SendMessageAnswer", _send_many),
    "cancelMessage": ("SendMessageResult", _cancel),
}
_CREATE: Final[Mapping[str, tuple[Scope, str, _Run]]] = {
    "createEvent": (Scope.EVENTS_WRITE, "Event", _create_event),
    "markConversationRead": (Scope.EVENTS_WRITE, "Conversation", _mark_read),
    "createPlatformConnection": (Scope.ALL, "PlatformConnection", _create_connection),
    "createWebhookSubscription": (Scope.ALL, "WebhookSubscription", _create_subscription),
}
