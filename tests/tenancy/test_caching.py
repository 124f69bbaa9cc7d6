import asyncio

import pytest

from outrider.tenancy.caching import HARD_SECONDS, MISSING_SECONDS, SOFT_SECONDS, LookupCache


class Source:
    """A lookup whose answers, failures and duration the test decides."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.lookups: list[str] = []
        self.failure: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.now = 0.0

    async def load(self, key: str) -> str | None:
        self.lookups.append(key)
        value, gate = self.values.get(key), self.gate
        if gate is not None:
            await gate.wait()
        if self.failure is not None:
            raise self.failure
        return value

    def cache(self, capacity: int = 10, missing_capacity: int = 10) -> LookupCache[str, str]:
        return LookupCache(
            self.load, capacity=capacity, missing_capacity=missing_capacity, clock=lambda: self.now
        )


@pytest.fixture
def source() -> Source:
    return Source()


async def settled() -> None:
    """Let background lookups run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_concurrent_misses_share_one_lookup(source: Source) -> None:
    source.values["a"] = "1"
    source.gate = asyncio.Event()
    cache = source.cache()

    waiting = [asyncio.create_task(cache.get("a")) for _ in range(5)]
    await settled()
    source.gate.set()

    assert await asyncio.gather(*waiting) == ["1"] * 5
    assert source.lookups == ["a"]


async def test_a_caller_that_gives_up_does_not_take_the_lookup_from_others(source: Source) -> None:
    source.values["a"] = "1"
    source.gate = asyncio.Event()
    cache = source.cache()
    first = asyncio.create_task(cache.get("a"))
    second = asyncio.create_task(cache.get("a"))
    await settled()

    first.cancel()
    source.gate.set()

    assert await second == "1"
    assert source.lookups == ["a"]


async def test_a_value_is_looked_up_again_while_it_is_still_used(source: Source) -> None:
    source.values["a"] = "1"
    cache = source.cache()
    await cache.get("a")
    source.values["a"] = "2"

    source.now = SOFT_SECONDS - 0.1
    assert await cache.get("a") == "1"
    assert source.lookups == ["a"]
    source.now = SOFT_SECONDS
    assert await cache.get("a") == "1"
    await settled()

    assert source.lookups == ["a", "a"]
    assert await cache.get("a") == "2"


async def test_no_value_is_used_beyond_the_limit_counted_from_the_begin_of_its_lookup(source: Source) -> None:
    source.values["a"] = "1"
    source.gate = asyncio.Event()
    cache = source.cache()
    first = asyncio.create_task(cache.get("a"))
    await settled()
    source.now = 3.0  # the answer, read at 0, takes three seconds to arrive
    source.gate.set()
    assert await first == "1"

    del source.values["a"]
    source.now = HARD_SECONDS

    assert await cache.get("a") is None


async def test_a_refresh_that_hangs_does_not_extend_the_use_of_a_value(source: Source) -> None:
    source.values["a"] = "1"
    cache = source.cache()
    await cache.get("a")
    source.gate = asyncio.Event()
    source.now = SOFT_SECONDS
    assert await cache.get("a") == "1"

    source.now = HARD_SECONDS
    late = asyncio.create_task(cache.get("a"))
    await settled()
    assert not late.done()

    source.gate.set()
    assert await late == "1"


async def test_what_was_missing_is_remembered_shortly(source: Source) -> None:
    cache = source.cache()
    assert await cache.get("a") is None
    source.values["a"] = "1"
    source.now = MISSING_SECONDS - 0.1
    assert await cache.get("a") is None
    assert source.lookups == ["a"]

    source.now = MISSING_SECONDS
    assert await cache.get("a") == "1"


async def test_what_was_missing_is_asked_for_again_after_any_change(source: Source) -> None:
    cache = source.cache()
    await cache.get("a")
    source.values["a"] = "1"

    cache.forget(lambda value: False)

    assert await cache.get("a") == "1"


async def test_only_what_a_change_concerns_is_forgotten(source: Source) -> None:
    source.values |= {"a": "1", "b": "2"}
    cache = source.cache()
    await cache.get("a")
    await cache.get("b")

    cache.forget(lambda value: value == "1")
    await cache.get("a")
    await cache.get("b")

    assert source.lookups == ["a", "b", "a"]


@pytest.mark.parametrize("is_clear", [True, False])
async def test_an_answer_read_before_a_change_is_not_kept_after_it(source: Source, is_clear: bool) -> None:
    source.values["a"] = "old"
    old_gate = source.gate = asyncio.Event()
    cache = source.cache()
    early = asyncio.create_task(cache.get("a"))
    await settled()

    source.values["a"] = "new"
    source.gate = None
    if is_clear:
        cache.clear()
    else:
        cache.forget(lambda value: value == "old")
    assert await cache.get("a") == "new"
    old_gate.set()
    await early

    assert await cache.get("a") == "new"
    assert source.lookups == ["a", "a"]


async def test_a_lookup_that_fails_raises_for_every_waiter_and_is_not_remembered(source: Source) -> None:
    source.failure = OSError("gone")
    cache = source.cache()

    failures = await asyncio.gather(cache.get("a"), cache.get("a"), return_exceptions=True)
    assert [type(failure) for failure in failures] == [OSError, OSError]

    source.failure = None
    source.values["a"] = "1"
    assert await cache.get("a") == "1"


async def test_a_refresh_that_fails_is_silent_until_the_value_may_not_be_used(source: Source) -> None:
    source.values["a"] = "1"
    cache = source.cache()
    await cache.get("a")
    source.failure = OSError("gone")

    source.now = SOFT_SECONDS
    assert await cache.get("a") == "1"
    await settled()
    source.now = HARD_SECONDS
    with pytest.raises(OSError, match="gone"):
        await cache.get("a")


async def test_the_cache_is_bounded_and_missing_keys_push_nothing_out(source: Source) -> None:
    source.values |= {str(n): "found" for n in range(100)}
    cache = source.cache(capacity=3, missing_capacity=2)
    for n in range(10):
        await cache.get(str(n))
    for n in range(50):
        await cache.get(f"missing {n}")
    assert len(cache) == 5

    source.lookups.clear()
    for n in (7, 8, 9):
        await cache.get(str(n))
    assert source.lookups == []
