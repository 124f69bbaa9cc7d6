"""Event schemas: ours, which stand in the code, and the application's own, as rows of one shape."""

from typing import Final, cast

from outrider.events.built_in_schemas import BUILT_IN_SCHEMAS, BuiltInSchema
from outrider.events.event_names import event_type_id
from outrider.events.schemas import CUSTOM
from outrider.surfaces.developer_graphql.arguments import Operand, operand, value_of
from outrider.surfaces.developer_graphql.queries.compiling import USUAL_LENGTH, Compiling, Fields
from outrider.surfaces.developer_graphql.queries.statements import Call, Statement
from outrider.surfaces.developer_graphql.queries.texts import (
    Sql,
    Text,
    escaped,
    joined,
    json,
    moment,
    optional,
    optional_moment,
    quoted,
    type_id,
)
from outrider.surfaces.developer_graphql.selections import Selected
from outrider.tenancy.actors import Scope

_ORDER: Final = "{row}.place, {row}.name"


def event_schemas(compiling: Compiling, selected: Selected) -> Text:
    """Write all schemas as a list: the built-in ones, then the application's own by name."""
    compiling.require(Scope.EVENTS_READ)
    row = compiling.statement.alias("s")
    compiling.weight *= USUAL_LENGTH
    body = joined(compiling.written("EventSchema", row, selected))
    compiling.weight //= USUAL_LENGTH
    rows = f"({_built_in(compiling.statement, None)}) union all ({_own(compiling.statement)})"
    listed = f"array(select {body} from ({rows}) {row} order by {_ORDER.replace('{row}', row)})"  # noqa: S608
    return ["[", Sql(f"array_to_string({listed}, ',')"), "]"]


def event_schema_by_id(compiling: Compiling, selected: Selected) -> Text:
    """Write the schema that a caller names, or null."""
    compiling.require(Scope.EVENTS_READ)
    statement = compiling.statement
    wanted = cast("Operand", operand(compiling.arguments("Query", selected), "id"))
    # the ids of built-in schemas follow from the application's
    name = statement.derived(lambda call: _name_of(call, wanted), "text")
    row = statement.alias("s")
    body = joined(compiling.written("EventSchema", row, selected))
    own = _own(statement, f"{{row}}.id = {statement.value(wanted, 'uuid')}")
    rows = f"({_built_in(statement, name)}) union all ({own})"
    return [Sql(f"coalesce((select {body} from ({rows}) {row}), 'null')")]  # noqa: S608


def event_schema(compiling: Compiling, schema_id: str, selected: Selected) -> Text:
    """Write one of the application's own schemas, given an expression for its id."""
    row = compiling.statement.alias("s")
    body = joined(compiling.written("EventSchema", row, selected))
    own = _own(compiling.statement, f"{{row}}.id = {schema_id}")
    return [Sql(f"coalesce((select {body} from ({own}) {row}), 'null')")]  # noqa: S608


def _name_of(call: Call, wanted: Operand) -> str | None:
    schema_id = value_of(wanted, call.variables)
    for schema in BUILT_IN_SCHEMAS:
        if event_type_id(call.actor.application_id, schema.name) == schema_id:
            return schema.name
    return None


def _built_in(statement: Statement, name: str | None) -> str:
    row = statement.alias("b")
    values = ", ".join(_values(place, schema) for place, schema in enumerate(BUILT_IN_SCHEMAS))
    condition = "" if name is None else f" where {row}.name = {name}"
    return (
        f"select null::uuid as id, {row}.place, {row}.name, {row}.category, {row}.description, {row}.required, "  # noqa: S608
        f"{row}.json_schema::json, 1 as version, true as is_built_in, null::timestamptz as created_at, "
        f"null::timestamptz as updated_at from (values {values}) "
        f"{row}(place, name, category, description, required, json_schema){condition}"
    )


def _values(place: int, schema: BuiltInSchema) -> str:
    required = "[" + ", ".join(f'"{one}"' for one in schema.required_fields) + "]"
    texts = (schema.name, schema.category, schema.description, required, schema.json_schema)
    return f"({place}, {', '.join(map(quoted, texts))})"


def _own(statement: Statement, condition: str = "true") -> str:
    row = statement.alias("s")
    required = f"{row}.json_schema -> 'required'"
    return (
        f"select {row}.id, {len(BUILT_IN_SCHEMAS)} as place, {row}.name, '{CUSTOM}' as category, "
        f"{row}.description, "
        f"case when json_typeof({required}) = 'array' then ({required})::text else '[]' end as required, "
        f"{row}.json_schema, {row}.version, false as is_built_in, {row}.created_at, {row}.updated_at "
        f"{statement.scan('event_schemas', row, condition.replace('{row}', row))}"
    )


def _versions(compiling: Compiling, row: str, selected: Selected) -> Text:
    return compiling.many(
        "EventSchemaVersion",
        "event_schema_versions",
        f"{{row}}.schema_id = {row}.id",
        selected,
        order="{row}.version desc",
        first=compiling.first("EventSchema", selected),
    )


EVENT_SCHEMA: Final[Fields] = {
    "id": lambda _compiling, row, _selected: type_id(f"{row}.name"),
    "name": lambda _compiling, row, _selected: escaped(f"{row}.name"),
    "category": lambda _compiling, row, _selected: escaped(f"{row}.category"),
    "description": lambda _compiling, row, _selected: optional(f"{row}.description"),
    "requiredFields": lambda _compiling, row, _selected: json(f"{row}.required"),
    "jsonSchema": lambda _compiling, row, _selected: json(f"{row}.json_schema"),
    "version": lambda _compiling, row, _selected: json(f"{row}.version"),
    "isBuiltIn": lambda _compiling, row, _selected: json(f"{row}.is_built_in"),
    "createdAt": lambda _compiling, row, _selected: optional_moment(f"{row}.created_at"),
    "updatedAt": lambda _compiling, row, _selected: optional_moment(f"{row}.updated_at"),
    "versions": _versions,
}
EVENT_SCHEMA_VERSION: Final[Fields] = {
    "version": lambda _compiling, row, _selected: json(f"{row}.version"),
    "description": lambda _compiling, row, _selected: optional(f"{row}.description"),
    "jsonSchema": lambda _compiling, row, _selected: json(f"{row}.json_schema"),
    "createdAt": lambda _compiling, row, _selected: moment(f"{row}.created_at"),
}
