"""The limits of read keys: a burst of 120, one a second after it, and never more than 120 in any 30 seconds."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outrider.runtime.parts import Runtime
from outrider.tenancy.read_limits import ReadLimits, ReadRateExceeded

START = datetime(2026, 5, 23, 10, tzinfo=UTC)


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)


async def _asked(limits: ReadLimits, key: uuid.UUID, times: int) -> int:
    """Ask at once; how often it was granted."""
    answers = await asyncio.gather(*(limits.check(key) for _ in range(times)), return_exceptions=True)
    assert all(not isinstance(one, BaseException) or isinstance(one, ReadRateExceeded) for one in answers)
    return sum(not isinstance(one, BaseException) for one in answers)


async def test_a_burst_of_120_passes_and_no_more(runtime: Runtime) -> None:
    clock, key = Clock(), uuid.uuid4()
    limits = ReadLimits(runtime.database.system, clock.now)

    assert await _asked(limits, key, 150) == 120
    with pytest.raises(ReadRateExceeded) as refused:
        await limits.check(key)

    # the bucket has one after a second, but 120 were let through in these 30 seconds
    assert refused.value.retry_after == 31
    assert dict(refused.value.headers()) == {
        b"x-ratelimit-limit": b"60",
        b"x-ratelimit-reset": b"%d" % (START.timestamp() + 120),
        b"retry-after": b"31",
    }
    clock.seconds = 29.99
    assert await _asked(limits, key, 1) == 0
    clock.seconds = 30.02
    assert await _asked(limits, key, 100) == 30
    clock.seconds = 32
    assert await _asked(limits, key, 100) == 2


async def test_sixty_in_a_quiet_minute_always_pass(runtime: Runtime) -> None:
    clock, key = Clock(), uuid.uuid4()
    limits = ReadLimits(runtime.database.system, clock.now)

    for minute in range(4):
        clock.seconds = minute * 60.0
        assert await _asked(limits, key, 60) == 60
        state = await limits.check(key) if minute == 0 else None
        assert state is None or state.reset == START.timestamp() + 61


async def test_processes_share_a_bucket_and_keys_do_not(runtime: Runtime) -> None:
    clock, key = Clock(), uuid.uuid4()
    first, second = [ReadLimits(runtime.database.system, clock.now) for _ in range(2)]

    granted = await asyncio.gather(*(_asked(one, key, 100) for one in (first, second)))

    assert sum(granted) == 120
    assert await _asked(first, uuid.uuid4(), 120) == 120


async def test_a_clock_that_is_set_back_grants_nothing_twice(runtime: Runtime) -> None:
    clock, key = Clock(), uuid.uuid4()
    limits = ReadLimits(runtime.database.system, clock.now)
    assert await _asked(limits, key, 120) == 120
    clock.seconds = -3_600

    assert await _asked(ReadLimits(runtime.database.system, clock.now), key, 10) == 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 4_000), st.integers(1, 70)), min_size=1, max_size=25))
async def test_no_pattern_passes_both_bounds(runtime: Runtime, steps: list[tuple[int, int]]) -> None:
    clock, key, taken = Clock(), uuid.uuid4(), list[tuple[float, int]]()
    limits = ReadLimits(runtime.database.system, clock.now)

    for hundredths, times in steps:
        clock.seconds += hundredths / 100
        taken.append((clock.seconds, await _asked(limits, key, times)))

    for at, (start, _) in enumerate(taken):
        assert sum(number for moment, number in taken[at:] if moment <= start + 30) <= 120
        assert sum(number for moment, number in taken[at:] if moment == start) <= 120
    begin = taken[0][0]
    for at, (end, _) in enumerate(taken, 1):
        assert sum(number for _, number in taken[:at]) <= 120 + (end - begin) + 0.01
