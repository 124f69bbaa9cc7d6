"""The suppression list: who gets on it and how, what that refuses, and who may change it."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from outrider.core.database.pools import Pool
from outrider.messaging.cross_tenant import select_suppressed
from outrider.messaging.queries_suppressions import Suppression
from outrider.messaging.suppression_lookup import Addressee, SuppressionLookup
from outrider.platforms.base import Channel
from outrider.platforms.failure_codes import FailureCode
from outrider.platforms.receipts import InboundReceipt, ReceiptState
from outrider.runtime.verifying import verify
from outrider.webhooks.inbound_items import Received
from outrider.webhooks.receiving import take_in
from tests.clients import Client

_LIST = """query($filters: SuppressionFilters) { suppressions(filters: $filters) {
  totalCount edges { node { id platformName address reason since event { id eventType } } } } }"""
_ADD = """mutation($a: String!, $p: PlatformName!, $note: String) {
  addSuppression(platformName: $p, address: $a, note: $note) { id address reason event { eventType payload } } }"""
_REMOVE = "mutation($id: UUID!) { removeSuppression(id: $id) { id eventType payload } }"
_SEND = """mutation($c: UUID!, $to: String!, $ignore: Boolean, $key: String) {
  sendMessage(platformConnectionId: $c, toExternalId: $to, message: "Hi", ignoreSuppression: $ignore, wait: false,
    idempotencyKey: $key) { id status { state } } }"""

_SEND_MANY = """mutation($inputs: [SendMessageInput!]!) {
  sendMessages(inputs: $inputs) { message { id } error { code } } }"""


@pytest.fixture
async def connection(client: Client) -> str:
    """A mail connection whose server is not there: messages stay accepted."""
    config: dict[str, object] = {"host": "127.0.0.1", "port": 1, "security": "none"}
    made = await client.connect("EMAIL", "smtp", config | {"from_email": "desk@ferry.example"})
    return str(made["id"])


async def _send(client: Client, connection: str, to: str, **more: object) -> str:
    sent = await client.data(_SEND, c=connection, to=to, **more)
    return str(sent["sendMessage"]["id"])


async def _tell(client: Client, connection: str, message_id: str, state: ReceiptState, **more: Any) -> None:
    runtime = client.server.runtime
    entry = await runtime.directories.connections.get(client.tenant.application_id, UUID(connection))
    assert entry is not None
    receipt = InboundReceipt(str(uuid4()), "", state, event_id=UUID(message_id), **more)
    await take_in(runtime.receiving, entry, [(Received(entry, None, None), receipt)])


async def _listed(client: Client, **filters: object) -> list[dict[str, Any]]:
    found = (await client.data(_LIST, filters=filters))["suppressions"]
    assert found["totalCount"] == len(found["edges"])
    return [edge["node"] for edge in found["edges"]]


async def _is_verified(client: Client) -> bool:
    dsn = client.server.runtime.settings.database_url
    assert dsn is not None
    return "suppression that differs from the log" not in await verify(dsn)


async def test_who_bounced_for_good_is_refused_and_nothing_is_stored(client: Client, connection: str) -> None:
    message = await _send(client, connection, "Ada@ferry.example")
    await _tell(
        client,
        connection,
        message,
        ReceiptState.FAILED,
        code=FailureCode.RECIPIENT_NOT_FOUND,
        is_permanent=True,
    )

    (entry,) = await _listed(client)
    assert entry["address"] == "ada@ferry.example"
    assert (entry["platformName"], entry["reason"]) == ("EMAIL", "BOUNCED")
    assert entry["event"] == {"id": entry["id"], "eventType": "message.failed"}
    refused = await client.refused(_SEND, c=connection, to="ADA@ferry.example")
    assert refused["code"] == "RECIPIENT_SUPPRESSED"
    assert refused["details"]["reason"] == "bounced"
    assert refused["details"]["event_id"] == entry["id"]
    assert refused["details"]["since"] == entry["since"]
    assert len(await client.events("message.outbound")) == 1
    assert await _is_verified(client)


@pytest.mark.parametrize(
    ("state", "reason"),
    [(ReceiptState.COMPLAINED, "COMPLAINED"), (ReceiptState.UNSUBSCRIBED, "UNSUBSCRIBED")],
)
async def test_complaints_and_unsubscribes_put_their_sender_on_the_list(
    client: Client, connection: str, state: ReceiptState, reason: str
) -> None:
    await _tell(client, connection, await _send(client, connection, "ada@ferry.example"), state)

    assert [one["reason"] for one in await _listed(client)] == [reason]
    assert await _is_verified(client)


async def test_what_only_failed_once_and_what_was_simulated_suppresses_nobody(
    client: Client, connection: str
) -> None:
    message = await _send(client, connection, "ada@ferry.example")
    await _tell(client, connection, message, ReceiptState.FAILED, code=FailureCode.RECIPIENT_NOT_FOUND)
    await _tell(client, connection, message, ReceiptState.OPENED, is_permanent=True)
    sandbox = await client.connect("EMAIL", "sandbox", {})
    simulated = await _send(client, sandbox["id"], "bob@ferry.example")
    await _tell(client, sandbox["id"], simulated, ReceiptState.COMPLAINED)

    assert await _listed(client) == []
    await _send(client, connection, "ada@ferry.example")
    assert await _is_verified(client)


async def test_an_address_that_its_server_does_not_know_is_suppressed_at_once(
    client: Client, connection: str
) -> None:
    pool = client.server.runtime.database.system
    # what the end of a first attempt writes has no `permanent`
    message = await _send(client, connection, "ada@ferry.example")
    told = '{"status": "failed", "error": {"code": "RECIPIENT_NOT_FOUND", "message": "x"}}'
    found = await pool.fetchrow(
        "select * from suppression_of($1, 'message.failed', $2, $3::json)",
        client.tenant.application_id,
        message,
        told,
    )
    assert found is not None
    assert dict(found) == {
        "channel": "email",
        "address": "ada@ferry.example",
        "reason": "bounced",
        "is_suppressed": True,
    }


async def test_a_repeat_of_what_was_accepted_answers_as_the_first_did(
    client: Client, connection: str
) -> None:
    first = await _send(client, connection, "ada@ferry.example", key="once")
    await _tell(client, connection, first, ReceiptState.COMPLAINED)

    assert await _send(client, connection, "ada@ferry.example", key="once") == first
    assert (await client.refused(_SEND, c=connection, to="ada@ferry.example", key="two"))[
        "code"
    ] == "RECIPIENT_SUPPRESSED"


async def test_those_who_may_send_all_the_same(client: Client, connection: str) -> None:
    await client.data(_ADD, a="ada@ferry.example", p="EMAIL")

    await _send(client, connection, "ada@ferry.example", ignore=True)
    sender = await client.with_key("events:write", "events:read")
    refused = await sender.refused(_SEND, c=connection, to="ada@ferry.example", ignore=True)
    assert refused["code"] == "FORBIDDEN"


async def test_the_list_is_edited_by_hand_and_each_change_is_an_event(
    client: Client, connection: str, stranger: Client
) -> None:
    added = (await client.data(_ADD, a="Ada@Ferry.example", p="EMAIL", note="asked"))["addSuppression"]
    again = (await client.data(_ADD, a="ada@ferry.example", p="EMAIL"))["addSuppression"]
    assert again["id"] == added["id"]
    assert added["reason"] == "MANUAL"
    assert added["event"]["eventType"] == "system.suppression.added"
    assert added["event"]["payload"]["note"] == "asked"
    assert added["event"]["payload"]["by"]["type"] == "api_key"
    assert (await client.refused(_SEND, c=connection, to="ada@ferry.example"))[
        "code"
    ] == "RECIPIENT_SUPPRESSED"
    assert (await _listed(client, reason="MANUAL", address={"equals": "ada@ferry.example"})) != []
    assert await _listed(client, platformName="SMS") == []
    assert await _listed(stranger) == []

    refused = await stranger.refused(_REMOVE, id=added["id"])
    missing = await stranger.refused(_REMOVE, id=str(uuid4()))
    assert refused["code"] == missing["code"] == "NOT_FOUND"
    writer = await client.with_key("events:write", "events:read")
    assert (await writer.refused(_REMOVE, id=added["id"]))["code"] == "FORBIDDEN"
    removed = (await client.data(_REMOVE, id=added["id"]))["removeSuppression"]
    assert removed["eventType"] == "system.suppression.removed"
    assert removed["payload"]["address"] == added["address"]
    await _send(client, connection, "ada@ferry.example")
    assert await _listed(client) == []
    assert await _is_verified(client)


@pytest.mark.parametrize(
    ("address", "platform"), [("no address", "EMAIL"), ("ada", "TELEGRAM"), ("a\0@ferry.example", "EMAIL")]
)
async def test_what_is_no_address_is_refused(client: Client, address: str, platform: str) -> None:
    assert (await client.refused(_ADD, a=address, p=platform))["code"] == "VALIDATION_ERROR"
    assert await client.events("system.suppression.added") == []


async def test_verify_notices_a_list_that_differs_from_the_log(client: Client) -> None:
    added = (await client.data(_ADD, a="ada@ferry.example", p="EMAIL"))["addSuppression"]
    pool = client.server.runtime.database.system
    tenant = client.tenant.application_id
    await pool.execute("update suppressions set reason = 'bounced' where application_id = $1", tenant)
    try:
        assert not await _is_verified(client)
    finally:
        await pool.execute("update suppressions set reason = 'manual' where application_id = $1", tenant)
    assert added["id"]


async def test_many_at_once_leave_one_entry(client: Client) -> None:
    addresses = ["ada@ferry.example", "ADA@ferry.example", "ada@FERRY.example"] * 5
    await asyncio.gather(*(client.data(_ADD, a=one, p="EMAIL") for one in addresses))

    assert len(await _listed(client)) == 1
    assert await _is_verified(client)


async def test_the_list_is_edited_over_rest(client: Client, connection: str) -> None:
    added = await client.request(
        b'{"platform_name": "email", "address": "ada@ferry.example"}', path="/v1/suppressions"
    )
    assert added.status == 201, added.body
    entry = added.json()
    listed = (await client.request(b"", method="GET", path="/v1/suppressions?platform_name=email")).json()
    assert [one["id"] for one in listed["data"]] == [entry["id"]]
    shown = await client.request(b"", method="GET", path=f"/v1/suppressions/{entry['id']}")
    assert shown.json() == entry
    refused = await client.request(
        f'{{"platform_connection_id": "{connection}", "to_external_id": "ada@ferry.example", "message": "x"}}'.encode(),
        path="/v1/messages",
    )
    assert (refused.status, refused.json()["error"]["code"]) == (409, "RECIPIENT_SUPPRESSED")
    gone = await client.request(b"", method="DELETE", path=f"/v1/suppressions/{entry['id']}")
    assert gone.status == 204
    assert (await client.request(b"", method="GET", path=f"/v1/suppressions/{entry['id']}")).status == 404


async def test_all_recipients_of_a_batch_are_looked_up_together(
    client: Client, connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mail3", "mail70"):
        await client.data(_ADD, a=f"{name}@ferry.example", p="EMAIL")
    asked: list[int] = []

    async def counted(pool: Pool, recipients: Sequence[tuple[UUID, str, str]]) -> list[Suppression | None]:
        asked.append(len(recipients))
        return await select_suppressed(pool, recipients)

    monkeypatch.setattr("outrider.messaging.suppression_lookup.select_suppressed", counted)
    inputs = [
        {"platformConnectionId": connection, "toExternalId": f"MAIL{number}@ferry.example", "message": "Hi"}
        for number in range(100)
    ]
    inputs[50]["toExternalId"] = "nobody"
    answered = (await client.data(_SEND_MANY, inputs=inputs))["sendMessages"]

    refused = {number for number, one in enumerate(answered) if one["error"] is not None}
    assert refused == {3, 50, 70}
    assert answered[70]["error"]["code"] == "RECIPIENT_SUPPRESSED"
    assert asked == [99]


async def test_who_asks_at_the_same_time_is_answered_by_few_statements(
    client: Client, connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.data(_ADD, a="ada@ferry.example", p="EMAIL")
    application_id, pool = client.tenant.application_id, client.server.runtime.database.system
    asked: list[int] = []

    async def counted(pool: Pool, recipients: Sequence[tuple[UUID, str, str]]) -> list[Suppression | None]:
        asked.append(len(recipients))
        await asyncio.sleep(0.05)
        return await select_suppressed(pool, recipients)

    monkeypatch.setattr("outrider.messaging.suppression_lookup.select_suppressed", counted)
    suppressed = SuppressionLookup(pool)
    whom = [Addressee(application_id, Channel.EMAIL, "ada@ferry.example", None)]
    whom += [Addressee(uuid4(), Channel.EMAIL, "ada@ferry.example", None) for _ in range(40)]
    whom.append(Addressee(application_id, Channel.TELEGRAM, "ada@ferry.example", None))
    answered = await asyncio.gather(*(suppressed.refusals([one]) for one in whom))
    await suppressed.close()

    assert [one is None for (one,) in answered] == [False, *[True] * 41]
    assert sum(asked) == 41
    assert len(asked) <= 2
