"""The statement that is being compiled: its parameters, and the one way to name a table."""

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from outrider.core.errors import AppError
from outrider.surfaces.developer_graphql.arguments import Operand, value_of
from outrider.tenancy.actors import Actor

# How each table is tied to the tenant, in the words of a condition on its alias.
_BY_APPLICATION: Final = "{alias}.application_id = $1"
_TABLES: Final[Mapping[str, str]] = {
    "events": _BY_APPLICATION,
    "edges": _BY_APPLICATION,
    "event_types": _BY_APPLICATION,
    "raw_bodies": _BY_APPLICATION,
    "messages": _BY_APPLICATION,
    "external_messages": _BY_APPLICATION,
    "users": _BY_APPLICATION,
    "platform_users": _BY_APPLICATION,
    "connections": _BY_APPLICATION,
    "subscriptions": _BY_APPLICATION,
    "delivery_queue": _BY_APPLICATION,
    "deliveries": _BY_APPLICATION,
    "attempts": _BY_APPLICATION,
    "fan_outs": _BY_APPLICATION,
    "event_schemas": _BY_APPLICATION,
    "event_schema_versions": _BY_APPLICATION,
    "logs": _BY_APPLICATION,
    "files": _BY_APPLICATION,
    "applications": "{alias}.id = $1 and {alias}.organisation_id = {organisation}",
    "accounts": "{alias}.organisation_id = {organisation}",
}

# No text that is spliced in can hold this: names have none, and JSON and URLs escape it.
_MARK: Final = re.compile("\0(\\d+)\0")

Convert = Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Call:
    """One request as parameters see it; `created` holds what only the operation before the read knows."""

    actor: Actor
    variables: Mapping[str, Any]
    created: Mapping[str, object] | None = None


Parameter = Callable[[Call], object]


class BadArgument(Exception):
    """A parameter's value is refused; `key` is the field of the answer that it belongs to."""

    def __init__(self, key: str, problem: AppError) -> None:
        self.key = key
        self.problem = problem
        super().__init__(problem.message)


class Statement:
    """Collects parameters and gives out aliases while SQL is put together. $1 is the application.

    A parameter is a mark in the text until the end, since not every one that was asked for is used. Those that are
    not are still checked: a list of which only the count is wanted refuses a bad cursor as any.
    """

    def __init__(self) -> None:
        self.key = ""
        self._wanted: list[Parameter] = []
        self._used: list[Parameter] = []
        self._unused: list[Parameter] = []
        self._places: dict[str, int] = {}
        self._aliases = itertools.count(1)
        self._organisation = ""
        self._bound: dict[tuple[int, Convert | None], tuple[Operand, str]] = {}

    def scan(self, table: str, alias: str, *conditions: str) -> str:
        """Read a table within the tenant: the only place where a compiled read can name one."""
        tenant = _TABLES[table]
        if "{organisation}" in tenant:
            tenant = tenant.replace("{organisation}", self.organisation())
        wall = tenant.replace("{alias}", alias)
        return f"from {table} {alias} where {' and '.join((wall, *conditions))}"

    def alias(self, letter: str) -> str:
        """Give a name that no other table of the statement has."""
        return f"{letter}{next(self._aliases)}"

    def organisation(self) -> str:
        """Give the parameter that holds the tenant's organisation."""
        if not self._organisation:
            self._organisation = self._want(lambda call: call.actor.organisation_id, "uuid")
        return self._organisation

    def value(self, operand: Operand, sql_type: str, convert: Convert | None = None) -> str:
        """Give the parameter for a value; the same value is sent once."""
        known = self._bound.get((id(operand), convert))
        if known is None:
            parameter = self._want(_reader(self.key, operand, convert), sql_type)
            # The operand is kept so that its id stays its own.
            known = self._bound[id(operand), convert] = (operand, parameter)
        return known[1]

    def created(self, name: str, sql_type: str) -> str:
        """Give the parameter for what only the operation before the read knows."""
        return self._want(lambda call: (call.created or {}).get(name), sql_type)

    def derived(self, parameter: Parameter, sql_type: str) -> str:
        """Give the parameter for what follows from the request as a whole."""
        return self._want(parameter, sql_type)

    def finish(self, sql: str) -> str:
        """Number the parameters that the text uses."""
        numbered = _MARK.sub(self._number, sql)
        self._unused = [one for one in self._wanted if one not in self._used]
        return numbered

    def place(self, parameter: str) -> int:
        """Tell where among the arguments a used parameter's value is."""
        return self._places[parameter[: parameter.index("::")]]

    def arguments(self, call: Call) -> list[object]:
        """Give the values of all used parameters at a request, or raise `BadArgument` for any parameter."""
        for parameter in self._unused:
            parameter(call)
        return [call.actor.application_id, *[parameter(call) for parameter in self._used]]

    def _want(self, parameter: Parameter, sql_type: str) -> str:
        self._wanted.append(parameter)
        return f"\0{len(self._wanted) - 1}\0::{sql_type}"

    def _number(self, mark: re.Match[str]) -> str:
        place = self._places.get(mark[0])
        if place is None:
            self._used.append(self._wanted[int(mark[1])])
            place = self._places[mark[0]] = len(self._used)
        return f"${place + 1}"


def _reader(key: str, operand: Operand, convert: Convert | None) -> Parameter:
    if convert is None:
        return lambda call: value_of(operand, call.variables)

    def read(call: Call) -> object:
        try:
            return convert(value_of(operand, call.variables))
        except AppError as problem:
            raise BadArgument(key, problem) from None

    return read
