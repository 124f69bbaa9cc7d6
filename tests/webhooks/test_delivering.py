"""Webhooks on their way out: what an endpoint gets, and what becomes of each of its answers."""

import asyncio
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID

import asyncpg
import orjson
import pytest

from outrider.core.errors import Unavailable
from outrider.core.ids import time_of
from outrider.core.outgoing import FailureKind, HttpAnswer, HttpFailure
from outrider.events.creating import EdgeRequest, NewCustomEvent, create_event
from outrider.events.values import NodeType
from outrider.messaging.delivering import MessageHandler
from outrider.messaging.sending import send_message
from outrider.messaging.values import SendRequest
from outrider.platforms.base import InboundRequest
from outrider.runtime.parts import Runtime
from outrider.runtime.verifying import verify
from outrider.webhooks import delivering
from outrider.webhooks.receiving import receive
from outrider.webhooks.signing import verify_outeract, verify_standard
from outrider.webhooks.subscription_directory import SubscriptionDirectory
from outrider.webhooks.subscriptions import (
    pause_subscription,
    resume_subscription,
    rotate_subscription_secret,
)
from tests.running import (
    SECRET,
    Heard,
    Sink,
    connect_sandbox,
    listening,
    new_database,
    running,
    subscribe,
    until,
)
from tests.tenants import Tenant, new_tenant

Database = asyncpg.Connection
ANOTHER_SECRET = "another secret with enough characters"


@pytest.fixture(scope="module")
async def own_dsn(dsn: str) -> AsyncGenerator[str]:
    async with new_database(dsn, "webhook_delivering") as own:
        yield own


@pytest.fixture(scope="module")
async def database(own_dsn: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(own_dsn)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def process(own_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Runtime]:
    async with running(own_dsn, tmp_path_factory.mktemp("process")) as found:
        yield found


@pytest.fixture
async def tenant(process: Runtime) -> Tenant:
    return await new_tenant(process.tenancy)


@pytest.fixture
async def sink() -> AsyncGenerator[Sink]:
    async with listening() as found:
        yield found


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "RETRY_SECONDS", (0.2, 0.2, 0.2))


async def tell(
    process: Runtime, tenant: Tenant, event_type: str = "ferry.sailed", payload: object = None
) -> UUID:
    return await create_event(
        process.creating, tenant.actor, NewCustomEvent(event_type=event_type, payload=payload or {"n": 1})
    )


async def ended(database: Database, event_id: UUID) -> tuple[str, str | None, int]:
    """How the one delivery of an event ended: state, reason, attempts."""
    found = "select state, reason, attempts from deliveries where event_id = $1 and kind = 'webhook'"

    async def is_over() -> bool:
        return await database.fetchrow(found, event_id) is not None

    await until(is_over)
    row = await database.fetchrow(found, event_id)
    assert row is not None
    return tuple(row)


async def attempts(database: Database, event_id: UUID) -> list[tuple[object, ...]]:
    rows = await database.fetch(
        """select a.number, a.result, a.status_code, a.detail from attempts a
        join deliveries d on d.application_id = a.application_id and d.id = a.delivery_id
        where d.event_id = $1 and d.kind = 'webhook' order by a.number""",
        event_id,
    )
    return [tuple(row) for row in rows]


async def status_of(database: Database, subscription: UUID) -> tuple[str, str | None]:
    row = await database.fetchrow(
        "select status, status_reason from subscriptions where id = $1", subscription
    )
    assert row is not None
    return tuple(row)


def is_signed(heard: Heard, secret: str = SECRET) -> bool:
    return verify_standard(secret, heard.headers, heard.body) and verify_outeract(
        secret, heard.headers, heard.body
    )


# --- what it gets


async def test_the_body_and_its_headers_are_as_promised(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    subscription = await subscribe(process, tenant, f"{sink.url}/hook", "ferry.*")
    connection = await connect_sandbox(process, tenant)
    sent = await send_message(
        process.sending, tenant.actor, SendRequest(connection_id=connection.id, recipient="ada", text="x")
    )
    person = await database.fetchrow(
        "select id, user_id from platform_users where application_id = $1 and external_id = 'ada'",
        tenant.application_id,
    )
    assert person is not None
    edges = [
        EdgeRequest("about", NodeType.EVENT, sent.event_id),
        EdgeRequest("about", NodeType.USER, person["user_id"]),
        EdgeRequest("for", NodeType.PLATFORM_USER, person["id"]),
    ]
    payload = {"z": 1.50, "a": [1, {"ö": None}], "big": 2**63}
    event_id = await create_event(
        process.creating,
        tenant.actor,
        NewCustomEvent(
            event_type="ferry.sailed", payload=payload, edges=edges, origin_event_id=sent.event_id
        ),
    )
    await until(lambda: bool(sink.at("/hook")))

    (heard,) = sink.at("/hook")
    body = orjson.loads(heard.body)
    assert list(body) == [
        "id",
        "subscription_id",
        "event_id",
        "event_type",
        "app_id",
        "payload",
        "edges",
        "edge_list",
        "created_at",
        "origin_event_id",
    ]
    assert body["id"] == heard.headers["webhook-id"]
    assert body["subscription_id"] == str(subscription)
    assert (body["event_id"], body["event_type"]) == (str(event_id), "ferry.sailed")
    assert body["app_id"] == str(tenant.application_id)
    assert (list(body["payload"]), body["payload"]) == (list(payload), payload)
    shown = {"platform_user_id": str(person["id"]), "external_id": "ada", "name": None}
    assert body["edges"] == {"about": {"event_id": str(sent.event_id)}, "for": shown}
    assert body["edge_list"] == [
        {"edge_type": "about", "event_id": str(sent.event_id)},
        {"edge_type": "about", "user_id": str(person["user_id"])},
        {"edge_type": "for", **shown},
    ]
    assert body["origin_event_id"] == str(sent.event_id)
    assert datetime.fromisoformat(body["created_at"]) == time_of(event_id)
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["x-outeract-attempt"] == "1"
    assert abs(int(heard.headers["webhook-timestamp"]) - time.time()) < 5
    assert is_signed(heard)
    assert not is_signed(heard, ANOTHER_SECRET)
    await ended(database, event_id)
    delivery = await database.fetchval(
        "select id from deliveries where event_id = $1 and kind = 'webhook'", event_id
    )
    assert str(delivery) == body["id"]


@pytest.mark.parametrize("is_kept", [True, False], ids=["from memory", "from the database"])
async def test_an_outbound_message_shows_who_it_went_to_and_who_sent_it(
    process: Runtime, tenant: Tenant, sink: Sink, monkeypatch: pytest.MonkeyPatch, is_kept: bool
) -> None:
    if not is_kept:
        monkeypatch.setattr(MessageHandler, "handed", lambda *_: None)
    connection = await connect_sandbox(process, tenant)
    entry = await process.directories.connections.get(tenant.application_id, connection.id)
    assert entry is not None
    told = {"messages": [{"from": "ada", "name": "Ada Lovelace", "text": "Hello"}]}
    await receive(process.receiving, entry, InboundRequest({}, orjson.dumps(told)))
    await subscribe(process, tenant, f"{sink.url}/hook", "message.outbound")
    for recipient in ("ada", "bob"):
        request = SendRequest(connection_id=connection.id, recipient=recipient, text="x")
        await send_message(process.sending, tenant.actor, request)
    await until(lambda: len(sink.at("/hook")) == 2)
    shown = [orjson.loads(heard.body)["edges"] for heard in sink.at("/hook")]
    people = {edges["sent_to"]["external_id"]: edges["sent_to"]["name"] for edges in shown}
    assert people == {"ada": "Ada Lovelace", "bob": None}
    assert {edges["sent_by"]["name"] for edges in shown} == {entry.system_user.name}


async def test_both_secrets_sign_during_a_rotation(process: Runtime, tenant: Tenant, sink: Sink) -> None:
    subscription = await subscribe(process, tenant, f"{sink.url}/hook", "*")
    await rotate_subscription_secret(process.tenancy, tenant.actor, subscription, ANOTHER_SECRET)
    await tell(process, tenant)
    await until(lambda: bool(sink.at("/hook")))

    (heard,) = sink.at("/hook")
    assert verify_standard(SECRET, heard.headers, heard.body)
    assert is_signed(heard, ANOTHER_SECRET)


async def test_a_retry_has_the_same_bytes_although_everything_changed_meanwhile(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    await subscribe(process, tenant, f"{sink.url}/hook", "message.outbound")
    connection = await connect_sandbox(process, tenant)
    sink.will_answer("/hook", 500, 500)
    sent = await send_message(
        process.sending,
        tenant.actor,
        SendRequest(connection_id=connection.id, recipient="read.ada", text="x"),
    )
    await until(lambda: len(sink.at("/hook")) == 1)
    await database.execute(
        "update platform_users set name = 'Renamed' where application_id = $1", tenant.application_id
    )
    # the second attempt comes out of memory, the third from the queue under a new epoch
    await until(lambda: len(sink.at("/hook")) == 2)

    async def is_recorded() -> bool:
        attempts = "select attempts from delivery_queue where event_id = $1 and kind = 'webhook'"
        return await database.fetchval(attempts, sent.event_id) in {2, None}

    await until(is_recorded)
    await database.execute("update shards set epoch = epoch + 1")
    assert (await ended(database, sent.event_id))[0] == "succeeded"

    bodies = {one.body for one in sink.at("/hook")}
    assert len(sink.at("/hook")) >= 3
    assert len(bodies) == 1
    assert len({one.headers["webhook-id"] for one in sink.at("/hook")}) == 1
    assert [one.headers["x-outeract-attempt"] for one in sink.at("/hook")][:3] == ["1", "2", "3"]
    assert all(is_signed(one) for one in sink.at("/hook"))


# --- its answers


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_any_2xx_is_success(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database, status: int
) -> None:
    await subscribe(process, tenant, f"{sink.url}/hook", "*")
    sink.will_answer("/hook", status)
    event_id = await tell(process, tenant)
    assert await ended(database, event_id) == ("succeeded", None, 1)
    assert await attempts(database, event_id) == [(1, "succeeded", status, None)]


@pytest.mark.parametrize("status", [302, 400, 404, 500, 503])
async def test_everything_else_fails_and_is_tried_again_to_the_end_of_the_schedule(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database, status: int
) -> None:
    await subscribe(process, tenant, f"{sink.url}/hook", "*")
    sink.will_answer("/hook", *[status] * 4, Location=f"{sink.url}/elsewhere")
    event_id = await tell(process, tenant)
    assert await ended(database, event_id) == ("failed", "retries_exhausted", 4)
    tries = await attempts(database, event_id)
    assert [(number, result, code) for number, result, code, _ in tries] == [
        (n, "failed", status) for n in (1, 2, 3, 4)
    ]
    assert not sink.at("/elsewhere")


async def test_an_endpoint_that_is_not_there_fails(
    process: Runtime, tenant: Tenant, database: Database
) -> None:
    await subscribe(process, tenant, "http://127.0.0.1:9/hook", "*")
    event_id = await tell(process, tenant)
    assert (await ended(database, event_id))[:2] == ("failed", "retries_exhausted")
    (_, _, status, detail), *_ = await attempts(database, event_id)
    assert status is None
    assert str(detail).startswith("connect")


async def test_faults_of_our_own_database_use_up_no_attempt(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outrider.dispatch.dispatcher._NO_DATABASE_RETRY_SECONDS", 0.05)
    await subscribe(process, tenant, f"{sink.url}/hook", "*")
    sink.will_answer("/hook", 500)
    get, faults = process.directories.subscriptions.get, [Unavailable(), OSError()] * 5

    async def get_badly(*arguments: UUID) -> object:
        if faults:
            raise faults.pop()
        return await get(*arguments)

    monkeypatch.setattr(SubscriptionDirectory, "get", lambda _, *arguments: get_badly(*arguments))
    event_id = await tell(process, tenant)
    assert await ended(database, event_id) == ("succeeded", None, 2)
    assert [row[:2] for row in await attempts(database, event_id)] == [(1, "failed"), (2, "succeeded")]


async def test_a_bug_of_our_own_ends_with_the_schedule_and_is_not_held_against_the_endpoint(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription = await subscribe(process, tenant, f"{sink.url}/hook", "*")

    async def post_badly(*_: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(delivering.WebhookHandler, "_post", post_badly)
    event_id = await tell(process, tenant)
    assert await ended(database, event_id) == ("failed", "retries_exhausted", 4)
    assert {row[1:] for row in await attempts(database, event_id)} == {
        ("broken", None, "internal error (ZeroDivisionError)")
    }
    assert not await database.fetchval("select failing_since from subscriptions where id = $1", subscription)


async def test_a_secret_that_cannot_be_opened_puts_deliveries_off_until_it_can(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    subscription = await subscribe(process, tenant, f"{sink.url}/hook", "*")
    sealed = await database.fetchval("select sealed_secret from subscriptions where id = $1", subscription)
    change = "update subscriptions set sealed_secret = $2 where id = $1"
    await database.execute(change, subscription, sealed[:-1] + b"?")
    event_id = await tell(process, tenant)

    async def was_tried() -> bool:
        return bool(await database.fetchval("select count(*) from attempts where result = 'broken'"))

    await until(was_tried)
    assert not sink.heard
    await database.execute(change, subscription, sealed)
    process.directories.subscriptions.clear()
    assert (await ended(database, event_id))[0] == "succeeded"
    assert is_signed(sink.heard[0])


async def test_an_answer_that_cannot_be_stored_is_shown(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    answer = HttpAnswer(500, {}, b"bad \0 \xff \xed\xa0\x80 end", False, 1.0)
    assert delivering._detail(answer) == "bad \ufffd \ufffd \ufffd\ufffd\ufffd end"
    assert delivering._detail(HttpFailure(FailureKind.DNS, "x", False, 1.0)) == "dns: x"


async def test_410_disables_the_endpoint_and_says_so(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    gone = await subscribe(process, tenant, f"{sink.url}/gone", "ferry.*")
    await subscribe(process, tenant, f"{sink.url}/watch", "system.*")
    sink.will_answer("/gone", 410)
    event_id = await tell(process, tenant)
    assert await ended(database, event_id) == ("failed", "endpoint_disabled", 1)
    assert await status_of(database, gone) == ("disabled", "the endpoint answered 410")
    await until(lambda: bool(sink.at("/watch")))
    (heard,) = sink.at("/watch")
    body = orjson.loads(heard.body)
    assert body["event_type"] == "system.subscription.disabled"
    assert body["payload"] == {"subscription_id": str(gone), "reason": "the endpoint answered 410"}

    await tell(process, tenant)
    await asyncio.sleep(0.2)
    assert len(sink.at("/gone")) == 1


async def test_an_endpoint_that_only_failed_for_five_days_is_disabled(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    subscription = await subscribe(process, tenant, f"{sink.url}/hook", "*")
    sink.will_answer("/hook", *[500] * 30)
    event_id = await tell(process, tenant)

    async def is_failing() -> bool:
        return await database.fetchval(
            "select failing_since is not null from subscriptions where id = $1", subscription
        )

    await until(is_failing)
    await database.execute(
        "update subscriptions set failing_since = now() - interval '5 days 1 minute' where id = $1",
        subscription,
    )
    process.directories.subscriptions.clear()
    assert (await ended(database, event_id))[:2] == ("failed", "endpoint_disabled")
    assert (await status_of(database, subscription))[0] == "disabled"
    assert await database.fetchval(
        "select count(*) from events where application_id = $1 and event_type = 'system.subscription.disabled'",
        tenant.application_id,
    )


async def test_one_success_in_five_days_is_enough(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    subscription = await subscribe(process, tenant, f"{sink.url}/hook", "*")
    await database.execute(
        "update subscriptions set failing_since = now() - interval '6 days' where id = $1", subscription
    )
    assert (await ended(database, await tell(process, tenant)))[0] == "succeeded"
    process.directories.subscriptions.clear()
    sink.will_answer("/hook", 500)
    assert (await ended(database, await tell(process, tenant)))[0] == "succeeded"
    assert (await status_of(database, subscription))[0] == "active"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("is_date", [False, True])
async def test_retry_after_slows_the_whole_endpoint(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database, status: int, is_date: bool
) -> None:
    await subscribe(process, tenant, f"{sink.url}/hook", "*")
    asked = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True) if is_date else "1"
    sink.will_answer("/hook", status, Retry_After=asked)
    first = await tell(process, tenant)
    await until(lambda: len(sink.at("/hook")) == 1)
    await asyncio.sleep(0.05)
    second = await tell(process, tenant)
    await asyncio.sleep(0.6)
    assert len(sink.at("/hook")) == 1

    assert (await ended(database, first))[0] == "succeeded"
    assert (await ended(database, second))[0] == "succeeded"


@pytest.mark.parametrize(
    ("status", "asked", "pause"),
    [
        (429, "7", 7.0),
        (503, "100000000000000", 3600.0),
        (502, "0", 0.0),
        (504, "soon", None),
        (429, "", None),
        (429, "-1", None),
        (429, "Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        (500, "7", None),
    ],
)
def test_what_retry_after_means(status: int, asked: str, pause: float | None) -> None:
    assert delivering._pause_of(HttpAnswer(status, {"Retry-After": asked}, b"", False, 1.0)) == pause


def test_the_schedule_and_its_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    hour = 3600
    assert (
        5,
        300,
        1800,
        2 * hour,
        5 * hour,
        10 * hour,
        14 * hour,
        20 * hour,
        24 * hour,
    ) == delivering.RETRY_SECONDS
    for number, seconds in enumerate(delivering.RETRY_SECONDS):
        found = [delivering._retry_after(number).total_seconds() for _ in range(200)]
        assert seconds * 0.9 <= min(found) < max(found) <= seconds * 1.1
        assert max(found) - min(found) > seconds * 0.1


# --- targets that are gone


async def test_what_nobody_wants_any_more_is_dropped_with_its_reason(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    changes = {
        "subscription_paused": "update subscriptions set status = 'paused' where id = $1",
        "subscription_disabled": "update subscriptions set status = 'disabled' where id = $1",
        "subscription_deleted": "update subscriptions set status = 'deleted' where id = $1",
        "no_longer_matches": "update subscriptions set patterns = '{other.*}' where id = $1",
    }
    for reason, change in changes.items():
        subscription = await subscribe(process, tenant, f"{sink.url}/{reason}", "ferry.*")
        sink.will_answer(f"/{reason}", 500)
        event_id = await tell(process, tenant)
        await until(lambda reason=reason: len(sink.at(f"/{reason}")) == 1)
        await database.execute(change, subscription)
        process.directories.subscriptions.clear()
        assert await ended(database, event_id) == ("dropped", reason, 2)
        assert (await attempts(database, event_id))[1][1] == "dropped"
        await database.execute("delete from subscription_patterns where subscription_id = $1", subscription)
        assert len(sink.at(f"/{reason}")) == 1


async def test_pausing_and_resuming_leaves_out_exactly_what_lay_between(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    subscription = await subscribe(process, tenant, f"{sink.url}/hook", "*")
    heard = [await tell(process, tenant)]
    await ended(database, heard[0])
    await pause_subscription(process.tenancy, tenant.actor, subscription)
    await tell(process, tenant)
    await resume_subscription(process.tenancy, tenant.actor, subscription)
    heard.append(await tell(process, tenant))
    await ended(database, heard[1])
    assert [orjson.loads(one.body)["event_id"] for one in sink.at("/hook")] == [str(one) for one in heard]


async def test_a_mark_that_cannot_be_written_does_not_repeat_a_success(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription = await subscribe(process, tenant, f"{sink.url}/hook", "*")
    await database.execute("update subscriptions set failing_since = now() where id = $1", subscription)
    process.directories.subscriptions.clear()

    async def fail(*_: object, **__: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(delivering.queries, "set_failing", fail)
    assert await ended(database, await tell(process, tenant)) == ("succeeded", None, 1)
    assert len(sink.at("/hook")) == 1


async def test_a_slow_endpoint_does_not_delay_another(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    await subscribe(process, tenant, f"{sink.url}/slow", "slow.*")
    await subscribe(process, tenant, f"{sink.url}/quick", "quick.*")
    sink.seconds["/slow"] = 1.0
    await asyncio.gather(*(tell(process, tenant, "slow.one") for _ in range(80)))
    await until(lambda: len(sink.at("/slow")) > 30)
    begun = time.monotonic()
    await asyncio.gather(*(tell(process, tenant, "quick.one") for _ in range(20)))
    await until(lambda: len(sink.at("/quick")) == 20)
    assert time.monotonic() - begun < 0.8
    await until(lambda: len(sink.at("/slow")) == 80)


async def test_nothing_of_this_is_broken(own_dsn: str, process: Runtime) -> None:
    del process
    assert await verify(own_dsn) == {}
