"""One statement for each read, one plan for each document and pattern of nulls."""

from dataclasses import replace
from typing import Any

import pytest

from outrider.surfaces.developer_graphql.documents import Documents
from outrider.surfaces.developer_graphql.queries.statements import Statement
from tests.surfaces.developer_graphql.stage import Stage

EVERYTHING = """query($type: String, $after: String, $first: Int, $filters: EventFilters, $with: Boolean = false) {
  application { id platformConnections { id config webhookUrl } }
  platformConnections { id }
  events(first: $first, after: $after, filters: $filters) {
    totalCount pageInfo { endCursor } edges { node { id status childEvents { id } edges { targetUser { id } } } } }
  typed: events(filters: { eventType: { equals: $type } }) {
    edges { cursor node { id @include(if: $with) eventType } } }
  users { totalCount edges { node { id platformUsers { id } } } }
  webhookDeliveries { edges { node { id attempts { number } } } }
  people: platformUsers(last: 3, filters: { name: { contains: "n" } }) {
    edges { node { id events(first: 2, filters: { hasEdge: { edgeType: "sent_by" } }) {
      totalCount pageInfo { endCursor } edges { node { id eventTypeId } } } } } }
  conversations { edges { cursor node { id unreadCount participants { id } lastMessage { id } } } }
  provenance(eventId: "00000000-0000-7000-8000-000000000000") { nodes { event { id } } links { edgeType } }
  found: events(filters: { status: { equals: "failed" }, externalMessageId: { equals: "x" },
    recipientExternalId: { in: ["x"] }, originEventId: { equals: "00000000-0000-7000-8000-000000000000" } }) {
      edges { node { id } } }
  eventSchemas { id versions { version } }
  logs(filters: { logLevel: { equals: "info" } }) { edges { node { id event { id } } } }
}"""


class _Recording:
    """The pool of reads, and every statement that was asked."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.statements: list[str] = []

    async def fetchrow(self, sql: str, *arguments: object) -> Any:
        self.statements.append(sql)
        return await self._pool.fetchrow(sql, *arguments)


@pytest.fixture
def recorded(stage: Stage) -> tuple[Stage, list[str]]:
    """The stage with nothing planned yet, and what it asks the database."""
    database = stage.reading.database
    pool: Any = _Recording(database.reads)
    reading = replace(stage.reading, database=replace(database, reads=pool))
    return replace(stage, reading=reading, documents=Documents()), pool.statements


async def test_a_read_of_everything_is_one_statement(recorded: tuple[Stage, list[str]]) -> None:
    stage, statements = recorded

    data = await stage.ask(EVERYTHING)

    assert len(statements) == 1
    assert data["events"]["totalCount"] == len(stage.reader.all("events"))


async def test_other_values_take_the_same_plan(recorded: tuple[Stage, list[str]]) -> None:
    stage, statements = recorded
    ids = stage.world.ids("events", stage.tenant)

    for number, event_type in enumerate(("message.inbound", "order.created", "x")):
        filters = {
            "createdAt": {"gte": f"2026-01-0{number + 1}T00:00:00Z"},
            "eventType": {"in": ids[:number]},
        }
        await stage.ask(EVERYTHING, {"type": event_type, "first": 3 + number, "filters": filters})

    assert len(set(statements)) == 1
    assert len(stage.documents.operation(EVERYTHING, None).plans) == 1


@pytest.mark.parametrize(
    "variables",
    [
        {"type": None},
        {"filters": {}},
        {"filters": {"eventType": {"equals": None}}},
        {"filters": {"or": [{}, {}]}},
        {"after": "RTEBofdNriRwAIAAAAAAAYag"},
        {"with": True},
    ],
)
async def test_other_nulls_take_another_plan(
    recorded: tuple[Stage, list[str]], variables: dict[str, object]
) -> None:
    stage, _ = recorded
    await stage.ask(EVERYTHING, {"type": "x"})

    await stage.ask(EVERYTHING, {"type": "x", **variables})

    assert len(stage.documents.operation(EVERYTHING, None).plans) == 2


async def test_values_in_the_document_stay_parameters(recorded: tuple[Stage, list[str]]) -> None:
    stage, statements = recorded

    for text in ("order.created", "it's", "$1"):
        await stage.ask(
            f'{{ events(first: 7, filters: {{ eventType: {{ equals: "{text}" }} }}) {{ edges {{ node {{ id }} }} }} }}'
        )

    assert len(set(statements)) == 1
    assert "order.created" not in statements[0]


async def test_every_table_is_tied_to_the_tenant(recorded: tuple[Stage, list[str]]) -> None:
    stage, statements = recorded
    await stage.ask(EVERYTHING)

    tables = statements[0].split(" from ")[1:]

    for table in tables:
        # brackets hold a query of their own; arrays and steps of a walk come from such
        if not table.startswith(("(", "unnest(", "walk")):
            name, alias, _, wall, *_ = table.split()
            assert wall in {f"{alias}.application_id", f"{alias}.organisation_id", f"{alias}.id"}, (
                name,
                table[:80],
            )


@pytest.mark.parametrize("table", ["api_keys", "organisations", "link_codes", "events e, users"])
def test_a_table_without_a_wall_cannot_be_named(table: str) -> None:
    with pytest.raises(KeyError):
        Statement().scan(table, "t")


async def test_what_needs_no_row_asks_no_statement(recorded: tuple[Stage, list[str]]) -> None:
    stage, statements = recorded

    data = await stage.ask('{ __typename __type(name: "Event") { name } }')

    assert data == {"__typename": "Query", "__type": {"name": "Event"}}
    assert not statements


async def test_the_least_recently_used_document_makes_room(stage: Stage) -> None:
    documents = Documents()
    first = documents.operation("{ __typename }", None)
    for number in range(1_001):
        documents.operation(f"{{ a{number}: __typename }}", None)

    assert documents.operation("{ __typename }", None) is not first
    assert documents.operation("{ a1000: __typename }", None) is documents.operation(
        "{ a1000: __typename }", None
    )
