"""Where an event comes from and what came of it: a walk over the graph both ways, nearest first, bounded."""

from typing import Final, cast

from outrider.core.errors import ValidationError
from outrider.surfaces.developer_graphql.arguments import Operand, operand
from outrider.surfaces.developer_graphql.queries.compiling import Compiling
from outrider.surfaces.developer_graphql.queries.statements import Statement
from outrider.surfaces.developer_graphql.queries.texts import Sql, Text, joined, json, optional, plain
from outrider.surfaces.developer_graphql.selections import Selected
from outrider.tenancy.actors import Scope

DEEPEST: Final = 5
MOST_NODES: Final = 200
# A node may be reached in many ways, and each way counts.
_MOST_STEPS: Final = 5_000


def provenance(compiling: Compiling, selected: Selected) -> Text:
    """Write what lies around an event, or null if there is no such event."""
    compiling.require(Scope.EVENTS_READ)
    statement = compiling.statement
    given = compiling.arguments("Query", selected)
    start = statement.value(cast("Operand", operand(given, "eventId")), "uuid")
    depth = statement.value(cast("Operand", operand(given, "depth")), "integer", _depth)
    found = statement.alias("f")
    text: Text = ["{"]
    for number, field in enumerate(compiling.selected(selected)):
        text.append(f'{"," if number else ""}"{field.key}":')
        match field.name:
            case "nodes":
                text += _nodes(compiling, found, field)
            case "links":
                text += _links(compiling, found, field)
            case "isComplete":
                text.append(Sql(f"({found}.reached <= {MOST_NODES} and {found}.steps < {_MOST_STEPS})::text"))
            case _:
                text.append('"Provenance"')
    body = joined([*text, "}"])
    nodes = _found(statement, start, depth)
    return [Sql(f"coalesce((select {body} from ({nodes}) {found} where reached > 0), 'null')")]  # noqa: S608


def _found(statement: Statement, start: str, depth: str) -> str:
    """Select the nodes as two arrays; one more than are shown tells that there are more."""
    step, node = statement.alias("w"), statement.alias("n")
    nearest = (
        f"select {step}.id, min({step}.distance) as distance, sum(count(*)) over () as steps "  # noqa: S608
        f"from ({_walk(statement, start, depth)} limit {_MOST_STEPS}) {step} "
        f"group by {step}.id order by 2, 1 limit {MOST_NODES + 1}"
    )
    return (
        f"select (array_agg({node}.id order by {node}.distance, {node}.id))[:{MOST_NODES}] as ids, "  # noqa: S608
        f"(array_agg({node}.distance order by {node}.distance, {node}.id))[:{MOST_NODES}] as distances, "
        f"count(*) as reached, max({node}.steps) as steps from ({nearest}) {node} offset 0"
    )


def _walk(statement: Statement, start: str, depth: str) -> str:
    """Step from each event to its origin, its children, what its edges lead to and what has edges to it."""
    first, here = statement.alias("e"), statement.alias("e")
    child, there, back, target, source = (statement.alias(letter) for letter in "eeegg")
    scan = statement.scan
    origin = f"select {here}.origin_event_id as id {scan('events', here, f'{here}.id = walk.id')}"
    children = scan("events", child, f"{child}.origin_event_id = walk.id", f"{child}.id > walk.id")
    targets = scan("edges", target, f"{target}.event_id = walk.id", f"{target}.target_type = 'event'")
    sources = scan("edges", source, f"{source}.target_id = walk.id", f"{source}.target_type = 'event'")
    more = MOST_NODES + 1
    away = (
        f"({origin}) union all "
        f"(select {child}.id {children} order by {child}.id limit {more}) union all "
        f"(select {target}.target_id {targets} order by {target}.id limit {more}) union all "
        f"(select {source}.event_id {sources} order by {source}.event_id limit {more})"
    )
    # retention may have taken what an id leads to
    known = f"select {there}.id {scan('events', there, f'{there}.id = {back}.id')} limit 1"
    return (
        f"with recursive walk(id, distance) as ("  # noqa: S608
        f"select {first}.id, 0 {scan('events', first, f'{first}.id = {start}')} union "
        f"select {there}.id, walk.distance + 1 from walk cross join lateral ({away}) {back} "
        f"cross join lateral ({known}) {there} where walk.distance < {depth}) "
        "select walk.id, walk.distance from walk"
    )


def _nodes(compiling: Compiling, found: str, selected: Selected) -> Text:
    statement = compiling.statement
    node, event = statement.alias("u"), statement.alias("e")
    outside, compiling.weight = compiling.weight, MOST_NODES
    text: Text = ["{"]
    for number, field in enumerate(compiling.selected(selected)):
        compiling.spend(1)
        text.append(f'{"," if number else ""}"{field.key}":')
        match field.name:
            case "event":
                text += compiling.written("Event", event, field)
            case "distance":
                text += json(f"{node}.distance")
            case _:
                text.append('"ProvenanceNode"')
    compiling.weight = outside
    row = f"select {event}.* {statement.scan('events', event, f'{event}.id = {node}.id')} limit 1"
    listed = (
        f"select {joined([*text, '}'])} "  # noqa: S608
        f"from unnest({found}.ids, {found}.distances) with ordinality {node}(id, distance, number) "
        f"cross join lateral ({row}) {event} order by {node}.number"
    )
    return ["[", Sql(f"array_to_string(array({listed}), ',')"), "]"]


def _links(compiling: Compiling, found: str, selected: Selected) -> Text:
    statement = compiling.statement
    link, event, edge = (statement.alias(letter) for letter in "leg")
    within = f"= any({found}.ids)"
    origins = statement.scan("events", event, f"{event}.id {within}", f"{event}.origin_event_id {within}")
    edges = statement.scan(
        "edges",
        edge,
        f"{edge}.event_id {within}",
        f"{edge}.target_type = 'event'",
        f"{edge}.target_id {within}",
    )
    writers = {
        "fromEventId": plain(f"{link}.from_id"),
        "toEventId": plain(f"{link}.to_id"),
        "edgeType": optional(f"{link}.edge_type"),
        "__typename": ['"ProvenanceLink"'],
    }
    outside, compiling.weight = compiling.weight, MOST_NODES
    text: Text = ["{"]
    for number, field in enumerate(compiling.selected(selected)):
        compiling.spend(1)
        text += [f'{"," if number else ""}"{field.key}":', *writers[field.name]]
    compiling.weight = outside
    listed = (
        f"select {joined([*text, '}'])} from ("  # noqa: S608
        f"(select {event}.id as from_id, {event}.origin_event_id as to_id, null::text as edge_type, "
        f"null::uuid as edge_id {origins}) union all "
        f"(select {edge}.event_id, {edge}.target_id, {edge}.edge_type, {edge}.id {edges})"
        f") {link} order by {link}.from_id, {link}.edge_id nulls first"
    )
    return ["[", Sql(f"array_to_string(array({listed}), ',')"), "]"]


def _depth(value: object) -> int:
    depth = cast("int", value)
    if not 1 <= depth <= DEEPEST:
        raise ValidationError(f"depth must lie between 1 and {DEEPEST}, not {depth}.", path="depth")
    return depth
