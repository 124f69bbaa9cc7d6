"""Whose turn it is: order, fairness, pauses and breaking, with a clock in the test's hand."""

from collections import deque
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.dispatch.lanes import HEAD_SECONDS, LaneLimits, Lanes
from outrider.dispatch.values import Work, shard_of
from tests.dispatch.works import again, new_work

LIMITS = LaneLimits(slots=8, retry_slots=4)


def finish(lanes: Lanes, work: Work, now: float, *, is_retried: bool = False, **how: object) -> None:
    lanes.end(
        work,
        now,
        is_retried=is_retried,
        pause_seconds=how.get("pause_seconds"),  # type: ignore[arg-type]
        has_failed=bool(how.get("has_failed")),
    )


def take_all(lanes: Lanes, now: float) -> list[Work]:
    lanes.wake(now)
    taken = []
    while (work := lanes.next(now)) is not None:
        taken.append(work)
    return taken


class Model:
    """A run of lanes beside what must hold of them."""

    def __init__(self) -> None:
        self.lanes = Lanes(LIMITS)
        self.now = 100.0
        self.flying: list[Work] = []
        self.deferred: list[tuple[float, Work]] = []
        self.done: list[Work] = []
        self.added: list[Work] = []
        self.first_tries: dict[tuple[UUID, int], list[int]] = {}
        self.since: dict[UUID, float] = {}

    def do(self, position: int, operation: tuple[object, ...]) -> None:
        match operation:
            case ("add", int(target), key):
                self.add(new_work(TARGETS[target], key, position=position))  # type: ignore[arg-type]
            case ("start",):
                self.start()
            case ("end", int(which), str(how), float(seconds)):
                self.end(which, how, seconds)
            case ("time", float(seconds)):
                self.pass_time(seconds)
            case _:
                raise AssertionError(operation)

    def drain(self) -> None:
        """Time goes on, nothing fails any more, and all of it must come to its end."""
        for _ in range(len(self.added) * 20 + 50):
            self.start()
            self.end(0, "done", 0.0)
            if not self.flying:
                self.pass_time(30.0)

    def add(self, work: Work) -> None:
        self.added.append(work)
        self.lanes.add(work, self.now)

    def start(self) -> None:
        self.lanes.wake(self.now)
        work = self.lanes.next(self.now)
        if work is None:
            return
        row = work.row
        if row.ordering_key is not None:
            key = (row.target_id, row.ordering_key)
            together = [one for one in self.flying if (one.row.target_id, one.row.ordering_key) == key]
            assert not together, "two of one conversation at once"
            ahead = [
                one
                for _, one in self.deferred
                if (one.row.target_id, one.row.ordering_key) == key
                and one.row.position < row.position
                and self.now < self.since[one.row.id] + HEAD_SECONDS
            ]
            assert not ahead, "it passed a head that was deferred less than two minutes ago"
            if row.attempts == 0:
                self.first_tries.setdefault(key, []).append(row.position)
        self.flying.append(work)
        assert self.lanes.in_flight == len(self.flying) <= LIMITS.slots
        assert sum(1 for one in self.flying if one.row.attempts) <= LIMITS.retry_slots

    def end(self, which: int, how: str, seconds: float) -> None:
        if not self.flying:
            return
        work = self.flying.pop(which % len(self.flying))
        if how == "done":
            finish(self.lanes, work, self.now)
            self.done.append(work)
        else:
            finish(self.lanes, work, self.now, is_retried=True, has_failed=how == "fails")
            self.since[work.row.id] = self.now
            self.deferred.append((self.now + seconds, again(work)))

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.lanes.wake(self.now)
        due = sorted((one for one in self.deferred if one[0] <= self.now), key=lambda one: one[0])
        for one in due:
            self.deferred.remove(one)
            self.lanes.add(one[1], self.now)


TARGETS = [uuid4() for _ in range(3)]
_OPERATIONS = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 2), st.sampled_from([None, 1, 2])),
    st.tuples(st.just("start")),
    st.tuples(st.just("start")),
    st.tuples(
        st.just("end"),
        st.integers(0, 7),
        st.sampled_from(["done", "done", "deferred", "fails"]),
        st.sampled_from([0.5, 5.0, 30.0, 119.0, 121.0, 600.0]),
    ),
    st.tuples(st.just("time"), st.sampled_from([0.1, 1.0, 6.0, 60.0, 125.0])),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_OPERATIONS, max_size=120))
def test_every_schedule_keeps_the_order_and_ends_everything(operations: list[tuple[object, ...]]) -> None:
    model = Model()
    for position, operation in enumerate(operations):
        model.do(position, operation)
    model.drain()
    assert {work.row.id for work in model.done} == {work.row.id for work in model.added}
    assert len(model.done) == len(model.added)
    for positions in model.first_tries.values():
        assert positions == sorted(positions)
    assert model.lanes.in_flight == 0
    assert not model.lanes.loaded
    assert all(count == 0 for count in model.lanes.loaded_by_shard.values())


def test_a_deferred_head_lets_the_next_pass_after_two_minutes_and_goes_first_when_it_is_back() -> None:
    lanes, target = Lanes(LIMITS), uuid4()
    first, second, third = (new_work(target, 7, position=number) for number in range(3))
    for work in (first, second, third):
        lanes.add(work, 0.0)
    assert take_all(lanes, 0.0) == [first]
    finish(lanes, first, 1.0, is_retried=True)

    assert take_all(lanes, 120.9) == []
    assert take_all(lanes, 121.1) == [second]
    back = again(first)
    lanes.add(back, 130.0)
    assert take_all(lanes, 130.0) == []
    finish(lanes, second, 131.0)
    assert take_all(lanes, 131.0) == [back]
    finish(lanes, back, 132.0)
    assert take_all(lanes, 132.0) == [third]


def test_a_cancelled_head_lets_the_next_pass_at_once() -> None:
    lanes, target = Lanes(LIMITS), uuid4()
    first, second = new_work(target, 7), new_work(target, 7)
    lanes.add(first, 0.0)
    lanes.add(second, 0.0)
    assert take_all(lanes, 0.0) == [first]
    finish(lanes, first, 1.0, is_retried=True)

    lanes.unblock(first.row.id, 2.0)

    assert take_all(lanes, 2.0) == [second]


def test_the_conversations_of_a_vanished_owner_wait_and_everything_else_does_not() -> None:
    lanes, target = Lanes(LIMITS), uuid4()
    lanes.quarantine(shard_of(target), 25.0)
    spoken, alone = new_work(target, 7), new_work(target)
    lanes.add(spoken, 1.0)
    lanes.add(alone, 1.0)

    assert take_all(lanes, 1.0) == [alone]
    assert take_all(lanes, 24.9) == []
    assert take_all(lanes, 25.1) == [spoken]


def test_an_overdue_head_keeps_its_place_under_a_new_owner_that_reads_it_last() -> None:
    lanes, target = Lanes(LIMITS), uuid4()
    head, later = new_work(target, 7, attempts=1), new_work(target, 7, position=2)
    lanes.quarantine(shard_of(target), 25.0)
    lanes.block(target, 7, head.row.id, 10.0)
    lanes.add(later, 1.0)
    lanes.add(head, 1.0)

    assert take_all(lanes, 24.0) == []
    assert take_all(lanes, 25.1) == [head]
    finish(lanes, head, 26.0)
    assert take_all(lanes, 26.0) == [later]


def test_a_slow_target_leaves_slots_to_others() -> None:
    lanes, slow = Lanes(LIMITS), uuid4()
    for _ in range(50):
        lanes.add(new_work(slow), 0.0)
    assert len(take_all(lanes, 0.0)) == 4
    for _ in range(3):
        work = new_work(uuid4())
        lanes.add(work, 1.0)
        assert work in take_all(lanes, 1.0)


def test_retries_leave_slots_to_fresh_work_and_get_theirs_in_turn() -> None:
    lanes = Lanes(LIMITS)
    targets = [uuid4() for _ in range(6)]
    for target in targets:
        lanes.add(new_work(target, attempts=3), 0.0)
    retries = take_all(lanes, 0.0)
    assert len(retries) == 4
    fresh = [new_work(uuid4()) for _ in range(3)]
    for work in fresh:
        lanes.add(work, 1.0)
    assert take_all(lanes, 1.0) == fresh

    # the two that found no slot are not forgotten, and nobody else need call them
    seen = list(retries)
    for work in retries:
        finish(lanes, work, 2.0)
    seen += take_all(lanes, 2.0)
    assert {work.row.target_id for work in seen} == set(targets)


def test_a_target_that_waits_for_a_retry_slot_is_not_lost_behind_one_that_is_paused() -> None:
    lanes = Lanes(LaneLimits(slots=8, retry_slots=1))
    busy, paused, waiting = uuid4(), uuid4(), uuid4()
    lanes.add(new_work(busy, attempts=1), 0.0)
    (first,) = take_all(lanes, 0.0)
    fresh = new_work(paused)
    lanes.add(fresh, 0.0)
    assert take_all(lanes, 0.0) == [fresh]
    lanes.add(new_work(paused, attempts=1), 0.0)
    lanes.add(new_work(waiting, attempts=1), 0.0)
    assert take_all(lanes, 0.0) == []
    finish(lanes, fresh, 1.0, pause_seconds=60.0)
    assert take_all(lanes, 1.0) == []

    finish(lanes, first, 2.0)

    assert [work.row.target_id for work in take_all(lanes, 2.0)] == [waiting]


def test_fresh_work_is_not_starved_by_retries_of_its_own_target_nor_they_by_it() -> None:
    lanes, target = Lanes(LaneLimits(slots=2, retry_slots=2)), uuid4()
    for number in range(40):
        lanes.add(new_work(target, attempts=number % 2), 0.0)
    order = []
    for turn in range(40):
        (work,) = take_all(lanes, float(turn))
        order.append(work.row.attempts)
        finish(lanes, work, float(turn))
    assert 0 < order[:20].count(1) < 10


def test_a_breaker_opens_after_many_failures_probes_with_one_and_closes_at_the_first_success() -> None:
    lanes, target = Lanes(LIMITS), uuid4()
    for _ in range(60):
        lanes.add(new_work(target), 0.0)
    now, failures = 0.0, 0
    while failures < 20:
        for work in take_all(lanes, now):
            finish(lanes, work, now, has_failed=True)
            failures += 1
    assert take_all(lanes, now + 0.9) == []

    probe = take_all(lanes, now + 1.1)
    assert len(probe) == 1
    finish(lanes, probe[0], now + 1.2, has_failed=True)
    assert take_all(lanes, now + 2.2) == []
    probe = take_all(lanes, now + 3.3)
    assert len(probe) == 1
    finish(lanes, probe[0], now + 3.4)
    assert len(take_all(lanes, now + 3.4)) == 4


def test_a_pause_holds_the_whole_target_and_nobody_else() -> None:
    lanes, target, other = Lanes(LIMITS), uuid4(), uuid4()
    works = deque(new_work(target) for _ in range(3))
    lanes.add(works[0], 0.0)
    (first,) = take_all(lanes, 0.0)
    finish(lanes, first, 0.0, is_retried=True, pause_seconds=30.0, has_failed=True)
    lanes.add(works[1], 1.0)
    elsewhere = new_work(other)
    lanes.add(elsewhere, 1.0)

    assert take_all(lanes, 1.0) == [elsewhere]
    assert lanes.wake(2.0) == 30.0
    assert take_all(lanes, 30.0) == [works[1]]


def test_a_shard_that_goes_takes_its_waiting_work_along() -> None:
    lanes = Lanes(LIMITS)
    going, staying = UUID(int=1), UUID(int=2)
    for target in (going, staying):
        for key in (None, 7):
            lanes.add(new_work(target, key), 0.0)
    lanes.drop_shard(shard_of(going))

    taken = take_all(lanes, 0.0)
    assert {work.row.target_id for work in taken} == {staying}
    # it comes back under a new epoch, with an attempt of the old one still ending
    again_there = new_work(going, 7)
    lanes.add(again_there, 1.0)
    assert take_all(lanes, 1.0) == [again_there]


def test_the_end_of_a_dropped_attempt_does_not_let_two_of_a_conversation_out() -> None:
    lanes, target = Lanes(LIMITS), uuid4()
    old = new_work(target, 7)
    lanes.add(old, 0.0)
    assert take_all(lanes, 0.0) == [old]
    lanes.drop_shard(shard_of(target))
    first, second = new_work(target, 7), new_work(target, 7)
    lanes.add(first, 1.0)
    lanes.add(second, 1.0)
    assert take_all(lanes, 1.0) == [first]

    finish(lanes, old, 2.0)

    assert take_all(lanes, 2.0) == []
    finish(lanes, first, 3.0)
    assert take_all(lanes, 3.0) == [second]
