"""Webhooks in this contract's words, and one message seen three ways."""

import asyncio
import time
from typing import Any

from outrider.webhooks.signing import signature_headers
from tests.clients import SECRET, Client, Listener, listener
from tests.surfaces.outkit_rest.submitting import Submitter

_SUBSCRIBE = """mutation($url: String!, $secret: String!, $patterns: [String!]!) {
  createWebhookSubscription(name: "messages", targetUrl: $url, eventPatterns: $patterns, secret: $secret,
    family: OUTKIT) { id family eventPatterns } }"""


async def subscribe(client: Client, url: str, *patterns: str) -> dict[str, Any]:
    given = {"url": url, "secret": SECRET, "patterns": patterns or ["*"]}
    created = await client.data(_SUBSCRIBE, **given)
    subscription: dict[str, Any] = created["createWebhookSubscription"]
    return subscription


async def told(heard: Listener, *events: str, seconds: float = 10.0) -> dict[str, dict[str, Any]]:
    """Wait for webhooks of these events; by their event."""
    async with asyncio.timeout(seconds):
        while True:
            found = {body["event"]: body for body in heard.bodies}
            if set(events) <= found.keys():
                return found
            await asyncio.sleep(0.02)


async def test_one_message_seen_three_ways(submitter: Submitter) -> None:
    async with listener() as heard:
        subscription = await subscribe(submitter.client, heard.url)
        sent = await submitter.submit(id_from_submitter="order-9")
        found = await told(heard, "message.submitted", "message.delivered", "message.done")

        here = await submitter.get(sent["id"])
        event = await submitter.client.event(sent["id"])
        assert found.keys() == {"message.submitted", "message.delivered", "message.done"}
        assert len(heard.bodies) == 3
        for body in found.values():
            assert body.keys() == {"id", "webhook_id", "event", "object_type", "object_id", "data"}
            assert (body["webhook_id"], body["object_type"]) == (subscription["id"], "message")
            assert (body["object_id"], body["data"]["id"]) == (sent["id"], sent["id"])
        assert found["message.submitted"]["data"] == sent
        assert found["message.delivered"]["data"] == here
        assert found["message.done"]["data"] == here
        assert event["eventType"] == "message.outbound"
        assert event["payload"]["message"]["text"] == here["text_body"]
        assert event["payload"]["metadata"]["subject"] == here["subject"]
        assert event["payload"]["submission"]["id_from_submitter"] == here["id_from_submitter"] == "order-9"
        assert [child["eventType"] for child in event["childEvents"]] == ["message.sent", "message.done"]
        assert event["payload"]["external_message_id"] == here["id_from_backend"]
        assert event["payload"]["sent_at"][:23] == here["delivered_at"][:23]
        for headers, raw in heard.received:
            body_id, stamp = headers["webhook-id"], int(headers["webhook-timestamp"])
            assert abs(stamp - time.time()) < 60
            expected = signature_headers((SECRET,), body_id, stamp, raw)
            assert headers["webhook-signature"] == expected["webhook-signature"]


async def test_a_bounce_is_told_as_failed_and_done_only_once(submitter: Submitter) -> None:
    async with listener() as heard:
        await subscribe(submitter.client, heard.url)
        await submitter.submit(to="ada+bounced@example.com")
        found = await told(heard, "message.delivered", "message.done", "message.failed")

        failed = found["message.failed"]["data"]
        assert (failed["status"], failed["done"]) == ("backend_error", True)
        assert failed["delivered_at"] is not None
        assert found["message.delivered"]["data"]["status"] == "delivered"
        assert found["message.delivered"]["data"]["failed_at"] is None
        assert [body["event"] for body in heard.bodies].count("message.done") == 1


async def test_a_refusal_is_told_as_failed_and_done(submitter: Submitter) -> None:
    async with listener() as heard:
        await subscribe(submitter.client, heard.url, "message.failed", "message.done")
        await submitter.submit(to="ada+rejected@example.com")
        found = await told(heard, "message.failed", "message.done")

        assert found.keys() == {"message.failed", "message.done"}
        assert {body["data"]["status"] for body in found.values()} == {"backend_error"}


async def test_rendering_alone_is_told_as_rendered_and_done(submitter: Submitter) -> None:
    async with listener() as heard:
        await subscribe(submitter.client, heard.url)
        sent = await submitter.submit(render_only=True)
        found = await told(heard, "message.rendered", "message.done")

        assert found.keys() == {"message.rendered", "message.done"}
        assert found["message.done"]["data"] == sent


async def test_other_messages_are_not_told_and_other_families_hear_of_these(submitter: Submitter) -> None:
    client = submitter.client
    async with listener() as heard, listener() as usual:
        await subscribe(client, heard.url)
        await client.subscribe(usual.url, "message.*")
        connection = await client.connect("SMS", "sandbox", {})
        await client.send(connection["id"], "+15550001111")
        sent = await submitter.submit()
        await told(heard, "message.done")
        await usual.wait_for_types("message.outbound", "message.sent", "message.done")

        assert {body["object_id"] for body in heard.bodies} == {sent["id"]}


async def test_the_family_knows_its_own_events_only(submitter: Submitter) -> None:
    given = {"url": "http://127.0.0.1:9/", "secret": SECRET, "patterns": ["message.inbound"]}
    refused = await submitter.client.refused(_SUBSCRIBE, **given)
    assert refused["code"] == "VALIDATION_ERROR"
    subscription = await subscribe(submitter.client, "http://127.0.0.1:9/", "message.done")
    assert (subscription["family"], subscription["eventPatterns"]) == ("OUTKIT", ["message.done"])
