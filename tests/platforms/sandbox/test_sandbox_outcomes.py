"""Every outcome of the sandbox is provoked by the recipient's address, as its documentation says."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

import pytest

from outrider.core.outgoing import OutgoingHttp
from outrider.platforms.base import (
    Channel,
    ConnectionContext,
    Deferred,
    FailureCode,
    InboundRequest,
    InDoubt,
    Outbound,
    Rejected,
    Sent,
)
from outrider.platforms.receipts import InboundReceipt
from outrider.platforms.sandbox.adapter import SandboxAdapter
from outrider.platforms.sandbox.inbound import is_authentic
from outrider.platforms.sandbox.manifest import DOCUMENTATION
from tests.platforms.connections import connection_of, text_to
from tests.platforms.http_vendor import Asked, HttpVendor, Reply, http_vendor

CONNECTION = connection_of(Channel.TELEGRAM)


@dataclass
class Inbox:
    """The server's inbound operation as the sandbox sees it."""

    refusals: int = 0
    taken: list[InboundRequest] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, connection: ConnectionContext, request: InboundRequest) -> None:
        if self.refusals > 0:
            self.refusals -= 1
            raise ConnectionError("the database is away")
        self.taken.append(request)
        self.arrived.set()

    def states(
        self, adapter: SandboxAdapter, connection: ConnectionContext = CONNECTION
    ) -> list[tuple[str, str]]:
        assert all(is_authentic(request, connection.config) for request in self.taken)
        items = [item for request in self.taken for item in adapter.parse(request, connection).items]
        return [(item.external_id, item.state) for item in items if isinstance(item, InboundReceipt)]

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.taken) < count:
                self.arrived.clear()
                await self.arrived.wait()


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def sandbox(outgoing: OutgoingHttp, inbox: Inbox) -> AsyncGenerator[SandboxAdapter]:
    adapter = SandboxAdapter(outgoing, inbox)
    yield adapter
    await adapter.close()


def _id_of(outbound: Outbound) -> str:
    return f"sbx_{outbound.delivery_id.hex}"


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.com",
        "@ada",
        "+12025550100",
        "+12025550199",
        "4242424242",
        "reader@example.com",
        "undelivered",
        "ada@rejected.example",
        "doubtful",
        "C024BE91L",
    ],
)
async def test_an_ordinary_address_is_sent_without_receipts(
    address: str, sandbox: SandboxAdapter, inbox: Inbox
) -> None:
    outbound = text_to(address)

    assert await sandbox.send(outbound, CONNECTION) == Sent(_id_of(outbound))
    await asyncio.sleep(0.2)
    assert inbox.taken == []


@pytest.mark.parametrize(
    ("address", "states"),
    [
        ("delivered@example.com", ["delivered"]),
        ("+12025550101", ["delivered"]),
        ("ada+read@example.com", ["delivered", "read"]),
        ("5550102", ["delivered", "read"]),
        ("ada-bounced", ["failed"]),
        ("+1 202 555 0110", ["failed"]),
    ],
)
async def test_receipts_follow_by_the_inbound_road(
    address: str, states: list[str], sandbox: SandboxAdapter, inbox: Inbox
) -> None:
    outbound = text_to(address)

    assert await sandbox.send(outbound, CONNECTION) == Sent(_id_of(outbound))
    assert inbox.taken == []
    await inbox.until(len(states))
    assert inbox.states(sandbox) == [(_id_of(outbound), state) for state in states]


@pytest.mark.parametrize("address", ["receipt-first@example.com", "@receipt-first", "+12025550103"])
async def test_the_receipt_can_come_before_the_answer(
    address: str, sandbox: SandboxAdapter, inbox: Inbox
) -> None:
    outbound = text_to(address)

    outcome = await sandbox.send(outbound, CONNECTION)

    assert inbox.states(sandbox) == [(_id_of(outbound), "delivered")]
    assert outcome == Sent(_id_of(outbound))


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("rejected@example.com", FailureCode.RECIPIENT_NOT_FOUND),
        ("+12025550104", FailureCode.RECIPIENT_NOT_FOUND),
        ("Blocked", FailureCode.RECIPIENT_BLOCKED),
        ("5550111", FailureCode.RECIPIENT_BLOCKED),
        ("unacceptable.ada", FailureCode.CONTENT_REJECTED),
        ("+12025550112", FailureCode.CONTENT_REJECTED),
        ("window-closed", FailureCode.WINDOW_CLOSED),
        ("+12025550113", FailureCode.WINDOW_CLOSED),
    ],
)
async def test_a_refusal_has_the_code_of_its_word(
    address: str, code: FailureCode, sandbox: SandboxAdapter
) -> None:
    outcome = await sandbox.send(text_to(address), CONNECTION)

    assert isinstance(outcome, Rejected)
    assert outcome.code is code


@pytest.mark.parametrize(
    ("address", "deferrals", "retry_after"),
    [
        ("deferred@example.com", 1, None),
        ("deferred-3", 3, None),
        ("+12025550105", 1, None),
        ("throttled", 1, 1.0),
        ("ada.throttled-2.b", 2, 1.0),
        ("5550109", 1, 1.0),
    ],
)
async def test_a_deferral_ends_after_its_attempts(
    address: str, deferrals: int, retry_after: float | None, sandbox: SandboxAdapter
) -> None:
    outbound = text_to(address)

    for attempt in range(1, deferrals + 1):
        outcome = await sandbox.send(replace(outbound, attempt=attempt), CONNECTION)
        assert isinstance(outcome, Deferred)
        assert (outcome.retry_after, outcome.pauses_connection) == (retry_after, retry_after is not None)
    last = replace(outbound, attempt=deferrals + 1)
    assert await sandbox.send(last, CONNECTION) == Sent(_id_of(outbound))


@pytest.mark.parametrize("address", ["doubt@example.com", "+12025550106"])
async def test_doubt_ends_with_a_second_attempt(address: str, sandbox: SandboxAdapter) -> None:
    outbound = text_to(address)

    assert isinstance(await sandbox.send(outbound, CONNECTION), InDoubt)
    assert await sandbox.find_outcome(outbound, CONNECTION) is None
    assert await sandbox.send(replace(outbound, attempt=2), CONNECTION) == Sent(_id_of(outbound))


@pytest.mark.parametrize("address", ["doubt-found", "+12025550108"])
async def test_asking_can_find_that_it_was_sent(address: str, sandbox: SandboxAdapter) -> None:
    outbound = text_to(address)

    assert isinstance(await sandbox.send(outbound, CONNECTION), InDoubt)
    assert await sandbox.find_outcome(outbound, CONNECTION) == Sent(_id_of(outbound))


@pytest.mark.parametrize("address", ["doubt-refused", "+12025550114"])
async def test_asking_can_find_that_it_was_refused(address: str, sandbox: SandboxAdapter) -> None:
    outbound = text_to(address)

    assert isinstance(await sandbox.send(outbound, CONNECTION), InDoubt)
    assert isinstance(await sandbox.find_outcome(outbound, CONNECTION), Rejected)


async def test_a_slow_send_takes_its_seconds(sandbox: SandboxAdapter) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()

    outcome = await sandbox.send(text_to("slow-1"), CONNECTION)

    assert isinstance(outcome, Sent)
    assert 0.9 < loop.time() - started < 2


async def test_a_send_slower_than_the_deadline_is_in_doubt(outgoing: OutgoingHttp, inbox: Inbox) -> None:
    sandbox = SandboxAdapter(outgoing, inbox, attempt_seconds=0.8)

    assert isinstance(await sandbox.send(text_to("5550107"), CONNECTION), InDoubt)


async def test_words_for_send_and_receipts_stand_together(sandbox: SandboxAdapter, inbox: Inbox) -> None:
    outbound = text_to("deferred.read@example.com")

    assert isinstance(await sandbox.send(outbound, CONNECTION), Deferred)
    assert isinstance(await sandbox.send(replace(outbound, attempt=2), CONNECTION), Sent)
    await inbox.until(2)
    assert [state for _, state in inbox.states(sandbox)] == ["delivered", "read"]


async def test_a_receipt_that_was_not_taken_is_posted_again(sandbox: SandboxAdapter, inbox: Inbox) -> None:
    inbox.refusals = 2

    await sandbox.send(text_to("receipt-first"), CONNECTION)
    await inbox.until(1)

    assert [state for _, state in inbox.states(sandbox)] == ["delivered"]


async def test_receipts_are_signed_like_any_webhook(sandbox: SandboxAdapter, inbox: Inbox) -> None:
    connection = connection_of(Channel.EMAIL, signing_secret="between us")

    await sandbox.send(text_to("delivered@example.com"), connection)
    await inbox.until(1)

    assert len(inbox.states(sandbox, connection)) == 1
    assert not await sandbox.verify(replace(inbox.taken[0], headers={}), connection)


async def test_closing_stops_the_receipts_under_way(outgoing: OutgoingHttp, inbox: Inbox) -> None:
    sandbox = SandboxAdapter(outgoing, inbox)
    await sandbox.send(text_to("read"), CONNECTION)

    await sandbox.close()
    await asyncio.sleep(0.2)

    assert inbox.taken == []


def _sink_answer(asked: Asked) -> Reply:
    return Reply(200, {"id": f"taken-{len(asked.body)}"})


@pytest.fixture
async def sink() -> AsyncGenerator[HttpVendor]:
    async with http_vendor(_sink_answer) as vendor:
        yield vendor


async def test_the_sink_gets_each_message_with_its_idempotency_id(
    sandbox: SandboxAdapter, sink: HttpVendor
) -> None:
    connection = connection_of(Channel.SMS, api_base_url=f"{sink.url}/base/")
    outbound = text_to("+12025550177", "Bonjour", campaign="x")

    outcome = await sandbox.send(outbound, connection)

    (asked,) = sink.asked
    assert (asked.method, asked.path) == ("POST", "/base/messages")
    assert asked.headers["idempotency-key"] == str(outbound.delivery_id)
    assert asked.json == {
        "delivery_id": str(outbound.delivery_id),
        "event_id": str(outbound.event_id),
        "connection_id": str(connection.connection_id),
        "channel": "sms",
        "attempt": 1,
        "to": "+12025550177",
        "content": {"type": "text", "text": "Bonjour", "role": "assistant"},
        "metadata": {"campaign": "x"},
    }
    assert outcome == Sent(f"taken-{len(asked.body)}")


async def test_a_message_in_doubt_did_reach_the_sink_but_a_refused_one_did_not(
    sandbox: SandboxAdapter, sink: HttpVendor
) -> None:
    connection = connection_of(Channel.SMS, api_base_url=sink.url)

    for address in ("doubt", "doubt-found", "rejected", "deferred", "doubt-refused"):
        await sandbox.send(text_to(address), connection)

    assert [asked.json["to"] for asked in sink.asked] == ["doubt", "doubt-found"]


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(200, b"no json"), Sent),
        (Reply(200, {"id": 17}), Sent),
        (Reply(404), Rejected(FailureCode.RECIPIENT_NOT_FOUND, "the sink answered 404")),
        (Reply(422), Rejected(FailureCode.CONTENT_REJECTED, "the sink answered 422")),
        (Reply(401), Deferred(1.0, "the sink answered 401", pauses_connection=True)),
        (Reply(429), Deferred(1.0, "the sink answered 429", pauses_connection=True)),
        (Reply(408), Deferred(None, "the sink answered 408")),
        (Reply(302, None, {"location": "/"}), Deferred(None, "the sink answered 302")),
        (Reply(503, None, {"retry-after": "9"}), Deferred(9.0, "the sink answered 503")),
    ],
)
async def test_the_answer_of_the_sink_is_read_as_a_vendors(
    reply: Reply, outcome: object, sandbox: SandboxAdapter, sink: HttpVendor
) -> None:
    connection = connection_of(Channel.SMS, api_base_url=sink.url)
    sink.reply_with(reply)

    got = await sandbox.send(text_to("ada"), connection)

    assert isinstance(got, Sent) if outcome is Sent else got == outcome


def test_the_documentation_names_every_word_and_number() -> None:
    rows = [line.split("|") for line in DOCUMENTATION.splitlines() if line.startswith("| ")][1:]

    assert [row[2].strip() for row in rows if row[2].strip().isdigit()] == [f"{n:02}" for n in range(15)]
