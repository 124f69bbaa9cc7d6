"""Data in which each member that may be null is null once, and once is not."""

from typing import Any

from tests.clients import listener
from tests.surfaces.developer_rest.rest import Rest


async def fill(rest: Rest) -> None:
    """Fill an application."""
    connection = await rest.client.connect("SMS", "sandbox", {})
    connection_id = connection["id"]
    people = await _people(rest, connection_id)
    await _messages(rest, connection, connection_id)
    origin = await rest.post(
        "/events",
        {
            "event_type": "order.created",
            "payload": {"n": None},
            "edges": [
                {"edge_type": "by", "target_node_type": "platform_user", "target_node_id": people[0]["id"]}
            ],
        },
    )
    await rest.post("/events", {"event_type": "order.paid", "payload": [], "origin_event_id": origin["id"]})
    await rest.post("/logs", {"message": "bare"})
    await rest.post("/logs", {"message": "whole", "payload": {"a": 1}, "event_id": origin["id"]})
    await rest.post("/event-schemas", {"name": "bare", "json_schema": {}})
    await rest.post("/event-schemas", {"name": "whole", "json_schema": {}, "description": "Whole."})
    await _webhooks(rest)
    await rest.connect()
    await rest.post(f"/platform-connections/{connection_id}/test", status=200)


async def _people(rest: Rest, connection_id: str) -> list[Any]:
    await rest.post("/users")
    ada = await rest.post("/users", {"name": "Ada"})
    bare = {"platform_connection_id": connection_id, "external_id": "bare"}
    whole = bare | {
        "external_id": "whole",
        "user_id": ada["id"],
        "name": "Ada",
        "profile_picture_url": "https://example.com/ada.png",
    }
    people = [await rest.post("/platform-users", one) for one in (bare, whole)]
    await rest.post("/link-codes", {"platform_user_id": people[0]["id"]})
    return people


async def _messages(rest: Rest, connection: dict[str, Any], connection_id: str) -> None:
    await rest.client.knock(connection, {"messages": [{"from": "ada", "text": "Hello?"}]})
    await rest.send(connection_id, "ada")
    await rest.send(connection_id, "ada.rejected")
    await rest.send(connection_id, "ada", scheduled_at="2100-01-01T00:00:00Z")


async def _webhooks(rest: Rest) -> None:
    async with listener() as heard:
        body = {"name": "up", "target_url": heard.url, "event_patterns": ["none"]}
        up = await rest.post("/webhook-subscriptions", body)
        down = await rest.post(
            "/webhook-subscriptions", body | {"name": "down", "target_url": "http://127.0.0.1:9/"}
        )
        for one in (up, down):
            await rest.post(f"/webhook-subscriptions/{one['id']}/test", status=200)
        await heard.wait_for(1)
