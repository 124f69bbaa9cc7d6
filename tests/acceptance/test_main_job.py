"""The main job over HTTP: somebody writes, the application hears of it, answers, and the answer arrives."""

import json
from urllib.parse import urlsplit

from outrider.webhooks.signing import verify_outeract, verify_standard
from tests.clients import SECRET, Client, listener


async def test_somebody_writes_the_application_hears_and_answers(client: Client) -> None:
    async with listener() as heard:
        await client.data(
            """mutation($url: String!, $secret: String!) {
              createWebhookSubscription(name: "all", targetUrl: $url, eventPatterns: ["message.*"], secret: $secret) {
                id name targetUrl eventPatterns status } }""",
            url=heard.url,
            secret=SECRET,
        )
        connection = await client.connect("TELEGRAM", "sandbox", {})
        door = client.server.base_url + urlsplit(connection["webhookUrl"]).path
        body = {"messages": [{"id": "m-1", "from": "4711", "name": "Ada", "text": "Is the ferry on time?"}]}

        async with client.server.session.post(door, json=body) as taken:
            assert taken.status == 200
        await heard.wait_for(1)
        headers, raw = heard.received[0]
        inbound = json.loads(raw)
        answered = await client.send(
            connection["id"], inbound["edges"]["sent_by"]["external_id"], "Five minutes late."
        )
        await heard.wait_for(3)

    lower = {name.lower(): value for name, value in headers.items()}
    assert verify_standard(SECRET, lower, raw)
    assert verify_outeract(SECRET, lower, raw)
    assert inbound["event_type"] == "message.inbound"
    assert inbound["payload"]["message"] == {"text": "Is the ferry on time?", "role": "user", "type": "text"}
    assert inbound["edges"]["sent_by"]["name"] == "Ada"
    assert answered["status"]["success"] is True
    told = {json.loads(raw)["event_type"]: json.loads(raw) for _, raw in heard.received[1:]}
    assert set(told) == {"message.outbound", "message.sent"}
    assert (
        told["message.outbound"]["payload"]["external_message_id"] == answered["status"]["externalMessageId"]
    )
    assert told["message.sent"]["origin_event_id"] == answered["id"]


async def test_a_repeated_inbound_webhook_changes_nothing(client: Client) -> None:
    connection = await client.connect("TELEGRAM", "sandbox", {})
    door = client.server.base_url + urlsplit(connection["webhookUrl"]).path
    body = {"messages": [{"id": "m-1", "from": "4711", "text": "twice"}]}

    for _ in range(3):
        async with client.server.session.post(door, json=body) as taken:
            assert taken.status == 200

    found = await client.data('{ events(filters: {eventType: {equals: "message.inbound"}}) { totalCount } }')
    assert found["events"]["totalCount"] == 1
