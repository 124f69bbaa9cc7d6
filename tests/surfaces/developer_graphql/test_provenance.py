"""What led to an event and what followed from it."""

from typing import Any

import pytest

from tests.surfaces.developer_graphql.door import Door

CREATE = """mutation($type: String!, $origin: UUID, $edges: [EdgeInput!]) {
  createEvent(eventType: $type, payload: {}, originEventId: $origin, edges: $edges) { id } }"""
WALK = """query($id: UUID!, $depth: Int) { provenance(eventId: $id, depth: $depth) {
  nodes { distance event { id eventType } } links { fromEventId toEventId edgeType } isComplete } }"""


async def create(door: Door, event_type: str, origin: str | None = None, *cites: str) -> str:
    edges = [{"edgeType": "cites", "targetNodeType": "EVENT", "targetNodeId": one} for one in cites]
    created = await door.data(CREATE, type=event_type, origin=origin, edges=edges)
    return str(created["createEvent"]["id"])


async def walk(door: Door, event_id: str, depth: int | None = None) -> Any:
    variables = {"id": event_id} if depth is None else {"id": event_id, "depth": depth}
    return (await door.data(WALK, **variables))["provenance"]


async def test_the_graph_is_walked_both_ways(door: Door) -> None:
    order = await create(door, "order")
    invoice = await create(door, "invoice", order)
    note = await create(door, "note", None, invoice)
    reminder = await create(door, "reminder", invoice, order)

    from_note = await walk(door, note)
    from_order = await walk(door, order, 1)

    assert [(one["event"]["eventType"], one["distance"]) for one in from_note["nodes"]] == [
        ("note", 0),
        ("invoice", 1),
        ("order", 2),
        ("reminder", 2),
    ]
    assert from_note["links"] == [
        {"fromEventId": invoice, "toEventId": order, "edgeType": None},
        {"fromEventId": note, "toEventId": invoice, "edgeType": "cites"},
        {"fromEventId": reminder, "toEventId": invoice, "edgeType": None},
        {"fromEventId": reminder, "toEventId": order, "edgeType": "cites"},
    ]
    assert from_note["isComplete"] is True
    assert [one["event"]["id"] for one in from_order["nodes"]] == [order, invoice, reminder]


async def test_a_walk_around_a_crowd_ends(door: Door) -> None:
    start = await create(door, "start")
    for number in range(3):
        child = await create(door, "child", start)
        for _ in range(70):
            await create(door, "grandchild", child, start if number else child)

    found = await walk(door, start, 5)

    assert len(found["nodes"]) == 200
    assert found["isComplete"] is False
    assert [one["distance"] for one in found["nodes"]] == sorted(one["distance"] for one in found["nodes"])


@pytest.mark.parametrize("depth", [0, 6, -1])
async def test_depth_is_bounded(door: Door, depth: int) -> None:
    got = await door.ask(WALK, id="00000000-0000-7000-8000-000000000000", depth=depth)

    assert got.code == "VALIDATION_ERROR"
    assert got.error["extensions"]["details"] == {"path": "depth"}


async def test_null_is_as_good_as_left_out(door: Door) -> None:
    start = await create(door, "start")
    child = await create(door, "child", start)
    document = """query($id: UUID!, $none: Int) { provenance(eventId: $id, depth: $none) { nodes { event { id } } }
      event(id: $id) { childEvents(first: $none) { id } } }"""

    found = await door.data(document, id=start, none=None)

    assert [one["event"]["id"] for one in found["provenance"]["nodes"]] == [start, child]
    assert found["event"] == {"childEvents": [{"id": child}]}


async def test_no_event_has_no_provenance(door: Door) -> None:
    assert await walk(door, "00000000-0000-7000-8000-000000000000") is None
