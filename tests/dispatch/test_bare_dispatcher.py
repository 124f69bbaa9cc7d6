"""A dispatcher whose attempts end as the test wants: ends that cannot be recorded, doubts, wrong clocks."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta, tzinfo
from uuid import UUID, uuid4

import asyncpg
import pytest

from outrider.core.database.pools import open_database
from outrider.core.ids import IdClock, first_id_at
from outrider.core.metrics import Metrics
from outrider.dispatch import cross_tenant, lanes, reading
from outrider.dispatch import dispatcher as dispatching
from outrider.dispatch.dispatcher import DispatchEffects, Dispatcher
from outrider.dispatch.values import Ended, QueueRow, Work
from outrider.events.values import Append, AppendedDelivery, DeliveryOutcome, Flushed
from outrider.webhooks.patterns import candidate_patterns
from tests.events.appends import Around, appending
from tests.running import QUICK, until

Database = asyncpg.Connection
SHARD = 3
IDS = IdClock()


class Handler:
    """Ends attempts as it is told."""

    def __init__(self) -> None:
        self.attempts: list[tuple[UUID, int, str]] = []
        self.details: list[str] = []
        self.raises: list[Exception] = []
        self.seconds = 0.0
        self.was_read = asyncio.Event()
        self.holds_back: set[UUID] = set()

    def handed(self, item: Append | None, delivery: AppendedDelivery) -> object:
        return item, delivery

    async def load(self, rows: Sequence[QueueRow]) -> Sequence[object]:
        self.was_read.set()
        return [None for _ in rows]

    async def attempt(self, work: Work) -> Ended:
        row = work.row
        self.attempts.append((row.id, row.attempts, row.state))
        await asyncio.sleep(self.seconds)
        while row.target_id in self.holds_back:
            await asyncio.sleep(0.01)
        if self.raises:
            raise self.raises.pop()
        outcome = DeliveryOutcome(
            shard=row.shard,
            epoch=work.epoch,
            position=row.position,
            delivery_id=row.id,
            number=row.attempts + 1,
            result="succeeded",
            final_state="succeeded",
            reason=None,
            next_state=None,
            due_at=None,
            started_at=datetime.now(UTC),
            duration_ms=0,
            status_code=None,
            detail=self.details.pop() if self.details else None,
            release_fragment=None,
        )
        return Ended(
            Append(application_id=row.application_id, event_id=row.id, outcome=outcome, is_new_fact=False)
        )

    def has_ended(self, row_id: UUID) -> bool:
        return any(row_id == tried for tried, _, _ in self.attempts)


BAD = DeliveryOutcome(
    shard=1 << 20,
    epoch=0,
    position=0,
    delivery_id=UUID(int=0),
    number=0,
    result="",
    final_state=None,
    reason=None,
    next_state=None,
    due_at=None,
    started_at=None,
    duration_ms=None,
    status_code=None,
    detail=None,
    release_fragment=None,
)


@asynccontextmanager
async def dispatching_with(dsn: str, handler: Handler) -> AsyncGenerator[Dispatcher]:
    """A dispatcher and what it stands on."""
    around, ids = Around(), IdClock()
    database = await open_database(dsn)
    async with appending(dsn, around=around) as appender:
        dispatcher = Dispatcher(
            DispatchEffects(
                pool=database.system,
                heartbeats=database.heartbeats,
                appender=appender,
                handlers={"message": handler, "webhook": handler},
                candidate_patterns=candidate_patterns,
                set_clock_offset=ids.set_offset,
                database_now=ids.now,
                metrics=Metrics(),
            ),
            uuid4(),
            role="all",
            lease_limits=QUICK,
        )
        around.flushed = _Forwarded(dispatcher)  # type: ignore[assignment]
        await dispatcher.start()
        try:
            yield dispatcher
        finally:
            await dispatcher.close(1.0)
    await database.close()


class _Forwarded:
    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def append(self, flushed: Flushed) -> None:
        self._dispatcher.on_flushed(flushed)


@pytest.fixture
def handler() -> Handler:
    return Handler()


async def queue(database: Database, *, target: int = SHARD, **columns: object) -> UUID:
    """A row of the queue out of nothing."""
    row: dict[str, object] = {
        "due_at": None,
        "state": "ready",
        "attempts": 0,
        "ordering_key": None,
        **columns,
    }
    row_id = IDS.new()
    await database.execute(
        """insert into delivery_queue (application_id, shard, position, id, kind, event_id, target_id, ordering_key,
          state, attempts, due_at)
        values ($1, $2, nextval('event_position'), $3, 'message', $3, $4, $5, $6, $7, $8)""",
        uuid4(),
        SHARD,
        row_id,
        UUID(int=target),
        row["ordering_key"],
        row["state"],
        row["attempts"],
        row["due_at"],
    )
    return row_id


async def last_position(database: Database) -> int:
    return await database.fetchval("select last_value from event_position")


async def no_work_left(database: Database) -> bool:
    return await database.fetchval("select count(*) from delivery_queue") == 0


async def results(database: Database, row_id: UUID) -> list[str]:
    rows = await database.fetch("select result from attempts where delivery_id = $1 order by number", row_id)
    return [row["result"] for row in rows]


async def test_an_end_that_cannot_be_recorded_does_not_lose_the_work(
    own_dsn: str, database: Database, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "_BROKEN_RETRY_SECONDS", 0.1)
    handler.details = ["a NUL \0 in what the other side said"]
    async with dispatching_with(own_dsn, handler):
        row_id = await queue(database)
        await until(lambda: no_work_left(database))
    assert handler.attempts == [(row_id, 0, "ready"), (row_id, 0, "ready")]
    assert await results(database, row_id) == ["succeeded"]


async def test_work_comes_back_even_if_nothing_of_its_end_can_be_recorded(
    own_dsn: str, database: Database, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "_BROKEN_RETRY_SECONDS", 0.1)

    def as_bad(work: Work, *_: object) -> Ended:
        return Ended(Append(application_id=work.row.application_id, event_id=work.row.id, outcome=BAD))

    monkeypatch.setattr(dispatching, "_broken", as_bad)
    handler.details = ["a NUL \0"]
    async with dispatching_with(own_dsn, handler):
        first = await queue(database, ordering_key=1)
        second = await queue(database, ordering_key=1)
        await until(lambda: no_work_left(database))
    assert [row_id for row_id, _, _ in handler.attempts] == [first, first, second]


async def test_a_handler_that_breaks_keeps_the_mark_of_what_may_have_been_sent(
    own_dsn: str, database: Database, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "_BROKEN_RETRY_SECONDS", 0.1)
    handler.raises = [KeyError("a bug")]
    async with dispatching_with(own_dsn, handler):
        row_id = await queue(database, state="started")
        await until(lambda: no_work_left(database))
    assert handler.attempts == [(row_id, 0, "started"), (row_id, 0, "started")]


async def test_a_database_fault_in_a_handler_is_tried_again_soon_and_is_no_attempt(
    own_dsn: str, database: Database, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "_NO_DATABASE_RETRY_SECONDS", 0.05)
    handler.raises = [asyncpg.InternalClientError("a dead connection") for _ in range(12)]
    async with dispatching_with(own_dsn, handler):
        row_id = await queue(database)
        await until(lambda: no_work_left(database))
    assert handler.attempts == [(row_id, 0, "ready")] * 13
    assert await results(database, row_id) == ["succeeded"]
    assert await database.fetchval("select attempts from deliveries where id = $1", row_id) == 1


async def test_an_attempt_that_never_ends_is_cut(
    own_dsn: str, database: Database, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "ATTEMPT_SECONDS", 0.2)
    monkeypatch.setattr(dispatching, "_BROKEN_RETRY_SECONDS", 0.1)
    handler.seconds = 30
    async with dispatching_with(own_dsn, handler):
        row_id = await queue(database)
        await until(lambda: len(handler.attempts) == 1)
        handler.seconds = 0
        await until(lambda: no_work_left(database))
    assert await results(database, row_id) == ["succeeded"]


async def test_broken_work_comes_back_later_and_later() -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)

    def seconds(age: timedelta) -> float:
        event_id = first_id_at(now - age)
        row = QueueRow(uuid4(), 1, 1, uuid4(), "message", event_id, uuid4(), None, "ready", 0, None, None)
        ended = dispatching._broken(Work(row, 1, None), KeyError("x"), now)
        assert ended.retry_at is not None
        return (ended.retry_at - now).total_seconds()

    ages = [timedelta(seconds=-1), timedelta(0), *(timedelta(minutes=m) for m in (2, 10, 10_000))]
    assert [seconds(age) for age in ages] == [60, 60, 60, 300, 3600]


async def test_a_target_with_a_backlog_holds_up_no_other_and_keeps_its_order(
    own_dsn: str, database: Database, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_TARGET_LOADED", 6)
    monkeypatch.setattr(reading, "_SHARD_LOADED", 20)
    monkeypatch.setattr(reading, "_READ_ROWS", 4)
    monkeypatch.setattr(reading, "_BACKLOG_ROWS", 4)
    slow, quick = SHARD, SHARD + 64
    handler.holds_back = {UUID(int=slow)}
    async with dispatching_with(own_dsn, handler) as dispatcher:
        backlog = [await queue(database, target=slow, ordering_key=1) for _ in range(30)]
        due = [await queue(database, target=slow, due_at=datetime.now(UTC)) for _ in range(30)]
        for _ in range(3):
            row_id = await queue(database, target=quick)
            dispatcher.on_appended_elsewhere(await last_position(database))
            await until(lambda row_id=row_id: handler.has_ended(row_id), seconds=3)
        assert len(dispatcher._lanes.loaded) <= 2 * 6
        handler.holds_back = set()
        backlog += [await queue(database, target=slow, ordering_key=1) for _ in range(10)]
        dispatcher.on_appended_elsewhere(await last_position(database))
        # no poll is waited for: what ends makes room for what is read next
        await until(lambda: no_work_left(database), seconds=3)
    tried = [row_id for row_id, _, _ in handler.attempts]
    assert len(tried) == 73
    assert [row_id for row_id in tried if row_id in backlog] == backlog
    assert set(due) <= set(tried)


async def test_a_due_time_that_became_visible_late_is_found(
    own_dsn: str, database: Database, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_LOOK_BACK_SECONDS", 0.3)
    async with dispatching_with(own_dsn, handler):
        await asyncio.sleep(1)
        await queue(database, due_at=datetime.now(UTC) - timedelta(hours=1))
        await until(lambda: no_work_left(database), seconds=5)


class Clock:
    """How wrong this machine's clock is, for the dispatcher that is started where it counts."""

    def __init__(self, hours: int) -> None:
        self.hours = hours


# A test's server may run in this process beside the dispatcher, and ids that went ahead never come back: so
# the clock is wrong only for tasks that inherit this.
_clock: ContextVar[Clock | None] = ContextVar("clock", default=None)


@contextmanager
def wrong_clock(hours: int) -> Generator[Clock]:
    """Let this machine's clock be wrong by so much, for what is started meanwhile."""

    class Wrong(datetime):
        """This machine's clock."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            clock = _clock.get()
            return datetime.now(tz) + timedelta(hours=clock.hours if clock else 0)

    clock = Clock(hours)
    token = _clock.set(clock)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for module in ("core.ids", "dispatch.leases", "dispatch.dispatcher"):
                patch.setattr(f"outrider.{module}.datetime", Wrong)
            yield clock
    finally:
        _clock.reset(token)


async def test_a_wrong_clock_is_wrong_for_nothing_that_ran_before() -> None:
    go_on = asyncio.Event()

    async def tell() -> datetime:
        await go_on.wait()
        return IdClock().now()

    before = asyncio.create_task(tell())
    with wrong_clock(3):
        inside = asyncio.create_task(tell())
        go_on.set()
        assert timedelta(hours=2.9) < await inside - await before < timedelta(hours=3.1)


async def test_a_clock_that_was_ahead_for_a_while_hides_nothing_that_is_due(
    own_dsn: str, database: Database, handler: Handler
) -> None:
    with wrong_clock(0) as clock:
        async with dispatching_with(own_dsn, handler) as dispatcher:
            await asyncio.sleep(0.3)
            clock.hours = 3
            await until(lambda: is_ahead(dispatcher))
            clock.hours = 0
            await queue(database, due_at=datetime.now(UTC))
            await until(lambda: no_work_left(database), seconds=4)


async def is_ahead(dispatcher: Dispatcher) -> bool:
    """Whether the reader believed the clock."""
    return dispatcher._reading._due_since > datetime.now(UTC) + timedelta(hours=1)


@pytest.mark.parametrize("hours", [-3, 3])
async def test_due_times_go_by_the_clock_of_the_database(
    hours: int, own_dsn: str, database: Database, handler: Handler
) -> None:
    with wrong_clock(hours):
        async with dispatching_with(own_dsn, handler):
            await asyncio.sleep(0.7)
            expected = []
            for milliseconds in (-500, -1, 1, 400, 700):
                due = await database.fetchval(
                    "select clock_timestamp() + make_interval(secs => $1)", milliseconds / 1000
                )
                expected.append(await queue(database, due_at=due))
            await until(lambda: no_work_left(database), seconds=4)
    assert [row_id for row_id, _, _ in handler.attempts] == expected


async def test_a_shard_that_leaves_while_it_is_read_starts_nothing_more(
    own_dsn: str, database: Database, handler: Handler
) -> None:
    handler.seconds = 0.3
    async with dispatching_with(own_dsn, handler) as dispatcher:
        read = cross_tenant.select_forward

        async def read_slowly(*arguments: object) -> list[QueueRow]:
            rows = await read(*arguments)  # type: ignore[arg-type]
            if rows:
                dispatcher._reading.shards[SHARD].is_leaving = True
            return rows

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cross_tenant, "select_forward", read_slowly)
            await queue(database)
            await asyncio.sleep(0.1)
            dispatcher.on_appended_elsewhere(10**9)
            await asyncio.sleep(0.3)
            assert handler.attempts == []
        # it is handed back, comes back under a new epoch, and is done then
        await until(lambda: no_work_left(database))
    assert len(handler.attempts) == 1


async def test_work_of_a_shard_that_came_anew_while_it_was_read_is_read_again(
    own_dsn: str, database: Database, handler: Handler
) -> None:
    async with dispatching_with(own_dsn, handler):
        for _ in range(5):
            rows = [await queue(database, due_at=datetime.now(UTC) - timedelta(days=1)) for _ in range(5)]
            await database.execute("update shards set epoch = epoch + 1")
            rows += [await queue(database) for _ in range(5)]
            await asyncio.sleep(0.05)
        await until(lambda: no_work_left(database))


async def test_a_reader_that_meets_a_bug_reads_on(
    own_dsn: str, database: Database, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, faults = cross_tenant.select_due, [KeyError("a bug"), OSError("gone")]

    async def read_badly(*arguments: object) -> list[QueueRow]:
        if faults:
            raise faults.pop()
        return await read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(cross_tenant, "select_due", read_badly)
    async with dispatching_with(own_dsn, handler):
        await queue(database, due_at=datetime.now(UTC) - timedelta(minutes=1))
        await until(lambda: no_work_left(database))
    assert faults == []


async def test_work_that_is_read_and_done_before_its_flush_is_handed_over_is_done_once(
    own_dsn: str, database: Database, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    fan_outs, may_end = cross_tenant.select_fan_outs, asyncio.Event()

    async def select_slowly(*arguments: object) -> object:
        if handler.was_read.is_set():
            await may_end.wait()
        return await fan_outs(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(cross_tenant, "select_fan_outs", select_slowly)
    async with dispatching_with(own_dsn, handler) as dispatcher:
        async with database.transaction():
            row_id = await queue(database, due_at=datetime.now(UTC) - timedelta(seconds=1))
            row = await database.fetchrow("select * from delivery_queue where id = $1", row_id)
        assert row is not None
        await handler.was_read.wait()
        released = AppendedDelivery(
            row["application_id"],
            SHARD,
            row["position"],
            row_id,
            row["kind"],
            row["event_id"],
            row["target_id"],
            None,
            None,
            row["due_at"],
            None,
        )
        # told by the appender while the row is read, and done before that read ends
        dispatcher.on_flushed(Flushed([], None, None, [released]))
        await until(lambda: no_work_left(database))
        may_end.set()
        await asyncio.sleep(0.3)
    assert [tried for tried, _, _ in handler.attempts] == [row_id]
