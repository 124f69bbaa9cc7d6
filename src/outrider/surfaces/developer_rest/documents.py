"""Documents that are asked again and again: one for each route, read at its first use, its plans cached for good."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import orjson
from graphql import GraphQLField, GraphQLObjectType

from outrider.surfaces.developer_graphql.documents import Operation, load_document
from outrider.surfaces.developer_graphql.mutating import answer_mutation
from outrider.surfaces.developer_graphql.operations import Operations
from outrider.surfaces.developer_graphql.queries.statements import Call
from outrider.surfaces.developer_graphql.reading import Reading, answer_query, plan_created, run
from outrider.surfaces.developer_graphql.schema import SCHEMA
from outrider.surfaces.developer_graphql.selections import Selecting
from outrider.tenancy.actors import Actor


@dataclass(frozen=True, slots=True)
class Serving:
    """What carrying out a request needs of the process."""

    reading: Reading
    operations: Operations


@dataclass(frozen=True, slots=True)
class Document:
    """One field of the schema, asked with arguments as JSON has them."""

    text: str
    required: tuple[str, ...]
    """The texts without which the mutation cannot be asked."""

    @property
    def operation(self) -> Operation:
        """It as it was read and validated: at first use, since most processes use few of them."""
        return _operation(self.text)

    async def ask(self, serving: Serving, actor: Actor, arguments: Mapping[str, object]) -> Any:
        """Give what the field answers; raises `FieldRefused` or `RequestRefused`."""
        operation = self.operation
        variables = operation.coerce(arguments)
        call = Call(actor, variables.coerced)
        if operation.is_mutation:
            text = await answer_mutation(serving.reading, serving.operations, operation, call, variables)
        else:
            text = await answer_query(serving.reading, operation, call, variables)
        return orjson.loads(text)["found"]

    async def read_made(
        self, serving: Serving, actor: Actor, type_name: str, made: Mapping[str, object]
    ) -> Any:
        """Read what this mutation would answer with, of a thing that was made in another way."""
        # a selection without variables: those of the mutation may be anything that is valid
        operation = self.operation
        variables = operation.values(dict.fromkeys(self.required, ""))
        selecting = Selecting(operation.fragments, variables)
        (selected,) = selecting.fields([operation.node.selection_set])
        plan = plan_created(serving.reading.public_url, selecting, type_name, selected)
        return orjson.loads(await run(serving.reading, plan, Call(actor, {}, made)))


def query_field(name: str) -> GraphQLField:
    """A field that reads."""
    return cast("GraphQLObjectType", SCHEMA.query_type).fields[name]


def mutation_field(name: str) -> GraphQLField:
    """A field that changes something."""
    return cast("GraphQLObjectType", SCHEMA.mutation_type).fields[name]


def query(name: str, arguments: Iterable[str], selection: str) -> Document:
    """Make the document of a field that reads."""
    return _document("query", name, query_field(name).args, arguments, selection)


def mutation(name: str, arguments: Iterable[str], selection: str) -> Document:
    """Make the document of a field that changes something."""
    return _document("mutation", name, mutation_field(name).args, arguments, selection)


def _document(
    kind: str,
    name: str,
    defined: Mapping[str, Any],
    arguments: Iterable[str],
    selection: str,
) -> Document:
    used = list(arguments)
    head = ", ".join(f"${argument}: {defined[argument].type}" for argument in used)
    passed = ", ".join(f"{argument}: ${argument}" for argument in used)
    text = (
        f"{kind}{f'({head})' if used else ''} {{ found: {name}{f'({passed})' if used else ''} {selection} }}"
    )
    return Document(text, tuple(name for name in used if str(defined[name].type) == "String!"))


@cache
def _operation(text: str) -> Operation:
    (operation,) = load_document(text).values()
    return operation
