"""Everything that the sandbox can provoke, and everything that sending can be asked for, seen from outside."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from outrider.tenancy.actors import Environment
from tests.clients import Client, listener

_SEND_MANY = """mutation($inputs: [SendMessageInput!]!) { sendMessages(inputs: $inputs) {
  message { id status { success externalMessageId state error { code message } } }
  error { code message } } }"""
_CANCEL = """mutation($id: UUID!) { cancelMessage(id: $id) {
  id status { success state error { code message } } } }"""
_ATTEMPTS = "select result from attempts where application_id = $1 and delivery_id = $2 order by number"


async def _connection(client: Client, **config: object) -> str:
    return str((await client.connect("WHATSAPP", "sandbox", config))["id"])


async def _attempts(client: Client, event_id: str) -> list[str]:
    pool = client.server.runtime.database.system
    return [row["result"] for row in await pool.fetch(_ATTEMPTS, client.tenant.application_id, event_id)]


def _in(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


@pytest.mark.parametrize(
    ("recipient", "state", "code", "children"),
    [
        ("ada", "sent", None, ["message.sent"]),
        ("sent", "sent", None, ["message.sent"]),
        ("ada.delivered", "sent", None, ["message.sent", "message.delivered"]),
        ("read@example.org", "sent", None, ["message.sent", "message.delivered", "message.read"]),
        ("receipt-first", "sent", None, ["message.sent", "message.delivered"]),
        ("bounced", "sent", None, ["message.sent", "message.failed"]),
        ("rejected", "failed", "RECIPIENT_NOT_FOUND", ["message.failed"]),
        ("blocked", "failed", "RECIPIENT_BLOCKED", ["message.failed"]),
        ("unacceptable", "failed", "CONTENT_REJECTED", ["message.failed"]),
        ("window-closed", "failed", "WINDOW_CLOSED", ["message.failed"]),
        ("doubt-refused", "failed", "UNKNOWN", ["message.failed"]),
        ("doubt-found", "sent", None, ["message.sent"]),
        ("slow-1.delivered", "sent", None, ["message.sent", "message.delivered"]),
        ("+1 202 555 0104", "failed", "RECIPIENT_NOT_FOUND", ["message.failed"]),
        ("+12025550101", "sent", None, ["message.sent", "message.delivered"]),
    ],
)
async def test_an_address_provokes_its_outcome(
    client: Client, recipient: str, state: str, code: str | None, children: list[str]
) -> None:
    connection = await _connection(client)
    async with listener() as heard:
        await client.subscribe(heard.url, "message.*")
        sent = await client.send(connection, recipient)
        told = await heard.wait_for_types("message.outbound", *children)
    found = await client.children(sent["id"], *children)

    # a receipt may be faster than the answer
    final = "failed" if children[-1] == "message.failed" else state
    assert sent["status"]["state"] in {state, "delivered", final}
    assert (sent["status"]["error"] or {}).get("code") == code
    assert sorted(child["eventType"] for child in found) == sorted(children)
    assert {child["id"] for child in found} == {
        body["event_id"] for body in told.values() if body["event_type"] != "message.outbound"
    }
    message = await client.event(sent["id"])
    assert message["status"] == ("failed" if final == "failed" else "completed")
    for child in found:
        word = child["eventType"].removeprefix("message.")
        assert child["payload"]["status"] == word
        assert message["payload"][f"{word}_at"] == child["payload"][f"{word}_at"]
    if "message.sent" in children:
        external_id = sent["status"]["externalMessageId"]
        assert external_id.startswith("sbx_")
        assert told["message.outbound"]["payload"]["external_message_id"] == external_id
        assert message["payload"]["external_message_id"] == external_id


async def test_what_is_put_off_goes_out_at_the_next_attempt(client: Client) -> None:
    connection = await _connection(client)
    async with listener() as heard:
        await client.subscribe(heard.url, "message.outbound")
        # side by side, since each takes the five seconds to the second attempt
        deferred, doubtful = await asyncio.gather(
            client.send(connection, "deferred"), client.send(connection, "doubt")
        )
        await heard.wait_for(2)
        for sent in (deferred, doubtful):
            assert sent["status"]["state"] == "accepted"
            assert sent["status"]["success"] is True
            assert (await client.event(sent["id"]))["status"] == "processing"
        await asyncio.gather(*(client.children(sent["id"], "message.sent") for sent in (deferred, doubtful)))

    assert await _attempts(client, deferred["id"]) == ["deferred", "succeeded"]
    assert await _attempts(client, doubtful["id"]) == ["in_doubt", "succeeded"]
    # freed by the first attempt, so it knows of no platform's id, and it came once
    assert [body["payload"].get("external_message_id") for body in heard.bodies] == [None, None]


async def test_a_throttled_connection_pauses_as_a_whole(client: Client) -> None:
    connection = await _connection(client)
    began = time.monotonic()

    throttled = await client.send(connection, "throttled")
    other = await client.send(connection, "ada")

    assert throttled["status"]["state"] == "accepted"
    assert other["status"]["state"] == "sent"
    assert time.monotonic() - began >= 0.95
    await client.children(throttled["id"], "message.sent")


async def test_a_message_in_doubt_is_held_where_the_connection_wants_that(client: Client) -> None:
    created = await client.data(
        """mutation { createPlatformConnection(platformName: SLACK, provider: "sandbox", name: "Hold",
             inDoubtPolicy: HOLD) { id inDoubtPolicy } }"""
    )
    connection = created["createPlatformConnection"]
    assert connection["inDoubtPolicy"] == "HOLD"

    sent = await client.send(connection["id"], "doubt")
    await asyncio.sleep(0.3)

    assert sent["status"]["state"] == "accepted"
    assert await _attempts(client, sent["id"]) == ["in_doubt"]
    assert (await client.event(sent["id"]))["childEvents"] == []
    # whoever decides may also decide that it is not to be sent again
    assert (await client.data(_CANCEL, id=sent["id"]))["cancelMessage"]["status"]["state"] == "failed"


async def test_a_message_marked_sandbox_reaches_nobody_and_says_so(client: Client) -> None:
    async with listener() as vendor, listener() as heard:
        await client.subscribe(heard.url, "message.*")
        connection = await client.connect(
            "TELEGRAM", "telegram", {"bot_token": "1:made-up", "api_base_url": vendor.url}
        )
        sent = await client.send(connection["id"], "42", sandbox=True)
        told = await heard.wait_for_types("message.outbound", "message.sent")

        assert vendor.received == []
    assert sent["status"]["state"] == "sent"
    assert sent["status"]["externalMessageId"].startswith("sbx_")
    assert (await client.event(sent["id"]))["payload"]["sandbox"] is True
    assert told["message.outbound"]["payload"]["sandbox"] is True


async def test_a_test_key_reaches_the_sandbox_only(client: Client) -> None:
    async with listener() as vendor:
        connection = await client.connect(
            "TELEGRAM", "telegram", {"bot_token": "1:made-up", "api_base_url": vendor.url}
        )
        tester = await client.with_key(environment=Environment.TEST)
        assert tester.key.startswith("otr_test_")
        sent = await tester.send(connection["id"], "rejected")
        explicit = await tester.send(connection["id"], "42", sandbox=False)
        many = await tester.data(
            _SEND_MANY,
            inputs=[{"platformConnectionId": connection["id"], "toExternalId": "42", "message": "x"}],
        )
        await tester.children(many["sendMessages"][0]["message"]["id"], "message.sent")

        assert vendor.received == []
    assert sent["status"]["error"]["code"] == "RECIPIENT_NOT_FOUND"
    assert explicit["status"]["externalMessageId"].startswith("sbx_")
    for event_id in (sent["id"], explicit["id"]):
        assert (await client.event(event_id))["payload"]["sandbox"] is True


async def test_receipts_of_a_sandboxed_message_find_it(client: Client) -> None:
    async with listener() as vendor:
        connection = await client.connect(
            "TELEGRAM", "telegram", {"bot_token": "1:made-up", "api_base_url": vendor.url}
        )
        sent = await client.send(connection["id"], "delivered", sandbox=True)

        assert len(await client.children(sent["id"], "message.sent", "message.delivered")) == 2


async def test_five_hundred_messages_have_an_answer_each(client: Client) -> None:
    connection = await _connection(client)
    unknown = str(uuid4())
    inputs: list[dict[str, Any]] = [
        {"platformConnectionId": connection, "toExternalId": f"person-{number}", "message": f"No. {number}"}
        for number in range(500)
    ]
    inputs[3]["message"] = "  "
    inputs[100]["platformConnectionId"] = unknown
    inputs[250] |= {"message": None}
    inputs[251] |= {"content": {"type": "sticker"}, "message": None}
    inputs[300]["toExternalId"] = " "
    inputs[301]["replyToEventId"] = unknown
    inputs[302] |= {"expiresAt": "2020-01-01T00:00:00Z"}
    inputs[303] |= {"metadata": ["not an object"]}
    inputs[498] |= {"idempotencyKey": "same"}
    inputs[499] |= {"idempotencyKey": "same"}
    bad = {3: "VALIDATION_ERROR", 100: "NOT_FOUND", 250: "VALIDATION_ERROR", 251: "VALIDATION_ERROR"}
    bad |= {300: "VALIDATION_ERROR", 301: "NOT_FOUND", 302: "VALIDATION_ERROR", 303: "VALIDATION_ERROR"}
    bad |= {499: "IDEMPOTENCY_CONFLICT"}

    answers = (await client.data(_SEND_MANY, inputs=inputs))["sendMessages"]

    assert len(answers) == 500
    assert {number: one["error"]["code"] for number, one in enumerate(answers) if one["error"]} == bad
    assert all((one["message"] is None) == (number in bad) for number, one in enumerate(answers))
    ids = [one["message"]["id"] for one in answers if one["message"]]
    assert len(set(ids)) == 500 - len(bad)
    found = await client.data('{ events(filters: {eventType: {equals: "message.outbound"}}) { totalCount } }')
    assert found["events"]["totalCount"] == 500 - len(bad)
    # answers stand in the order of the inputs
    last = await client.event(answers[497]["message"]["id"])
    assert last["payload"]["message"]["text"] == "No. 497"


@pytest.mark.parametrize("count", [0, 501])
async def test_too_few_or_too_many_at_once_are_refused_whole(client: Client, count: int) -> None:
    one = {"platformConnectionId": await _connection(client), "toExternalId": "ada", "message": "x"}

    refused = await client.refused(_SEND_MANY, inputs=[one] * count)

    assert refused["code"] == "VALIDATION_ERROR"
    assert await client.events("message.outbound") == []


async def test_the_same_key_and_arguments_give_the_same_message_as_it_is_now(client: Client) -> None:
    connection = await _connection(client)

    first = await client.send(connection, "rejected", key="order-1")
    again = await client.send(connection, "rejected", key="order-1")
    other = await client.send(connection, "ada", key="order-2")

    assert again == first
    assert first["status"]["error"]["code"] == "RECIPIENT_NOT_FOUND"
    assert other["id"] != first["id"]
    assert len(await client.events("message.outbound")) == 2


async def test_repeats_during_the_first_give_one_message(client: Client) -> None:
    connection = await _connection(client)

    sent = await asyncio.gather(*(client.send(connection, "slow-1", key="order-1") for _ in range(10)))

    assert len({one["id"] for one in sent}) == 1
    assert len(await client.events("message.outbound")) == 1


@pytest.mark.parametrize(
    "change", [{"text": "Goodbye"}, {"to": "bob"}, {"metadata": {"a": 1}}, {"sandbox": True}]
)
async def test_the_same_key_with_other_arguments_is_a_conflict(
    client: Client, change: dict[str, Any]
) -> None:
    connection = await _connection(client)
    await client.send(connection, "ada", key="order-1")

    refused = await client.send_refused(connection, **{"to": "ada", "key": "order-1", **change})

    assert refused["code"] == "IDEMPOTENCY_CONFLICT"
    assert refused["http"]["status"] == 409
    assert len(await client.events("message.outbound")) == 1


async def test_keys_of_two_applications_do_not_meet(client: Client, stranger: Client) -> None:
    mine = await client.send(await _connection(client), "ada", key="order-1")
    theirs = await stranger.send(await _connection(stranger), "bob", key="order-1")

    assert mine["id"] != theirs["id"]


async def test_a_refused_message_leaves_its_key_free(client: Client) -> None:
    connection = await _connection(client)
    refused = await client.send_refused(connection, "ada", key="order-1", replyTo=str(uuid4()))
    assert refused["code"] == "NOT_FOUND"

    sent = await client.send(connection, "ada", key="order-1")

    assert sent["status"]["state"] == "sent"


async def test_a_scheduled_message_goes_out_at_its_time(client: Client) -> None:
    connection = await _connection(client)

    began = time.monotonic()
    sent = await client.send(connection, "ada", scheduledAt=_in(1))
    answered_after = time.monotonic() - began
    await client.children(sent["id"], "message.sent")

    assert sent["status"]["state"] == "accepted"
    assert answered_after < 0.9
    assert time.monotonic() - began >= 0.9


@pytest.mark.parametrize("ago", [1.0, 60.0, 3_600.0])
async def test_a_message_scheduled_for_the_past_goes_out_at_once(client: Client, ago: float) -> None:
    sent = await client.send(await _connection(client), "ada", scheduledAt=_in(-ago))

    assert sent["status"]["state"] == "sent"


async def test_a_scheduled_message_can_be_taken_back(client: Client) -> None:
    connection = await _connection(client)
    async with listener() as heard:
        await client.subscribe(heard.url, "message.*")
        sent = await client.send(connection, "ada", scheduledAt=_in(3_600))

        cancelled = (await client.data(_CANCEL, id=sent["id"]))["cancelMessage"]
        told = await heard.wait_for_types("message.outbound", "message.failed")
    again = await client.refused(_CANCEL, id=sent["id"])

    assert cancelled["id"] == sent["id"]
    assert cancelled["status"]["success"] is False
    assert cancelled["status"]["error"]["code"] == "CANCELLED"
    assert told["message.failed"]["payload"]["error"]["code"] == "CANCELLED"
    assert told["message.outbound"]["payload"]["failed_at"] == told["message.failed"]["payload"]["failed_at"]
    assert again["code"] == "NOT_CANCELLABLE"
    assert again["http"]["status"] == 409


async def test_a_message_that_was_sent_cannot_be_taken_back(client: Client) -> None:
    sent = await client.send(await _connection(client), "ada")

    refused = await client.refused(_CANCEL, id=sent["id"])

    assert refused["code"] == "NOT_CANCELLABLE"
    assert refused["details"]["state"] == "sent"
    assert len((await client.event(sent["id"]))["childEvents"]) == 1


async def test_a_message_past_its_time_expires_unsent(client: Client) -> None:
    async with listener() as sink:
        connection = await _connection(client, api_base_url=sink.url)
        deferred = await client.send(connection, "deferred", expiresAt=_in(2))
        scheduled = await client.send(connection, "ada", scheduledAt=_in(0.2), expiresAt=_in(0.201))
        refused = await client.send_refused(connection, "ada", expiresAt=_in(-1))

        (failed,) = await client.children(scheduled["id"], "message.failed")
        assert sink.received == []

    # its second attempt would come after its end
    assert deferred["status"]["error"]["code"] == "EXPIRED"
    assert failed["payload"]["error"]["code"] == "EXPIRED"
    assert refused["code"] == "VALIDATION_ERROR"


async def test_a_reply_has_an_edge_to_what_it_answers(client: Client) -> None:
    connection = await client.connect("SLACK", "sandbox", {})
    await client.knock(connection, {"messages": [{"id": "m1", "from": "ada", "text": "Are you open?"}]})
    (question,) = await client.events("message.inbound")

    answer = await client.send(connection["id"], "ada", "We are.", replyTo=question["id"])
    await client.knock(
        connection,
        {
            "messages": [
                {
                    "id": "m2",
                    "from": "ada",
                    "text": "Good.",
                    "reply_to": answer["status"]["externalMessageId"],
                }
            ]
        },
    )

    edges = {edge["edgeType"]: edge for edge in (await client.event(answer["id"]))["edges"]}
    assert edges.keys() == {"sent_by", "sent_to", "reply_to"}
    assert edges["reply_to"]["targetNodeType"] == "EVENT"
    assert edges["reply_to"]["targetEvent"]["id"] == question["id"]
    assert edges["sent_to"]["targetPlatformUser"]["externalId"] == "ada"
    thanks = (await client.events("message.inbound"))[0]
    thanks_edges = (await client.event(thanks["id"]))["edges"]
    assert [edge["targetNodeId"] for edge in thanks_edges if edge["edgeType"] == "reply_to"] == [answer["id"]]


async def test_without_waiting_the_answer_comes_after_the_commit(client: Client) -> None:
    connection = await _connection(client)
    began = time.monotonic()

    sent = await client.send(connection, "slow-1", wait=False)

    assert time.monotonic() - began < 0.8
    assert sent["status"] == {"success": True, "externalMessageId": None, "state": "accepted", "error": None}
    assert (await client.event(sent["id"]))["eventType"] == "message.outbound"
    await client.children(sent["id"], "message.sent")


async def test_one_conversation_keeps_its_order(client: Client) -> None:
    async with listener() as sink:
        connection = await _connection(client, api_base_url=sink.url)
        texts = [f"No. {number}" for number in range(40)]
        for text in texts:
            await client.send(connection, "ada", text, wait=False)
        await sink.wait_for(40)

    assert [body["content"]["text"] for body in sink.bodies] == texts


async def test_a_receipt_never_moves_a_message_back(client: Client) -> None:
    connection = await client.connect("WHATSAPP", "sandbox", {})
    sent = await client.send(connection["id"], "read")
    await client.children(sent["id"], "message.sent", "message.delivered", "message.read")
    external_id = sent["status"]["externalMessageId"]
    before = (await client.event(sent["id"]))["payload"]

    late = [
        {"id": f"late-{state}", "message_id": external_id, "state": state, "at": "2035-01-01T00:00:00Z"}
        for state in ("failed", "delivered", "sent")
    ]
    taken = await client.knock(connection, {"receipts": late})

    assert taken.status == 200
    message = await client.event(sent["id"])
    for kind in ("sent_at", "delivered_at", "read_at"):
        assert message["payload"][kind] == before[kind]
    assert message["status"] == "completed"
    # the bounce remains as a child
    assert "message.failed" in {child["eventType"] for child in message["childEvents"]}


async def test_a_receipt_for_a_message_that_nobody_sent_shows_nowhere(client: Client) -> None:
    connection = await client.connect("WHATSAPP", "sandbox", {})

    taken = await client.knock(
        connection, {"receipts": [{"id": "r", "message_id": "sbx_nobody", "state": "delivered"}]}
    )

    assert taken.status == 200
    assert await client.events("message.delivered") == []


async def test_what_one_tenant_floods_in_does_not_hold_back_another(client: Client, stranger: Client) -> None:
    connection, other = await _connection(client), await _connection(stranger)
    for number in range(40):
        await client.send(connection, f"early-{number}.delivered", wait=False)
    for _ in range(4):
        inputs = [
            {"platformConnectionId": connection, "toExternalId": f"late-{number}", "message": "x"}
            for number in range(500)
        ]
        await client.data(_SEND_MANY, inputs=inputs)

    began = time.monotonic()
    sent = await stranger.send(other, "ada")

    assert sent["status"]["state"] == "sent"
    assert time.monotonic() - began < 3
    async with asyncio.timeout(10):
        while await _unfinished(client):
            await asyncio.sleep(0.05)


async def _unfinished(client: Client) -> int:
    pool = client.server.runtime.database.system
    return int(
        await pool.fetchval(
            "select count(*) from delivery_queue where application_id = $1", client.tenant.application_id
        )
    )
