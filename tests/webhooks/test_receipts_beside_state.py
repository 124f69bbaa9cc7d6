"""Receipts that move no state, failures that last, webhooks that cannot be judged now, and addresses for callbacks."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import orjson
import pytest

from outrider.core.errors import Unauthorized, Unavailable
from outrider.messaging.sending import send_message
from outrider.messaging.values import SendRequest
from outrider.platforms.base import (
    ConnectionContext,
    Deferred,
    InboundMessage,
    InboundRequest,
    ParsedWebhook,
    Sender,
)
from outrider.platforms.receipts import ReceiptState
from outrider.platforms.sandbox.adapter import SandboxAdapter
from outrider.runtime.parts import Runtime
from outrider.runtime.verifying import verify
from outrider.tenancy.connection_directory import ConnectionEntry
from outrider.webhooks import receiving
from outrider.webhooks.patterns import candidate_patterns
from tests.running import Sink, connect_sandbox, listening, new_database, running, subscribe, until
from tests.tenants import Tenant, new_tenant

BESIDE = ("opened", "clicked", "complained", "unsubscribed")


@pytest.fixture(scope="module")
async def own_dsn(dsn: str) -> AsyncGenerator[str]:
    async with new_database(dsn, "receipts_beside") as own:
        yield own
        assert await verify(own) == {}


@pytest.fixture(scope="module")
async def process(own_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Runtime]:
    async with running(own_dsn, tmp_path_factory.mktemp("process")) as found:
        yield found


@pytest.fixture
async def tenant(process: Runtime) -> Tenant:
    return await new_tenant(process.tenancy)


@pytest.fixture
async def vendor() -> AsyncGenerator[Sink]:
    """Calls the first message ext-1, the second ext-2."""
    async with listening() as found:
        yield found


@pytest.fixture
async def entry(process: Runtime, tenant: Tenant, vendor: Sink) -> ConnectionEntry:
    created = await connect_sandbox(process, tenant, config={"api_base_url": vendor.url})
    found = await process.directories.connections.get(tenant.application_id, created.id)
    assert found is not None
    return found


async def _knock(process: Runtime, entry: ConnectionEntry, *receipts: dict[str, object]) -> None:
    body = orjson.dumps({"receipts": list(receipts)})
    await receiving.receive(process.receiving, entry, InboundRequest({}, body))


async def _send(process: Runtime, tenant: Tenant, entry: ConnectionEntry) -> UUID:
    request = SendRequest(connection_id=entry.connection_id, recipient="ada", text="Hello")
    return (await send_message(process.sending, tenant.actor, request)).event_id


async def _children(dsn: str, message_id: UUID) -> tuple[int, dict[str, dict[str, object]]]:
    database = await asyncpg.connect(dsn)
    try:
        state = await database.fetchval("select state from messages where id = $1", message_id)
        rows = await database.fetch(
            "select event_type, payload::text from events where origin_event_id = $1", message_id
        )
        return state, {row["event_type"]: orjson.loads(row["payload"]) for row in rows}
    finally:
        await database.close()


@pytest.mark.parametrize("is_early", [True, False])
async def test_they_are_children_of_the_message_and_move_no_state(
    is_early: bool, process: Runtime, tenant: Tenant, entry: ConnectionEntry, own_dsn: str
) -> None:
    receipts: list[dict[str, object]] = [
        {"message_id": "ext-1", "state": state, "at": "2026-11-20T10:00:00Z", "url": "https://s.example/a"}
        for state in BESIDE
    ]
    if is_early:
        # before our own record of the send: they wait for it
        await _knock(process, entry, *receipts)
    message_id = await _send(process, tenant, entry)
    if not is_early:
        await _knock(process, entry, *receipts)

    state, children = await _children(own_dsn, message_id)

    assert state == 1  # sent
    assert children.keys() == {"message.sent", *(f"message.{state}" for state in BESIDE)}
    assert children["message.clicked"] == {
        "status": "clicked",
        "external_message_id": "ext-1",
        "clicked_at": "2026-11-20T10:00:00.000Z",
        "url": "https://s.example/a",
    }
    assert children["message.complained"]["permanent"] is False


async def test_they_do_not_undo_what_is_known(
    process: Runtime, tenant: Tenant, entry: ConnectionEntry, own_dsn: str
) -> None:
    message_id = await _send(process, tenant, entry)
    await _knock(
        process, entry, {"message_id": "ext-1", "state": "failed", "permanent": True, "error": "5.1.1"}
    )
    await _knock(process, entry, {"message_id": "ext-1", "state": "opened"})

    state, children = await _children(own_dsn, message_id)

    assert state == 2  # failed
    assert children["message.failed"]["permanent"] is True
    assert children["message.failed"]["error"] == {"code": "UNKNOWN", "message": "5.1.1"}


async def test_subscriptions_hear_of_them(
    process: Runtime, tenant: Tenant, entry: ConnectionEntry, vendor: Sink
) -> None:
    await subscribe(process, tenant, f"{vendor.url}/opened", "message.opened")
    await subscribe(process, tenant, f"{vendor.url}/status", "message.status")
    await _send(process, tenant, entry)
    await _knock(process, entry, {"message_id": "ext-1", "state": "opened"})

    await until(lambda: len(vendor.at("/opened")) == 1)
    told = {orjson.loads(one.body)["event_type"] for one in vendor.at("/status")}
    assert told <= {"message.sent"}


def test_every_receipt_is_wanted_by_its_prefix_and_few_are_the_status() -> None:
    for state in ReceiptState:
        patterns = candidate_patterns(f"message.{state}")

        assert {"*", "message.*", f"message.{state}"} <= set(patterns)
        assert ("message.status" in patterns) == (state.value not in BESIDE)


class _Undecided(SandboxAdapter):
    """A platform whose certificate cannot be fetched."""

    async def verify(self, request: InboundRequest, connection: ConnectionContext) -> bool | Deferred:
        return Deferred(None, "the certificate was not reached")


async def test_a_webhook_that_cannot_be_judged_now_is_to_be_sent_again(
    process: Runtime, entry: ConnectionEntry
) -> None:
    adapter = _Undecided(process.http, _never)

    with pytest.raises(Unavailable, match="certificate"):
        await receiving.receive_for(process.receiving, entry, adapter, InboundRequest({}, b"{}"))


class _Confirming(SandboxAdapter):
    """A platform that waits for a call."""

    takes = False

    def parse(self, request: InboundRequest, connection: ConnectionContext) -> ParsedWebhook:
        content = {"type": "text", "text": "Hello", "role": "user"}
        message = InboundMessage("m1", "m1", Sender("ada"), "ada", content)
        return ParsedWebhook((message,), confirm=self._confirm)

    async def _confirm(self) -> bool:
        return self.takes


async def test_what_is_to_be_confirmed_is_confirmed_after_the_commit_and_again(
    process: Runtime, tenant: Tenant, entry: ConnectionEntry, own_dsn: str
) -> None:
    adapter = _Confirming(process.http, _never)

    with pytest.raises(Unavailable):
        await receiving.receive_for(process.receiving, entry, adapter, InboundRequest({}, b"{}"))
    adapter.takes = True
    await receiving.receive_for(process.receiving, entry, adapter, InboundRequest({}, b"{}"))

    database = await asyncpg.connect(own_dsn)
    inbound = "select count(*) from events where application_id = $1 and event_type = 'message.inbound'"
    assert await database.fetchval(inbound, tenant.application_id) == 1
    await database.close()


async def _never(*_: object) -> None:
    raise AssertionError("nothing is posted here")


async def test_the_address_that_goes_out_with_messages_leads_to_the_same_door(
    process: Runtime, tenant: Tenant, entry: ConnectionEntry
) -> None:
    other = await connect_sandbox(process, tenant)
    _, _, webhook_id, secret = urlsplit(entry.context.webhook_url).path.split("/")

    found = await receiving.recognise(process.receiving, UUID(webhook_id), secret)

    assert found.connection_id == entry.connection_id
    assert entry.context.webhook_url.startswith(f"{process.settings.public_url}/webhooks/")
    assert secret not in repr(entry)
    _, _, other_id, other_secret = urlsplit(str(other.webhook_url)).path.split("/")
    for strange_id, strange in ((other_id, secret), (webhook_id, other_secret), (webhook_id, secret[:-1])):
        with pytest.raises(Unauthorized):
            await receiving.recognise(process.receiving, UUID(strange_id), strange)


def test_what_an_adapter_is_called_with_shows_no_address(entry: ConnectionEntry) -> None:
    assert "/webhooks/" not in repr(replace(entry.context, config={}))
