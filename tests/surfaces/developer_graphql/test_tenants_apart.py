"""What belongs to another application answers exactly as what does not exist."""

import base64
from typing import Any
from uuid import uuid5

import pytest

from tests.surfaces.developer_graphql.stage import Stage

MISSING = "00000000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("field", "table"),
    [
        ("event", "events"),
        ("user", "users"),
        ("platformUser", "platform_users"),
        ("platformConnection", "connections"),
        ("webhookSubscription", "subscriptions"),
        ("webhookDelivery", "deliveries"),
        ("webhookDelivery", "delivery_queue"),
        ("eventSchema", "event_schemas"),
    ],
)
async def test_a_foreign_id_is_a_missing_one(stage: Stage, field: str, table: str) -> None:
    document = f"query($id: UUID!) {{ found: {field}(id: $id) {{ id }} }}"
    foreign, own = [
        next(
            str(row["id"])
            for row in stage.world.rows(table, tenant)
            if row.get("kind") != "message" and row.get("status") != "deleted"
        )
        for tenant in (stage.stranger, stage.tenant)
    ]

    assert await stage.ask(document, {"id": own}) == {"found": {"id": own}}
    assert (
        await stage.ask(document, {"id": foreign})
        == await stage.ask(document, {"id": MISSING})
        == {"found": None}
    )


@pytest.mark.parametrize(
    ("field", "table"),
    [
        ("conversation(id: $id) { id }", "platform_users"),
        ("provenance(eventId: $id) { isComplete }", "events"),
    ],
)
async def test_what_is_derived_of_a_foreign_thing_is_nothing(stage: Stage, field: str, table: str) -> None:
    document = f"query($id: UUID!) {{ found: {field} }}"
    found = [await stage.ask(document, {"id": one}) for one in stage.world.ids(table, stage.stranger)]
    own = [await stage.ask(document, {"id": one}) for one in stage.world.ids(table, stage.tenant)]

    assert all(one == {"found": None} for one in found)
    assert any(one != {"found": None} for one in own)


async def test_a_built_in_schema_of_another_application_is_none_of_ours(stage: Stage) -> None:
    document = "query($id: UUID!) { eventSchema(id: $id) { name } }"
    own, foreign = [
        await stage.ask(document, {"id": str(uuid5(tenant.application_id, "message.inbound"))})
        for tenant in (stage.tenant, stage.stranger)
    ]

    assert own == {"eventSchema": {"name": "message.inbound"}}
    assert foreign == {"eventSchema": None}


@pytest.mark.parametrize(
    ("document", "table", "column"),
    [
        ("query($id: UUID) { logs(eventId: $id) { edges { node { id } } } }", "events", "id"),
        ("query($id: UUID) { webhookDeliveries(eventId: $id) { edges { node { id } } } }", "events", "id"),
        (
            "query($id: UUID) { conversations(platformConnectionId: $id) { edges { node { id } } } }",
            "connections",
            "id",
        ),
        (
            """query($id: UUID) { events(filters: { originEventId: { equals: $id } }) {
              totalCount edges { node { id } } } }""",
            "events",
            "id",
        ),
        (
            """query($id: UUID) { platformUsers(filters: { userId: { equals: $id } }) {
              totalCount edges { node { id } } } }""",
            "users",
            "id",
        ),
        (
            "query($id: UUID) { platformUsers(platformConnectionId: $id) { totalCount edges { node { id } } } }",
            "connections",
            "id",
        ),
        (
            "query($id: UUID) { webhookDeliveries(subscriptionId: $id) { edges { node { id } } } }",
            "subscriptions",
            "id",
        ),
        (
            """query($id: UUID) { events(filters: { hasEdge: { targetNodeId: { equals: $id } } }) {
              totalCount edges { node { id } } } }""",
            "edges",
            "target_id",
        ),
    ],
)
async def test_filtering_by_a_foreign_id_finds_nothing(
    stage: Stage, document: str, table: str, column: str
) -> None:
    rows = [row for row in stage.world.rows(table, stage.stranger) if row.get("target_type") != "file"]

    found: list[Any] = [await stage.ask(document, {"id": str(row[column])}) for row in rows[:5]]

    assert rows
    for (answer,) in (one.values() for one in found):
        assert answer["edges"] == []
        assert answer.get("totalCount", 0) == 0


async def test_a_foreign_cursor_is_only_a_place(stage: Stage) -> None:
    newest = max(stage.reader.all("events"), key=lambda row: row["id"])
    later = base64.urlsafe_b64encode(b"E1" + newest["id"].bytes[:8] + b"\xff" * 8).decode()

    data = await stage.ask(
        "query($a: String) { events(after: $a, first: 1) { edges { node { id } } } }", {"a": later}
    )

    assert data["events"]["edges"][0]["node"]["id"] == str(newest["id"])


async def test_an_edge_to_a_foreign_row_leads_nowhere(stage: Stage) -> None:
    pool = stage.reading.database.system
    event_id = stage.world.ids("events", stage.tenant)[0]
    foreign = stage.world.ids("platform_users", stage.stranger)[0]
    await pool.execute(
        "insert into edges (application_id, event_id, id, edge_type, target_type, target_id) "
        "values ($1, $2, uuidv7(), 'astray', 'platform_user', $3)",
        stage.tenant.application_id,
        event_id,
        foreign,
    )
    try:
        data = await stage.ask(
            "query($id: UUID!) { event(id: $id) { edges { edgeType targetPlatformUser { id } } } }",
            {"id": event_id},
        )
    finally:
        await pool.execute("delete from edges where edge_type = 'astray'")

    astray = [edge for edge in data["event"]["edges"] if edge["edgeType"] == "astray"]
    assert astray == [{"edgeType": "astray", "targetPlatformUser": None}]
