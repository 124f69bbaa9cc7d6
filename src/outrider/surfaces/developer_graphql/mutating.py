"""Mutations: arguments are decoded, one operation is called, its result is encoded.

What creates something answers with a compiled read of it. Fields run one after the other, as the specification
says; the first that is refused ends the request.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import orjson

from outrider.core.errors import AppError
from outrider.surfaces.developer_graphql import decoding
from outrider.surfaces.developer_graphql.decoding import Arguments
from outrider.surfaces.developer_graphql.documents import Operation, Variables
from outrider.surfaces.developer_graphql.encoding import Encode, encoder
from outrider.surfaces.developer_graphql.mutations import MUTATIONS
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
from outrider.tenancy.actors import Scope


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
    mutation = MUTATIONS[name]
    if mutation.is_encoded:
        encode = encoder(selecting, mutation.type_name, selected)
        return Step(selected, mutation.scope, read_arguments, encode=encode)
    read = plan_created(public_url, selecting, mutation.type_name, selected)
    return Step(selected, mutation.scope, read_arguments, read=read)


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
            result = await MUTATIONS[name].run(operations, call.actor, arguments)
            return orjson.dumps(_encoded(step.encode, result)).decode()
        if step.read is not None:
            created = await MUTATIONS[name].run(operations, call.actor, arguments)
            return await run(reading, step.read, Call(call.actor, call.variables, created))
    except AppError as problem:
        raise BadArgument(key, problem) from problem.__cause__
    return '"Mutation"'


def _encoded(encode: Encode, result: object) -> object:
    if isinstance(result, list):
        return [encode(item) for item in cast("list[object]", result)]
    return encode(result)
