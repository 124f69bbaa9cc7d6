"""The append against what breaks batches: keys that stand twice, orders that cross, connections that die."""

import asyncio
import random
from collections.abc import AsyncGenerator
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from outrider.core.errors import Unavailable
from outrider.events.appending import Appender, AppendLimits, PoisonedItem
from outrider.events.values import Append, MessageState, NewEvent, NewIdentity, OnceKey, Target, Verdict
from outrider.runtime.verifying import verify
from tests.events.appends import (
    IDS,
    NOON,
    Around,
    appending,
    new_event,
    new_message,
    receipt,
    sent,
)
from tests.running import Proxy, proxied, until


@pytest.fixture(scope="module")
async def database(dsn: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def appender(dsn: str) -> AsyncGenerator[Appender]:
    async with appending(dsn) as found:
        yield found


@pytest.fixture
def application() -> UUID:
    return uuid4()


async def stored(database: "asyncpg.Connection[asyncpg.Record]", application: UUID) -> list[UUID]:
    """The application's events in the order of their positions."""
    return [
        row["id"]
        for row in await database.fetch(
            "select id from events where application_id = $1 order by position", application
        )
    ]


async def together(appender: Appender, *items: Append) -> list[Verdict | BaseException]:
    """Append at once: all that come in one turn of the loop are one batch."""
    answers = await asyncio.gather(*(appender.append(item) for item in items), return_exceptions=True)
    return [answer if isinstance(answer, BaseException) else answer.verdict for answer in answers]


# --- keys that stand twice


async def test_one_key_twice_in_a_batch_is_a_duplicate_or_a_conflict(
    appender: Appender, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    first = new_event(application, key="k", body=b"one")
    items = [
        first,
        new_event(application, key="k", body=b"one"),
        new_event(application, key="k", body=b"two"),
    ]

    answers = await asyncio.gather(*(appender.append(item) for item in items))

    assert [answer.verdict for answer in answers] == [
        Verdict.APPENDED,
        Verdict.DUPLICATE,
        Verdict.KEY_CONFLICT,
    ]
    assert [answer.stored_id for answer in answers[1:]] == [first.event_id] * 2
    assert await stored(database, application) == [first.event_id]


async def test_one_key_in_two_processes_at_once_is_stored_once(
    dsn: str, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with appending(dsn) as one, appending(dsn) as other:
        for turn in range(20):
            items = [new_event(application, key=f"k{turn}") for _ in range(6)]
            answers = await asyncio.gather(
                *((one if number % 2 else other).append(item) for number, item in enumerate(items))
            )
            assert (
                sorted(answer.verdict for answer in answers) == [Verdict.APPENDED] + [Verdict.DUPLICATE] * 5
            )
            (winner,) = [
                i.event_id for i, a in zip(items, answers, strict=True) if a.verdict == Verdict.APPENDED
            ]
            assert {answer.stored_id for answer in answers} - {None} == {winner}

    assert len(await stored(database, application)) == 20


async def test_a_repeat_during_the_first_waits_for_its_commit(
    dsn: str, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with appending(dsn) as one, appending(dsn) as other:
        async with database.transaction():
            await database.execute("select pg_advisory_xact_lock(7305002)")
            first = asyncio.create_task(one.append(new_event(application, key="slow")))
            await asyncio.sleep(0.1)
            repeat = asyncio.create_task(other.append(new_event(application, key="slow")))
            await asyncio.sleep(0.1)
            assert not repeat.done()
        assert (await first).verdict == Verdict.APPENDED
        assert (await repeat).verdict == Verdict.DUPLICATE


async def test_a_key_is_free_again_after_its_hours(
    appender: Appender, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await appender.append(new_event(application, key="day", body=b"old"))
    await database.execute(
        "update once_keys set expires_at = now() - interval '1 second' where application_id = $1", application
    )

    again = new_event(application, key="day", body=b"new")
    repeat = new_event(application, key="day", body=b"new")

    assert await together(appender, again, repeat) == [Verdict.APPENDED, Verdict.DUPLICATE]
    assert len(await stored(database, application)) == 2


async def test_keys_of_two_applications_do_not_meet(appender: Appender) -> None:
    items = [new_event(uuid4(), key="same"), new_event(uuid4(), key="same", body=b"other")]

    assert await together(appender, *items) == [Verdict.APPENDED] * 2


async def test_orders_that_cross_in_two_processes_do_not_deadlock(dsn: str, application: UUID) -> None:
    connection = uuid4()
    people = [uuid4() for _ in range(12)]

    def item(number: int, turn: int) -> Append:
        event_id = IDS.new()
        person = NewIdentity(
            people[number], people[-number - 1], connection, f"p{number}", None, None, False, NOON
        )
        return Append(
            application_id=application,
            event_id=event_id,
            events=(NewEvent(application, event_id, f"type.n{number}", "{}"),),
            once_key=OnceKey("scope", f"{turn} {number}", b"", 1),
            identities=(person,),
        )

    async with appending(dsn) as one, appending(dsn) as other:
        for turn in range(40):
            one._known_identities.clear()
            other._known_identities.clear()
            one._known_types.clear()
            forwards = [one.append(item(number, turn)) for number in range(12)]
            backwards = [other.append(item(number, turn)) for number in reversed(range(12))]
            answers = await asyncio.gather(*forwards, *backwards)
            assert sum(answer.verdict == Verdict.APPENDED for answer in answers) == 12
        # a deadlock is healed by a replay on a new connection: there was none
        assert one._connection is not None
        assert one._connection.get_server_pid() in await _pids(dsn)


async def _pids(dsn: str) -> list[int]:
    connection = await asyncpg.connect(dsn)
    try:
        return [row["pid"] for row in await connection.fetch("select pid from pg_stat_activity")]
    finally:
        await connection.close()


# --- receipts


async def state_of(database: "asyncpg.Connection[asyncpg.Record]", message: Append) -> asyncpg.Record:
    row = await database.fetchrow("select * from messages where id = $1", message.event_id)
    assert row is not None
    return row


async def test_two_receipts_of_one_message_in_a_batch_both_count(
    appender: Appender, application: UUID, database: "asyncpg.Connection[asyncpg.Record]", dsn: str
) -> None:
    message = new_message(application, uuid4())
    await appender.append(message)
    await appender.append(sent(message, "x1"))

    late, early = NOON + timedelta(minutes=9), NOON + timedelta(minutes=5)
    await together(
        appender,
        receipt(message, "x1", MessageState.READ, late, "r1"),
        receipt(message, "x1", MessageState.DELIVERED, late, "r2"),
        receipt(message, "x1", MessageState.DELIVERED, early, "r3"),
        receipt(message, "x1", MessageState.DELIVERED, late, "r2"),
    )

    row = await state_of(database, message)
    assert (row["state"], row["delivered_at"], row["read_at"], row["sent_at"]) == (4, early, late, NOON)
    assert len(await stored(database, application)) == 5


@pytest.mark.parametrize("way", ["same batch", "separate batches", "two processes"])
async def test_a_receipt_before_the_record_of_the_send_is_not_lost(
    way: str, dsn: str, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with appending(dsn) as one, appending(dsn) as other:
        for turn in range(15 if way == "two processes" else 3):
            message = new_message(application, uuid4())
            await one.append(message)
            early = receipt(message, f"x{turn}", MessageState.DELIVERED, NOON, f"d{turn}")
            record = sent(message, f"x{turn}", NOON)
            if way == "same batch":
                await together(one, early, record)
            elif way == "separate batches":
                await one.append(early)
                assert (await state_of(database, message))["state"] == 0
                await one.append(record)
            else:
                await asyncio.gather(one.append(early), other.append(record))
            row = await state_of(database, message)
            assert (row["state"], row["external_id"]) == (3, f"x{turn}")
            children = await database.fetch(
                "select event_type, position from events where application_id = $1 and origin_event_id = $2",
                application,
                message.event_id,
            )
            assert {child["event_type"] for child in children} == {"message.sent", "message.delivered"}
    assert (
        await database.fetchval("select count(*) from parked_receipts where application_id = $1", application)
        == 0
    )


async def test_a_repeated_receipt_that_waits_is_kept_once(
    appender: Appender, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    message = new_message(application, uuid4())
    await appender.append(message)
    for _ in range(2):
        await together(appender, *[receipt(message, "x", MessageState.READ, NOON, "same") for _ in range(2)])
    await appender.append(sent(message, "x"))

    assert (await state_of(database, message))["state"] == 4
    assert len(await stored(database, application)) == 3


# --- targets


async def test_foreign_targets_are_missing_and_write_nothing(
    appender: Appender, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    theirs = new_event(uuid4())
    await appender.append(theirs)
    wanted = [
        Target("event", theirs.event_id),
        Target("user", uuid4()),
        Target("file", uuid4()),
        Target("other", uuid4()),
    ]

    for target in wanted:
        refused = new_event(application, key="k", targets=[target], event_type="never.was")
        answer = await appender.append(refused)
        assert (answer.verdict, answer.stored_id) == (Verdict.TARGET_MISSING, target.id)

    assert await stored(database, application) == []
    for table in ("once_keys", "event_types"):
        assert (
            await database.fetchval(f"select count(*) from {table} where application_id = $1", application)
            == 0
        )


async def test_what_another_application_has_is_missing_too(appender: Appender, application: UUID) -> None:
    elsewhere, person, user = uuid4(), uuid4(), uuid4()
    theirs = new_event(elsewhere)
    identity = NewIdentity(person, user, uuid4(), "ada", None, None, False, NOON)
    await appender.append(
        Append(
            application_id=elsewhere,
            event_id=theirs.event_id,
            events=theirs.events,
            identities=(identity,),
        )
    )

    for target in (Target("event", theirs.event_id), Target("user", user), Target("platform_user", person)):
        refused = await appender.append(new_event(application, targets=[target]))
        taken = await appender.append(new_event(elsewhere, targets=[target]))
        assert (refused.verdict, refused.stored_id) == (Verdict.TARGET_MISSING, target.id)
        assert taken.verdict == Verdict.APPENDED


async def test_a_refused_item_does_not_hide_its_type_from_the_next(
    appender: Appender, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await appender.append(new_event(application, targets=[Target("user", uuid4())]))
    await appender.append(new_event(application))

    names = await database.fetch("select name from event_types where application_id = $1", application)
    assert [row["name"] for row in names] == ["ferry.sailed"]


# --- people


async def test_a_name_that_is_learnt_later_is_kept(
    dsn: str, appender: Appender, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    person, user, connection = uuid4(), uuid4(), uuid4()

    async def tell(name: str | None, picture: str | None = None) -> None:
        event = new_event(application)
        identity = NewIdentity(person, user, connection, "ada", name, picture, False, NOON)
        await appender.append(
            Append(
                application_id=application,
                event_id=event.event_id,
                events=event.events,
                identities=(identity,),
            )
        )

    async def known() -> tuple[object, ...]:
        row = await database.fetchrow(
            """select p.name, p.profile_picture_url, u.name from platform_users p
            join users u on u.application_id = p.application_id and u.id = p.user_id where p.id = $1""",
            person,
        )
        assert row is not None
        return tuple(row)

    await tell(None)
    assert await known() == (None, None, None)
    await tell("Ada")
    assert await known() == ("Ada", None, "Ada")
    await tell(None, "https://pictures.test/ada")
    assert await known() == ("Ada", "https://pictures.test/ada", "Ada")
    await tell("Countess")
    assert await known() == ("Countess", "https://pictures.test/ada", "Ada")


# --- data that the database refuses


async def test_a_poisoned_item_among_two_hundred_fails_alone(
    appender: Appender, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    bad = ["{not json", '{"a": "\ud800"}', "\0"]
    items = [new_event(application) for _ in range(200)]
    for number, payload in zip((0, 117, 199), bad, strict=True):
        items[number] = new_event(application, payload=payload, key=f"poisoned {number}")

    answers = await together(appender, *items)

    refused = [number for number, answer in enumerate(answers) if answer != Verdict.APPENDED]
    assert refused == [0, 117, 199]
    for number in refused:
        error = answers[number]
        assert isinstance(error, PoisonedItem)
        assert error.code == "INTERNAL_ERROR"
        assert "json" not in error.message
        assert "surrogate" not in error.message
    kept = [item.event_id for number, item in enumerate(items) if number not in refused]
    assert await stored(database, application) == kept
    assert (
        await database.fetchval("select count(*) from once_keys where application_id = $1", application) == 0
    )


async def test_several_items_of_one_caller_end_each_for_itself(
    appender: Appender, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    first = new_event(application, key="k")
    items = [first, new_event(application, payload="{"), new_event(application, key="k")]
    appended, poisoned, repeated = await appender.append_all(items)

    assert isinstance(poisoned, PoisonedItem)
    assert not isinstance(appended, Exception)
    assert not isinstance(repeated, Exception)
    assert (appended.verdict, repeated.verdict) == (Verdict.APPENDED, Verdict.DUPLICATE)
    assert await stored(database, application) == [first.event_id]


async def test_what_hears_of_a_commit_cannot_break_the_appender(dsn: str, application: UUID) -> None:
    around = Around()
    around.flushed = _Raises()  # type: ignore[assignment]
    async with appending(dsn, around=around) as appender:
        for _ in range(2):
            assert (await appender.append(new_event(application))).verdict == Verdict.APPENDED


class _Raises:
    def append(self, _: object) -> None:
        raise ValueError("a listener's bug")


# --- connections that die


@pytest.fixture
async def proxy(dsn: str) -> AsyncGenerator[Proxy]:
    async with proxied(dsn) as found:
        yield found


async def test_an_answer_lost_after_the_commit_is_replayed_to_one_copy(
    proxy: Proxy, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with appending(proxy.dsn) as appender:
        await appender.append(new_event(application))
        for turn in range(10):
            message = new_message(application, uuid4())
            items = [new_event(application), new_event(application, key=f"k{turn}"), message]
            proxy.loses_answer = True
            assert await together(appender, *items) == [Verdict.APPENDED] * 3
            proxy.loses_answer = True
            record = sent(message, f"lost {turn}")
            assert (await appender.append(record)).verdict == Verdict.APPENDED
            repeat = new_event(application, key=f"k{turn}")
            assert (await appender.append(repeat)).stored_id == items[1].event_id

    assert proxy.lost == 20
    assert len(await stored(database, application)) == 41


async def test_a_call_that_still_runs_when_it_is_replayed_does_not_poison_its_items(
    proxy: Proxy, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with appending(proxy.dsn) as appender:
        await appender.append(new_event(application))
        async with database.transaction():
            await database.execute("select pg_advisory_xact_lock(7305002)")
            waiting = asyncio.create_task(together(appender, new_message(application, uuid4())))
            await asyncio.sleep(0.15)
            proxy.cut()
            await asyncio.sleep(0.4)
        assert await waiting == [Verdict.APPENDED]

    assert len(await stored(database, application)) == 2


async def test_backends_that_are_terminated_at_any_moment_lose_and_double_nothing(
    dsn: str, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    acknowledged: list[UUID] = []
    is_over = False
    async with appending(dsn) as appender:

        async def keep_appending() -> None:
            while not is_over:
                item = new_event(application)
                assert (await appender.append(item, patience=30)).verdict == Verdict.APPENDED
                acknowledged.append(item.event_id)

        writers = [asyncio.create_task(keep_appending()) for _ in range(8)]
        kills = 0
        while kills < 15:
            written = len(acknowledged)
            await until(lambda written=written: len(acknowledged) > written + 8)
            await asyncio.sleep(random.uniform(0, 0.01))
            connection = appender._connection
            if connection is not None and not connection.is_closed():
                kills += await database.fetchval(
                    "select pg_terminate_backend($1)::int", connection.get_server_pid()
                )
        is_over = True
        await asyncio.gather(*writers)

    assert sorted(await stored(database, application)) == sorted(acknowledged)


async def test_the_callers_hear_after_their_patience_that_the_database_is_away(
    proxy: Proxy, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with appending(proxy.dsn, AppendLimits(answer_seconds=0.4)) as appender:
        proxy.shut()
        begun = asyncio.get_running_loop().time()
        ends = await together(appender, *[new_event(application) for _ in range(20)])
        waited = asyncio.get_running_loop().time() - begun
        patient = asyncio.create_task(appender.append(new_event(application), patience=None))
        await asyncio.sleep(0.2)
        proxy.is_open = True

        assert all(isinstance(end, Unavailable) for end in ends)
        assert 0.3 < waited < 1.0
        assert (await patient).verdict == Verdict.APPENDED
        # whoever was told 503 before anything was sent got nothing written
        assert len(await stored(database, application)) == 1


async def test_a_database_that_goes_silent_is_left_for_a_new_connection(
    proxy: Proxy, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with appending(proxy.dsn, AppendLimits(call_seconds=0.5)) as appender:
        await appender.append(new_event(application))
        proxy.passes.clear()
        item = new_event(application)
        waiting = asyncio.create_task(appender.append(item))
        await asyncio.sleep(0.8)
        assert not waiting.done()
        proxy.passes.set()

        assert (await waiting).verdict == Verdict.APPENDED
    assert (await stored(database, application))[1:] == [item.event_id]


async def test_a_read_only_server_is_waited_for(dsn: str, application: UUID) -> None:
    async with appending(dsn) as appender:
        await appender.append(new_event(application))
        connection = appender._connection
        assert connection is not None
        await connection.execute("set default_transaction_read_only = on")

        # as after a failover: that connection is given up, and the next one may write
        assert (await appender.append(new_event(application))).verdict == Verdict.APPENDED


async def test_a_stop_while_the_database_is_away_ends(proxy: Proxy, application: UUID) -> None:
    async with appending(proxy.dsn, AppendLimits(closing_seconds=0.3)) as appender:
        await appender.append(new_event(application))
        proxy.shut()
        left = [asyncio.create_task(appender.append(new_event(application), patience=None)) for _ in range(3)]
        await asyncio.sleep(0.1)
        async with asyncio.timeout(2):
            await appender.close()
        ends = await asyncio.gather(*left, return_exceptions=True)

    assert all(isinstance(end, Unavailable) for end in ends)


async def test_a_stop_writes_what_is_queued(
    dsn: str, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with appending(dsn, AppendLimits(flush_items=7)) as appender:
        waiting = [asyncio.create_task(appender.append(new_event(application))) for _ in range(50)]
        await asyncio.sleep(0)
        await appender.close()
        assert {answer.verdict for answer in await asyncio.gather(*waiting)} == {Verdict.APPENDED}
        with pytest.raises(Unavailable):
            await appender.append(new_event(application))

    assert len(await stored(database, application)) == 50


# --- bounds


async def test_a_full_queue_refuses_and_writes_nothing(
    proxy: Proxy, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    message = new_message(application, uuid4())
    async with appending(proxy.dsn, AppendLimits(queue_items=5, answer_seconds=0.2)) as appender:
        proxy.passes.clear()
        first = asyncio.create_task(appender.append(new_event(application)))
        await until(lambda: appender.queued == 0)
        await asyncio.sleep(0.05)
        queued = [asyncio.create_task(appender.append(new_event(application))) for _ in range(5)]
        await asyncio.sleep(0)
        for refused in (new_event(application), receipt(message, "x", MessageState.READ, NOON, "r")):
            begun = asyncio.get_running_loop().time()
            with pytest.raises(Unavailable, match="overloaded"):
                await appender.append(refused)
            assert asyncio.get_running_loop().time() - begun < 0.1
        ends = await asyncio.gather(first, *queued, return_exceptions=True)
        assert all(isinstance(end, Unavailable) for end in ends)
        proxy.passes.set()
        await until(lambda: appender.queued == 0)
        last = new_event(application)
        async with asyncio.timeout(5):
            await appender.append(last, patience=None)

    # who gave up before the flush began is not among them
    assert await stored(database, application) == [last.event_id]


async def test_a_queue_of_bytes_is_bounded(proxy: Proxy, application: UUID) -> None:
    async with appending(proxy.dsn, AppendLimits(queue_bytes=50_000, answer_seconds=0.2)) as appender:
        proxy.shut()
        large = '"' + "x" * 20_000 + '"'
        ends = await together(appender, *[new_event(application, payload=large) for _ in range(6)])

    assert sum("overloaded" in str(end) for end in ends) >= 3


async def test_a_flush_is_bounded_by_items_and_bytes(dsn: str, application: UUID) -> None:
    around = Around()
    async with appending(dsn, AppendLimits(flush_items=10, flush_bytes=100_000), around) as appender:
        await together(appender, *[new_event(application) for _ in range(35)])
        assert [len(flushed.items) for flushed in around.flushed] == [10, 10, 10, 5]
        around.flushed.clear()
        await together(
            appender, *[new_event(application, payload='"' + "x" * 60_000 + '"') for _ in range(4)]
        )
        assert [len(flushed.items) for flushed in around.flushed] == [1, 1, 1, 1]


async def test_a_caller_that_goes_away_before_its_flush_gets_nothing_written(
    dsn: str, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with appending(dsn) as appender:
        async with database.transaction():
            await database.execute("select pg_advisory_xact_lock(7305002)")
            first = asyncio.create_task(appender.append(new_event(application)))
            await asyncio.sleep(0.1)
            gone = [
                asyncio.create_task(appender.append(new_event(application))),
                asyncio.create_task(appender.append_all([new_event(application) for _ in range(3)])),
            ]
            patient = asyncio.create_task(appender.append(new_event(application)))
            await asyncio.sleep(0)
            for caller in gone:
                caller.cancel()
        await asyncio.gather(first, patient)

    assert len(await stored(database, application)) == 2


async def test_a_full_disk_stops_new_facts_and_not_what_follows_from_old_ones(
    dsn: str, application: UUID
) -> None:
    around = Around()
    async with appending(dsn, around=around) as appender:
        message = new_message(application, uuid4())
        await appender.append(message)
        around.has_disk_space = False
        with pytest.raises(Unavailable, match="disk"):
            await appender.append(new_event(application))
        assert (await appender.append(sent(message, "x"))).verdict == Verdict.APPENDED


# --- positions


async def test_a_feed_that_reads_by_position_never_skips_a_slow_append(
    dsn: str, application: UUID, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with appending(dsn) as one, appending(dsn) as other:
        read: list[UUID] = []
        position = 0

        async def read_on() -> None:
            nonlocal position
            for row in await database.fetch(
                "select id, position from events where application_id = $1 and position > $2 order by position",
                application,
                position,
            ):
                read.append(row["id"])
                position = row["position"]

        writing = [
            asyncio.create_task(_append_many(appender, application, 60))
            for appender in (one, other)
            for _ in range(4)
        ]
        holder = await asyncpg.connect(dsn)
        while not all(writer.done() for writer in writing):
            await read_on()
            if random.random() < 0.2:
                # an append held open while the others pass: it holds the lock and a position of its own
                async with holder.transaction():
                    await holder.execute("select pg_advisory_xact_lock(7305002), nextval('event_position')")
                    await read_on()
                    await asyncio.sleep(0.01)
                    held = IDS.new()
                    await holder.execute(
                        """insert into events (application_id, id, position, event_type, payload)
                        values ($1, $2, currval('event_position'), 'held.open', '{}')""",
                        application,
                        held,
                    )
                    await read_on()
        await holder.close()
        await asyncio.gather(*writing)
        await read_on()

    assert read == await stored(database, application)
    assert len(read) >= 480


async def _append_many(appender: Appender, application: UUID, count: int) -> None:
    for _ in range(count):
        await appender.append(new_event(application))


async def test_nothing_that_these_tests_wrote_is_broken(
    dsn: str, database: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Last of this module: whatever was thrown at the append, the log agrees with its fold."""
    found = await verify(dsn)
    found.pop("edge to a missing platform user", None)
    assert found == {}
