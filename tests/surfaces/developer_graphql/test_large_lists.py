"""Counts beyond what is counted, and reads that take too long."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from outrider.core.errors import QueryTooExpensive
from outrider.surfaces.developer_graphql.documents import Documents
from outrider.surfaces.graphql_errors import FieldRefused
from tests.surfaces.developer_graphql.stage import Stage

EVENTS = 25_000
SOME_TIME_AGO = datetime.now(UTC) - timedelta(seconds=5_000)
_COUNT = "query($type: String) { events(filters: { eventType: { equals: $type } }) { totalCount totalCountExact } }"


@pytest.fixture(scope="module")
async def crowd(stage: Stage) -> Stage:
    """An application with many events: every fifth is an inbound message, and ten are rare."""
    application_id = UUID("00000000-0000-7000-8000-0000000c0ffe")
    pool = stage.reading.database.system
    await pool.execute(
        "insert into events (application_id, id, position, event_type, payload) "
        "select $1, uuidv7(make_interval(secs => n - $2)), n, "
        "case when n % 2500 = 0 then 'rare' when n % 5 = 0 then 'message.inbound' else 'tick' end, '{}' "
        "from generate_series(1, $2) n",
        application_id,
        EVENTS,
    )
    await pool.execute(
        "insert into users (application_id, id, created_at) "
        "select $1, uuidv7(), now() - make_interval(secs => n) from generate_series(1, 12000) n",
        application_id,
    )
    await pool.execute(
        "insert into event_types select $1, unnest(array['rare', 'message.inbound', 'tick'])", application_id
    )
    await pool.execute(
        "insert into logs (application_id, id, level, log_type, message) "
        "select $1, uuidv7(make_interval(secs => -n)), 'info', 'execution', 'x' from generate_series(1, 12000) n",
        application_id,
    )
    await pool.execute(
        "insert into deliveries (application_id, id, kind, event_id, target_id, state, attempts, finished_at) "
        "select $1, uuidv7(make_interval(secs => -n)), 'webhook', uuidv7(), uuidv7(), 'succeeded', 1, now() "
        "from generate_series(1, 12000) n",
        application_id,
    )
    await pool.execute("analyze")
    actor = replace(stage.tenant.actor, application_id=application_id)
    return replace(stage, tenant=replace(stage.tenant, application_id=application_id, actor=actor))


async def test_up_to_ten_thousand_are_counted(crowd: Stage) -> None:
    counted = (await crowd.ask(_COUNT, {"type": "message.inbound"}))["events"]

    assert counted == {"totalCount": EVENTS // 5 - 10, "totalCountExact": True}


@pytest.mark.parametrize("condition", ["", '(filters: { not: { eventType: { equals: "rare" } } })'])
async def test_beyond_that_there_is_an_estimate(crowd: Stage, condition: str) -> None:
    counted = (await crowd.ask(f"{{ events{condition} {{ totalCount totalCountExact }} }}"))["events"]

    assert counted["totalCountExact"] is False
    assert counted["totalCount"] == pytest.approx(EVENTS, rel=0.2)


async def test_many_users_are_estimated_too(crowd: Stage) -> None:
    counted = (await crowd.ask("{ users { totalCount totalCountExact } }"))["users"]

    assert counted["totalCountExact"] is False
    assert counted["totalCount"] == pytest.approx(12_000, rel=0.2)


@pytest.mark.parametrize("field", ["logs", "webhookDeliveries"])
async def test_entries_and_deliveries_are_counted_and_estimated_too(crowd: Stage, field: str) -> None:
    counted = (await crowd.ask(f"{{ {field} {{ totalCount totalCountExact }} }}"))[field]
    exact = (
        await crowd.ask(
            f"query($at: DateTime) {{ {field}(filters: {{ createdAt: {{ gt: $at }} }}) "
            "{ totalCount totalCountExact } }",
            {"at": SOME_TIME_AGO.isoformat()},
        )
    )[field]

    assert counted["totalCountExact"] is False
    assert counted["totalCount"] == pytest.approx(12_000, rel=0.2)
    assert exact["totalCountExact"] is True
    assert exact["totalCount"] == pytest.approx(5_000, abs=500)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ('{ eventType: { equals: "rare" } }', 10),
        ('{ eventType: { contains: "rar" } }', 10),
        ('{ eventType: { in: ["rare", "none"] } }', 10),
        ("{}", 200),
    ],
)
async def test_pages_follow_each_other_to_the_end(crowd: Stage, filters: str, expected: int) -> None:
    found: list[str] = []
    after: str | None = None
    while len(found) < expected:
        page = await crowd.ask(
            f"query($after: String) {{ events(first: 3, after: $after, filters: {filters}) "
            "{ edges { node { id } } pageInfo { endCursor hasNextPage } } }",
            {"after": after},
        )
        found += [edge["node"]["id"] for edge in page["events"]["edges"]]
        after = page["events"]["pageInfo"]["endCursor"]
        if not page["events"]["pageInfo"]["hasNextPage"]:
            break

    assert len(found) in range(expected, expected + 3)
    assert found == sorted(set(found), reverse=True)


async def test_a_read_that_takes_too_long_says_so(crowd: Stage) -> None:
    database = crowd.reading.database
    async with asyncpg.create_pool(
        database.dsn, min_size=1, max_size=1, server_settings={"statement_timeout": "1"}
    ) as pool:
        slow = replace(
            crowd,
            reading=replace(crowd.reading, database=replace(database, reads=pool)),
            documents=Documents(),
        )
        with pytest.raises(FieldRefused) as refused:
            await slow.ask(
                'query { events(filters: { not: { hasEdge: { edgeType: "none" } } }) { totalCount } }'
            )

    assert isinstance(refused.value.problem, QueryTooExpensive)
    assert refused.value.path == ["events"]


async def test_an_answer_that_is_too_large_is_refused_before_it_is_sent(crowd: Stage) -> None:
    application_id = UUID("00000000-0000-7000-8000-00000000b16b")
    await crowd.reading.database.system.execute(
        "insert into events (application_id, id, position, event_type, payload) "
        "select $1, uuidv7(make_interval(secs => n)), n, 'large', to_json(repeat('x', 1000000)) "
        "from generate_series(1, 20) n",
        application_id,
    )
    actor = replace(crowd.tenant.actor, application_id=application_id)
    large = replace(crowd, tenant=replace(crowd.tenant, application_id=application_id, actor=actor))
    ask = "query($first: Int) { events(first: $first) { edges { node { payload } } } }"

    assert len((await large.ask(ask, {"first": 10}))["events"]["edges"]) == 10
    with pytest.raises(FieldRefused) as refused:
        await large.ask(ask, {"first": 20})
    assert isinstance(refused.value.problem, QueryTooExpensive)
    assert "16 MB" in refused.value.problem.message
    none = "{ events(first: 200) { edges { node { id eventType } } totalCount } application { id } }"
    assert (await large.ask(none))["events"]["totalCount"] == 20


@pytest.mark.parametrize(
    ("filters", "most"),
    [({}, 100), ({"eventType": {"equals": "rare"}}, 2_100), ({"not": {"status": {"equals": "none"}}}, 100)],
)
async def test_a_feed_looks_at_a_bounded_part_of_the_log(
    crowd: Stage, filters: dict[str, object], most: int
) -> None:
    document = "subscription($filters: EventFilters) { events(filters: $filters) { cursor } }"
    sql, *arguments = crowd.feed(document, {"filters": filters}, 100, position=EVENTS // 2)

    explained = await crowd.reading.database.reads.fetchval(
        f"explain (analyze, format json) {sql}", *arguments
    )

    (top,) = json.loads(explained)
    scans = [node for node in _nodes(top["Plan"]) if node.get("Relation Name", "").startswith("events")]
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan"}
    assert 0 < sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) <= most
    # rows that were thrown away were looked at, too
    assert sum(node.get("Rows Removed by Filter", 0) for node in scans) == 0


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)
