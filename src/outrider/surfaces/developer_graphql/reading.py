"""Reads: one plan for each document and pattern of nulls, one statement for each request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

import asyncpg

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Database
from outrider.core.errors import AppError, QueryTooExpensive
from outrider.surfaces.developer_graphql.documents import Operation, Variables
from outrider.surfaces.developer_graphql.introspecting import introspection
from outrider.surfaces.developer_graphql.queries.compiling import Compiling
from outrider.surfaces.developer_graphql.queries.feeds import FeedPlan, compile_feed
from outrider.surfaces.developer_graphql.queries.nodes import FIELDS
from outrider.surfaces.developer_graphql.queries.pages import Row
from outrider.surfaces.developer_graphql.queries.reads import (
    LARGEST_ANSWER,
    FileUrl,
    ReadPlan,
    compile_created,
    compile_query,
)
from outrider.surfaces.developer_graphql.queries.statements import BadArgument, Call
from outrider.surfaces.developer_graphql.schema import SCHEMA
from outrider.surfaces.developer_graphql.selections import Selected, Selecting
from outrider.surfaces.graphql_errors import FieldRefused, refusal
from outrider.tenancy.actors import Scope

_NO_ROW: Row = ()
TOO_LARGE: Final = (
    f"The answer has more than {LARGEST_ANSWER >> 20} MB: ask for a smaller page or fewer fields."
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What reads need of the process."""

    database: Database
    public_url: str
    file_url: FileUrl


async def answer_query(reading: Reading, operation: Operation, call: Call, variables: Variables) -> str:
    """Answer a query with the JSON of its `data`; raises `FieldRefused`."""
    try:
        plan = operation.plan(
            operation.pattern(variables), lambda: plan_query(reading.public_url, operation, variables)
        )
        return await run(reading, cast("ReadPlan", plan), call)
    except BadArgument as bad:
        selecting = Selecting(operation.fragments, variables.values())
        raise refused_field(selecting.fields([operation.node.selection_set]), bad) from None


def plan_query(public_url: str, operation: Operation, variables: Variables) -> ReadPlan:
    """Compile a query for one pattern of variables; raises `BadArgument`."""
    selecting = Selecting(operation.fragments, variables.values())
    return compile_query(
        Compiling(SCHEMA, selecting, FIELDS, public_url),
        selecting.fields([operation.node.selection_set]),
        lambda selected: introspection(operation, selected),
    )


def plan_created(public_url: str, selecting: Selecting, type_name: str, selected: Selected) -> ReadPlan:
    """Compile what a mutation selects of the thing that it creates; raises `BadArgument`."""
    compiling = Compiling(SCHEMA, selecting, FIELDS, public_url, is_created=True)
    return compile_created(compiling, type_name, selected)


def plan_feed(public_url: str, operation: Operation, variables: Variables) -> FeedPlan:
    """Give the plan of a subscription for one pattern of variables; raises `FieldRefused` and `RequestRefused`."""
    selecting = Selecting(operation.fragments, variables.values())
    fields = selecting.fields([operation.node.selection_set])
    if len(fields) != 1:
        raise refusal("A subscription must select its one field, whatever its variables say.")

    def compiled() -> FeedPlan:
        return compile_feed(Compiling(SCHEMA, selecting, FIELDS, public_url), fields[0])

    try:
        return cast("FeedPlan", operation.plan(operation.pattern(variables), compiled))
    except BadArgument as bad:
        raise refused_field(fields, bad) from None


async def run(reading: Reading, plan: ReadPlan, call: Call) -> str:
    """Ask the plan's one statement and put the answer together; raises `BadArgument`."""
    require_scopes(plan.scopes, call)
    arguments = plan.statement.arguments(call)
    if plan.sql is None:
        return plan.render(_NO_ROW, arguments, call, reading.file_url)
    try:
        with faults_as_unavailable():
            row = await _ask(reading, plan.sql, arguments)
    except AppError as problem:
        raise BadArgument(next(iter(plan.scopes.values()), ""), problem) from problem.__cause__
    return plan.render(row, arguments, call, reading.file_url)


async def _ask(reading: Reading, sql: str, arguments: list[object]) -> Row:
    try:
        row = await reading.database.reads.fetchrow(sql, *arguments)
    except asyncpg.QueryCanceledError as cancelled:
        raise QueryTooExpensive from cancelled
    except asyncpg.ProgramLimitExceededError as beyond:
        raise QueryTooExpensive(TOO_LARGE) from beyond
    if row is None:
        raise QueryTooExpensive(TOO_LARGE)
    return cast("Row", row)


def require_scopes(scopes: Mapping[Scope, str], call: Call) -> None:
    """Raise `BadArgument` of the first field that needs a scope which the key lacks."""
    for scope, key in scopes.items():
        try:
            call.actor.require(scope)
        except AppError as problem:
            raise BadArgument(key, problem) from None


def refused_field(fields: list[Selected], bad: BadArgument) -> FieldRefused:
    """Say where in the document a field was refused."""
    nodes = [node for field in fields if field.key == bad.key for node in field.nodes[:1]]
    tokens = [node.loc.start_token for node in nodes if node.loc]
    locations = [{"line": token.line, "column": token.column} for token in tokens]
    return FieldRefused(bad.problem, [bad.key] if bad.key else [], locations)
