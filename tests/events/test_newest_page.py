"""The newest page of a long log costs the same as of a short one."""

from collections.abc import AsyncGenerator
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from outrider.core.database.pools import STEADY_PLANS
from outrider.surfaces.developer_graphql.documents import Documents
from outrider.surfaces.developer_graphql.queries.statements import Call
from outrider.surfaces.developer_graphql.reading import plan_query
from outrider.tenancy.actors import Actor, Environment, Scope
from tests.running import new_database

_EVENTS = 100_000
_MONTHS = 13
_MAKE_PARTITIONS = """
do $$
declare
  parent text;
  month timestamptz;
begin
  foreach parent in array array['events', 'edges'] loop
    for back in 2 .. 12 loop
      month := date_trunc('month', now(), 'UTC') - make_interval(months => back);
      execute format('create table %I partition of %I for values from (%L) to (%L)',
        parent || to_char(month at time zone 'UTC', '_YYYY_MM'), parent,
        first_id_at(month), first_id_at(month + interval '1 month'));
    end loop;
  end loop;
end $$
"""
_FILL = """
insert into events (application_id, id, position, event_type, payload)
select $1, id, nextval('event_position'), 'ferry.n' || n % 7, json_build_object('n', n)
from (
  -- evenly from the first moment of the oldest month until now, whatever day it is
  select n, (substr(first_id_at(now() - (now() - oldest) * (($2 - n)::float8 / $2))::text, 1, 13)
    || '-7' || substr(uuidv4()::text, 16))::uuid as id
  from generate_series(1, $2) n, (select date_trunc('month', now(), 'UTC') - interval '12 months' as oldest) months
) filled
"""
_FILL_EDGES = """
insert into edges (application_id, event_id, id, edge_type, target_type, target_id)
select application_id, id, uuidv7(), kind, 'platform_user', uuidv4()
from events, unnest(array['sent_by', 'sent_to']) kind where application_id = $1
"""
_QUERY = """
{ events(first: 20%s) { edges { cursor node {
  id eventType payload createdAt edges { edgeType targetNodeType targetNodeId } } }
  pageInfo { hasNextPage endCursor } } }
"""


def compiled(application: UUID, narrowed: str) -> tuple[str, list[object]]:
    """The statement of the list of events, as the developer's GraphQL compiles it, and its arguments."""
    operation = Documents().operation(_QUERY % narrowed, None)
    variables = operation.coerce({})
    plan = plan_query("https://outrider.test", operation, variables)
    actor = Actor(
        organisation_id=uuid4(),
        application_id=application,
        key_id=uuid4(),
        scopes=frozenset({Scope.ALL}),
        environment=Environment.LIVE,
    )
    assert plan.sql is not None
    return plan.sql, plan.statement.arguments(Call(actor, variables.coerced))


@pytest.fixture(scope="module")
async def filled(dsn: str) -> AsyncGenerator[tuple["asyncpg.Connection[asyncpg.Record]", UUID]]:
    async with new_database(dsn, "pages") as own:
        connection = await asyncpg.connect(
            own,
            server_settings={**STEADY_PLANS, "plan_cache_mode": "force_generic_plan", "jit": "off"},
        )
        application = uuid4()
        await connection.execute(_MAKE_PARTITIONS)
        await connection.execute(_FILL, application, _EVENTS)
        await connection.execute(_FILL_EDGES, application)
        await connection.execute("vacuum analyze events")
        await connection.execute("vacuum analyze edges")
        yield connection, application
        await connection.close()


async def test_the_log_of_this_test_spans_its_partitions(
    filled: tuple["asyncpg.Connection[asyncpg.Record]", UUID],
) -> None:
    connection, _ = filled
    rows = await connection.fetch("select tableoid::regclass::text as part, count(*) from events group by 1")
    counts = {row["part"]: row["count"] for row in rows}
    assert sum(counts.values()) == _EVENTS
    assert len(counts) >= _MONTHS
    assert "events_default" not in counts


@pytest.mark.parametrize("narrowed", ["", ', filters: {eventType: {equals: "ferry.n3"}}'])
async def test_the_newest_page_takes_less_than_a_millisecond_of_the_database(
    filled: tuple["asyncpg.Connection[asyncpg.Record]", UUID], narrowed: str
) -> None:
    connection, application = filled
    sql, arguments = compiled(application, narrowed)
    statement = await connection.prepare(f"explain (analyze, format json) {sql}")
    times = []
    for _ in range(20):
        (plan,) = orjson.loads(await statement.fetchval(*arguments))
        times.append(plan["Execution Time"])

    assert min(times) < 1.0, times
