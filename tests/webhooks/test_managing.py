"""Subscriptions changed and tried out while events flow, and deliveries that are tried again."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from outrider.core.errors import Forbidden, NotFound, ValidationError
from outrider.events.creating import NewCustomEvent, create_event
from outrider.runtime.parts import Runtime
from outrider.runtime.verifying import verify
from outrider.webhooks import delivering
from outrider.webhooks.deliveries import (
    DeliveryFilter,
    DeliveryView,
    get_delivery,
    list_attempts,
    list_deliveries,
)
from outrider.webhooks.errors import NotRetryable
from outrider.webhooks.managing import (
    SubscriptionChanges,
    delete_subscription,
    get_subscription,
    list_subscriptions,
    retry_delivery,
    send_test_event,
    update_subscription,
)
from outrider.webhooks.patterns import TEST
from outrider.webhooks.signing import verify_outeract, verify_standard
from outrider.webhooks.subscriptions import pause_subscription, resume_subscription
from tests.running import SECRET, Sink, listening, new_database, running, subscribe, until
from tests.tenants import Tenant, actor_of, new_tenant

Database = asyncpg.Connection


@pytest.fixture(scope="module")
async def own_dsn(dsn: str) -> AsyncGenerator[str]:
    async with new_database(dsn, "webhook_managing") as own:
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
    monkeypatch.setattr(delivering, "RETRY_SECONDS", (0.1,))


async def tell(process: Runtime, tenant: Tenant, event_type: str = "ferry.sailed") -> UUID:
    return await create_event(
        process.creating, tenant.actor, NewCustomEvent(event_type=event_type, payload={"n": 1})
    )


async def deliveries(process: Runtime, tenant: Tenant, **wanted: Any) -> list[DeliveryView]:
    return list(await list_deliveries(process.tenancy, tenant.actor, DeliveryFilter(**wanted), limit=200))


async def ended(process: Runtime, tenant: Tenant, event_id: UUID, state: str) -> DeliveryView:
    """The one delivery of an event, once it stands so."""

    async def is_so() -> bool:
        return [one.state for one in await deliveries(process, tenant, event_id=event_id)] == [state]

    await until(is_so)
    return (await deliveries(process, tenant, event_id=event_id))[0]


async def failed_delivery(process: Runtime, tenant: Tenant, sink: Sink) -> tuple[UUID, DeliveryView]:
    """A subscription, and a delivery to it that has failed after two attempts."""
    subscription = await subscribe(process, tenant, f"{sink.url}/hook", "ferry.*")
    sink.will_answer("/hook", 500, 503)
    event_id = await tell(process, tenant)
    return subscription, await ended(process, tenant, event_id, "failed")


async def audited(database: Database, tenant: Tenant) -> list[str]:
    rows = await database.fetch(
        "select event_type from events where application_id = $1 order by position",
        tenant.hidden_application_id,
    )
    return [row["event_type"] for row in rows]


# --- subscriptions


async def test_a_subscription_is_shown_without_its_secret(
    process: Runtime, tenant: Tenant, sink: Sink
) -> None:
    subscription = await subscribe(process, tenant, f"{sink.url}/hook", "ferry.*", "message.status")

    shown = await get_subscription(process.tenancy, tenant.actor, subscription)

    assert (shown.id, shown.name, shown.target_url) == (subscription, "sub", f"{sink.url}/hook")
    assert shown.patterns == ("ferry.*", "message.status")
    assert (shown.status, shown.status_reason, shown.failing_since) == ("active", None, None)
    assert SECRET not in repr(shown)


async def test_subscriptions_are_listed_newest_first_and_by_the_page(
    process: Runtime, tenant: Tenant
) -> None:
    made = [await subscribe(process, tenant, "http://127.0.0.1:9/", f"a.b{n}") for n in range(5)]
    await subscribe(process, await new_tenant(process.tenancy), "http://127.0.0.1:9/", "*")
    await delete_subscription(process.tenancy, tenant.actor, made[3])

    first = await list_subscriptions(process.tenancy, tenant.actor, limit=2)
    rest = await list_subscriptions(process.tenancy, tenant.actor, before=first[-1].id)

    assert [one.id for one in (*first, *rest)] == [made[4], made[2], made[1], made[0]]


async def test_a_changed_subscription_gets_what_it_wants_from_then_on_at_its_new_place(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    subscription = await subscribe(process, tenant, f"{sink.url}/old", "ferry.*")
    await ended(process, tenant, await tell(process, tenant, "ferry.sailed"), "succeeded")

    shown = await update_subscription(
        process.tenancy,
        tenant.actor,
        subscription,
        SubscriptionChanges(name="Buses", target_url=f"{sink.url}/new", patterns=["bus.*", "bus.*"]),
    )
    ferry, bus = await tell(process, tenant, "ferry.sank"), await tell(process, tenant, "bus.left")
    await ended(process, tenant, bus, "succeeded")

    assert (shown.name, shown.target_url, shown.patterns) == ("Buses", f"{sink.url}/new", ("bus.*",))
    assert await deliveries(process, tenant, event_id=ferry) == []
    assert [len(sink.at(path)) for path in ("/old", "/new")] == [1, 1]
    assert (await audited(database, tenant))[-1] == "system.subscription.updated"


async def test_what_waits_goes_to_the_target_as_it_is_then(
    process: Runtime, tenant: Tenant, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "RETRY_SECONDS", (1.0,))
    subscription = await subscribe(process, tenant, f"{sink.url}/old", "ferry.*")
    sink.will_answer("/old", 500)
    event_id = await tell(process, tenant)
    await ended(process, tenant, event_id, "retrying")

    await update_subscription(
        process.tenancy, tenant.actor, subscription, SubscriptionChanges(target_url=f"{sink.url}/new")
    )
    await ended(process, tenant, event_id, "succeeded")

    assert [len(sink.at(path)) for path in ("/old", "/new")] == [1, 1]


async def test_a_paused_subscription_is_changed_and_stays_paused(
    process: Runtime, tenant: Tenant, sink: Sink
) -> None:
    subscription = await subscribe(process, tenant, f"{sink.url}/hook", "ferry.*")
    await pause_subscription(process.tenancy, tenant.actor, subscription)

    changes = SubscriptionChanges(patterns=["bus.*"])
    shown = await update_subscription(process.tenancy, tenant.actor, subscription, changes)
    meanwhile = await tell(process, tenant, "bus.left")
    await resume_subscription(process.tenancy, tenant.actor, subscription)
    later = await tell(process, tenant, "bus.left")

    assert shown.status == "paused"
    await ended(process, tenant, later, "succeeded")
    assert await deliveries(process, tenant, event_id=meanwhile) == []


async def test_an_update_waits_for_an_append_under_way_and_begins_after_it(
    process: Runtime, tenant: Tenant, database: Database
) -> None:
    subscription = await subscribe(process, tenant, "http://127.0.0.1:9/", "ferry.*")
    async with database.transaction():
        await database.execute("select pg_advisory_xact_lock(7305002)")
        changing = asyncio.create_task(
            update_subscription(
                process.tenancy, tenant.actor, subscription, SubscriptionChanges(patterns=["bus.*"])
            )
        )
        await asyncio.sleep(0.3)
        assert not changing.done()
        position = await database.fetchval("select nextval('event_position')")

    await changing
    stored = "select from_position from subscriptions where id = $1"
    assert await database.fetchval(stored, subscription) == position


@pytest.mark.parametrize("is_wanted_after", [False, True])
async def test_an_event_that_is_yet_to_be_spread_goes_by_what_was_wanted_before(
    dsn: str, tmp_path: Path, sink: Sink, *, is_wanted_after: bool
) -> None:
    async with new_database(dsn, "webhook_spreading") as own, running(own, tmp_path, role="api") as process:
        tenant = await new_tenant(process.tenancy)
        made = [await subscribe(process, tenant, f"{sink.url}/{n}", "ferry.*") for n in range(18)]
        event_id = await tell(process, tenant, "ferry.sailed")
        assert await deliveries(process, tenant) == []

        patterns = ["ferry.*", "bus.*"] if is_wanted_after else ["bus.*"]
        await update_subscription(
            process.tenancy, tenant.actor, made[9], SubscriptionChanges(patterns=patterns)
        )
        async with running(own, tmp_path, role="worker"):

            async def are_over() -> bool:
                found = await deliveries(process, tenant, event_id=event_id)
                return len(found) == 18 and all(one.finished_at is not None for one in found)

            await until(are_over)
        (own_one,) = await deliveries(process, tenant, event_id=event_id, subscription_id=made[9])

    # what it does not want any more when its turn comes is dropped, and says so
    expected = ("succeeded", None) if is_wanted_after else ("dropped", "no_longer_matches")
    assert (own_one.state, own_one.reason) == expected


async def test_a_deleted_subscription_gets_nothing_more_and_keeps_its_history(
    process: Runtime, tenant: Tenant, sink: Sink
) -> None:
    subscription = await subscribe(process, tenant, f"{sink.url}/hook", "ferry.*")
    before = await tell(process, tenant)
    await ended(process, tenant, before, "succeeded")
    await pause_subscription(process.tenancy, tenant.actor, subscription)

    await delete_subscription(process.tenancy, tenant.actor, subscription)
    after = await tell(process, tenant)

    assert await deliveries(process, tenant, event_id=after) == []
    assert len(await deliveries(process, tenant, subscription_id=subscription)) == 1
    for gone in (
        get_subscription(process.tenancy, tenant.actor, subscription),
        update_subscription(process.tenancy, tenant.actor, subscription, SubscriptionChanges(name="x")),
        delete_subscription(process.tenancy, tenant.actor, subscription),
        resume_subscription(process.tenancy, tenant.actor, subscription),
        send_test_event(process.tenancy, tenant.actor, subscription),
    ):
        with pytest.raises(NotFound):
            await gone


async def test_deleting_drops_what_waits(
    process: Runtime, tenant: Tenant, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "RETRY_SECONDS", (1.0,))
    subscription = await subscribe(process, tenant, f"{sink.url}/hook", "ferry.*")
    sink.will_answer("/hook", 500)
    event_id = await tell(process, tenant)
    await ended(process, tenant, event_id, "retrying")

    await delete_subscription(process.tenancy, tenant.actor, subscription)

    found = await ended(process, tenant, event_id, "dropped")
    assert (found.reason, len(sink.at("/hook"))) == ("subscription_deleted", 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "name must have"),
        ({"target_url": "ftp://hooks.example.com"}, "targetUrl"),
        ({"patterns": []}, "1 to 100 patterns"),
        ({"patterns": ["a.*.b"]}, "is not an event pattern"),
    ],
)
async def test_a_bad_change_is_refused_whole(
    process: Runtime, tenant: Tenant, changes: dict[str, Any], words: str
) -> None:
    subscription = await subscribe(process, tenant, "http://127.0.0.1:9/", "ferry.*")
    before = await get_subscription(process.tenancy, tenant.actor, subscription)

    with pytest.raises(ValidationError, match=words):
        await update_subscription(
            process.tenancy,
            tenant.actor,
            subscription,
            SubscriptionChanges(**{"name": "Other", **changes}),
        )

    assert await get_subscription(process.tenancy, tenant.actor, subscription) == before


# --- the test event


async def test_a_test_event_goes_to_one_subscription_alone_signed_as_any(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    subscription = await subscribe(process, tenant, f"{sink.url}/hook", "ferry.*")
    for number, patterns in enumerate(["*"], 1):
        await subscribe(process, tenant, f"{sink.url}/other{number}", patterns, "system.*", TEST)

    sent = await send_test_event(process.tenancy, tenant.actor, subscription)
    found = await ended(process, tenant, sent.event_id, "succeeded")

    assert (found.id, found.attempts) == (sent.delivery_id, 1)
    (heard,) = sink.heard
    assert heard.path == "/hook"
    assert verify_standard(SECRET, heard.headers, heard.body)
    assert verify_outeract(SECRET, heard.headers, heard.body)
    assert heard.headers["webhook-id"] == str(sent.delivery_id)
    body = orjson.loads(heard.body)
    assert (body["event_type"], body["event_id"]) == (TEST, str(sent.event_id))
    assert body["payload"] == {
        "subscription_id": str(subscription),
        "name": "sub",
        "message": "This is a test.",
    }
    stored = await database.fetchrow(
        "select application_id, event_type, payload::text from events where id = $1", sent.event_id
    )
    assert stored is not None
    assert (stored["application_id"], stored["event_type"]) == (tenant.application_id, TEST)
    assert orjson.loads(stored["payload"]) == body["payload"]


async def test_a_test_event_that_fails_is_retried_as_any(
    process: Runtime, tenant: Tenant, sink: Sink
) -> None:
    subscription = await subscribe(process, tenant, f"{sink.url}/hook", "ferry.*")
    sink.will_answer("/hook", 500)

    sent = await send_test_event(process.tenancy, tenant.actor, subscription)

    assert (await ended(process, tenant, sent.event_id, "succeeded")).attempts == 2
    assert len({heard.body for heard in sink.heard}) == 1


async def test_a_subscription_that_is_not_active_gets_no_test(process: Runtime, tenant: Tenant) -> None:
    subscription = await subscribe(process, tenant, "http://127.0.0.1:9/", "ferry.*")
    await pause_subscription(process.tenancy, tenant.actor, subscription)

    with pytest.raises(ValidationError, match="paused gets no events"):
        await send_test_event(process.tenancy, tenant.actor, subscription)


# --- deliveries


async def test_a_failed_delivery_goes_again_under_its_id_with_the_same_body(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database, own_dsn: str
) -> None:
    subscription, failed = await failed_delivery(process, tenant, sink)
    assert (failed.reason, failed.attempts) == ("retries_exhausted", 2)

    await retry_delivery(process.tenancy, tenant.actor, failed.id)
    found = await ended(process, tenant, failed.event_id, "succeeded")

    assert (found.id, found.subscription_id, found.attempts) == (failed.id, subscription, 3)
    heard = sink.at("/hook")
    assert {one.headers["webhook-id"] for one in heard} == {str(failed.id)}
    assert [one.headers["x-outeract-attempt"] for one in heard] == ["1", "2", "3"]
    assert len({one.body for one in heard}) == 1
    tries = await list_attempts(process.tenancy, tenant.actor, failed.id)
    assert [(one.number, one.result, one.status_code) for one in tries] == [
        (1, "failed", 500),
        (2, "failed", 503),
        (3, "succeeded", 200),
    ]
    former = await database.fetchrow(
        "select attempts, state, reason, finished_at from reopened_deliveries where id = $1", failed.id
    )
    assert former is not None
    assert tuple(former) == (2, "failed", "retries_exhausted", failed.finished_at)
    assert (await audited(database, tenant))[-1] == "system.delivery.retried"
    assert await verify(own_dsn) == {}


async def test_a_retry_that_fails_can_be_retried_again(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    _, failed = await failed_delivery(process, tenant, sink)
    sink.will_answer("/hook", 500, 500)
    for attempts in (3, 4, 5):
        await retry_delivery(process.tenancy, tenant.actor, failed.id)
        state = "succeeded" if attempts == 5 else "failed"

        async def is_so(attempts: int = attempts, state: str = state) -> bool:
            (one,) = await deliveries(process, tenant, event_id=failed.event_id)
            return (one.state, one.attempts) == (state, attempts)

        await until(is_so)

    kept = "select attempts from reopened_deliveries where id = $1 order by attempts"
    assert [row["attempts"] for row in await database.fetch(kept, failed.id)] == [2, 3, 4]


async def test_a_dropped_delivery_is_delivered_after_all(
    process: Runtime, tenant: Tenant, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "RETRY_SECONDS", (0.5,))
    subscription = await subscribe(process, tenant, f"{sink.url}/hook", "ferry.*")
    sink.will_answer("/hook", 500)
    event_id = await tell(process, tenant)
    await ended(process, tenant, event_id, "retrying")
    await pause_subscription(process.tenancy, tenant.actor, subscription)
    dropped = await ended(process, tenant, event_id, "dropped")
    assert dropped.reason == "subscription_paused"
    await resume_subscription(process.tenancy, tenant.actor, subscription)

    await retry_delivery(process.tenancy, tenant.actor, dropped.id)

    assert (await ended(process, tenant, event_id, "succeeded")).id == dropped.id


async def test_many_retries_at_once_are_one(
    process: Runtime, tenant: Tenant, sink: Sink, own_dsn: str
) -> None:
    _, failed = await failed_delivery(process, tenant, sink)
    sink.seconds["/hook"] = 0.3

    answers = await asyncio.gather(
        *(retry_delivery(process.tenancy, tenant.actor, failed.id) for _ in range(8)), return_exceptions=True
    )

    assert sum(answer is None for answer in answers) == 1
    refused = [answer for answer in answers if answer is not None]
    assert all(isinstance(answer, NotRetryable) for answer in refused)
    await ended(process, tenant, failed.event_id, "succeeded")
    assert len(sink.at("/hook")) == 3
    assert await verify(own_dsn) == {}


async def test_what_has_succeeded_or_waits_cannot_be_retried(
    process: Runtime, tenant: Tenant, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "RETRY_SECONDS", (1.0,))
    await subscribe(process, tenant, f"{sink.url}/hook", "ferry.*")
    event_id = await tell(process, tenant)
    succeeded = await ended(process, tenant, event_id, "succeeded")
    sink.will_answer("/hook", 500)
    waiting = await ended(process, tenant, await tell(process, tenant), "retrying")

    for delivery, state in ((succeeded, "succeeded"), (waiting, "pending")):
        with pytest.raises(NotRetryable) as refused:
            await retry_delivery(process.tenancy, tenant.actor, delivery.id)
        assert dict(refused.value.details) == {"state": state}


async def test_a_delivery_whose_body_is_gone_cannot_be_retried(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    _, failed = await failed_delivery(process, tenant, sink)
    await database.execute("delete from frozen_bodies where event_id = $1", failed.event_id)

    with pytest.raises(NotRetryable, match="kept no longer"):
        await retry_delivery(process.tenancy, tenant.actor, failed.id)
    assert (await get_delivery(process.tenancy, tenant.actor, failed.id)).state == "failed"


async def test_deliveries_are_listed_by_what_is_asked_for(
    process: Runtime, tenant: Tenant, sink: Sink
) -> None:
    one = await subscribe(process, tenant, f"{sink.url}/one", "ferry.*")
    two = await subscribe(process, tenant, f"{sink.url}/two", "ferry.*", "bus.*")
    events = [await tell(process, tenant, name) for name in ("ferry.a", "ferry.b", "bus.a")]

    async def are_over() -> bool:
        return len(await deliveries(process, tenant, state="succeeded")) == 5

    await until(are_over)
    everything = await deliveries(process, tenant)

    assert [found.id for found in everything] == sorted((found.id for found in everything), reverse=True)
    assert {found.subscription_id for found in await deliveries(process, tenant, subscription_id=one)} == {
        one
    }
    assert len(await deliveries(process, tenant, subscription_id=two)) == 3
    assert len(await deliveries(process, tenant, event_id=events[0])) == 2
    assert await deliveries(process, tenant, event_id=events[2], subscription_id=one) == []
    assert await deliveries(process, tenant, state="failed") == []
    assert await deliveries(process, tenant, state="retrying") == []
    pages: list[UUID] = []
    before: UUID | None = None
    while page := await list_deliveries(
        process.tenancy, tenant.actor, DeliveryFilter(), limit=2, before=before
    ):
        pages += [found.id for found in page]
        before = pages[-1]
    assert pages == [found.id for found in everything]
    with pytest.raises(ValidationError, match="state must be one of"):
        await deliveries(process, tenant, state="lost")


async def test_another_tenants_ids_answer_as_missing_ones(
    process: Runtime, tenant: Tenant, sink: Sink
) -> None:
    other = await new_tenant(process.tenancy)
    subscription, failed = await failed_delivery(process, other, sink)

    said: list[list[object]] = []
    missing = process.tenancy.ids.new()
    for one, delivery in ((subscription, failed.id), (missing, missing)):
        answers: list[object] = []
        for asked in (
            get_subscription(process.tenancy, tenant.actor, one),
            update_subscription(process.tenancy, tenant.actor, one, SubscriptionChanges(patterns=["*"])),
            delete_subscription(process.tenancy, tenant.actor, one),
            send_test_event(process.tenancy, tenant.actor, one),
            retry_delivery(process.tenancy, tenant.actor, delivery),
            get_delivery(process.tenancy, tenant.actor, delivery),
            list_attempts(process.tenancy, tenant.actor, delivery),
        ):
            with pytest.raises(NotFound) as refused:
                await asked
            assert refused.value.details["resource_id"] in {str(one), str(delivery)}
            answers.append((refused.value.message, refused.value.details["resource_type"]))
        said.append(answers)
    assert said[0] == said[1]
    assert await deliveries(process, tenant, subscription_id=subscription) == []
    assert (await get_delivery(process.tenancy, other.actor, failed.id)).state == "failed"
    assert (await get_subscription(process.tenancy, other.actor, subscription)).patterns == ("ferry.*",)


async def test_scopes_part_looking_from_changing(process: Runtime, tenant: Tenant, sink: Sink) -> None:
    subscription, failed = await failed_delivery(process, tenant, sink)
    reader, writer = (
        actor_of(process.tenancy, tenant.organisation_id, tenant.application_id, scopes=frozenset({scope}))
        for scope in ("events:read", "events:write")
    )

    assert (await get_subscription(process.tenancy, reader, subscription)).id == subscription
    assert len(await list_attempts(process.tenancy, reader, failed.id)) == 2
    for refused in (
        get_subscription(process.tenancy, writer, subscription),
        list_subscriptions(process.tenancy, writer),
        list_deliveries(process.tenancy, writer, DeliveryFilter()),
        list_attempts(process.tenancy, writer, failed.id),
        update_subscription(process.tenancy, reader, subscription, SubscriptionChanges(name="x")),
        delete_subscription(process.tenancy, reader, subscription),
        send_test_event(process.tenancy, reader, subscription),
        retry_delivery(process.tenancy, reader, failed.id),
    ):
        with pytest.raises(Forbidden):
            await refused
