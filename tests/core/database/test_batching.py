"""The natural batcher: who is written together, what each caller hears, and what a broken database changes."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from outrider.core.database.batching import Batcher, BatchLimits
from outrider.core.errors import InternalError, Unavailable


class Store:
    """Writes that last until they are let go, and fail as the test says."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures: list[Exception] = []
        self.poison = ""

    async def write(self, items: Sequence[str]) -> list[str]:
        self.batches.append(list(items))
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        if self.poison in items:
            raise asyncpg.DataError("no text like that")
        return [item.upper() for item in items]


@pytest.fixture
def store() -> Store:
    return Store()


async def put_all(batcher: Batcher[str, str], items: str) -> list[str | BaseException]:
    return await asyncio.gather(*(batcher.put(item, 1) for item in items), return_exceptions=True)


async def test_what_comes_while_a_statement_is_on_its_way_is_one_batch(store: Store) -> None:
    batcher = Batcher("test", store.write)
    store.gate.clear()
    first = asyncio.create_task(batcher.put("a", 1))
    await asyncio.sleep(0.01)
    others = asyncio.create_task(put_all(batcher, "bcd"))
    await asyncio.sleep(0.01)

    assert store.batches == [["a"]]
    assert not first.done()
    store.gate.set()

    assert await first == "A"
    assert await others == ["B", "C", "D"]
    assert store.batches == [["a"], ["b", "c", "d"]]


async def test_a_batch_is_bounded_by_items_and_by_bytes(store: Store) -> None:
    by_items = Batcher("test", store.write, BatchLimits(batch_items=2))
    by_bytes = Batcher("test", store.write, BatchLimits(batch_bytes=10))

    assert await put_all(by_items, "abcde") == list("ABCDE")
    assert store.batches == [["a", "b"], ["c", "d"], ["e"]]

    store.batches.clear()
    await asyncio.gather(
        by_bytes.put("a", 6), by_bytes.put("b", 4), by_bytes.put("c", 50), by_bytes.put("d", 1)
    )
    assert store.batches == [["a", "b"], ["c"], ["d"]]


async def test_a_full_queue_refuses_and_takes_again_when_there_is_room(store: Store) -> None:
    batcher = Batcher("test", store.write, BatchLimits(queue_items=2, queue_bytes=5))
    store.gate.clear()
    under_way = asyncio.create_task(batcher.put("a", 1))
    await asyncio.sleep(0.01)
    queued = asyncio.create_task(put_all(batcher, "bc"))
    await asyncio.sleep(0.01)

    with pytest.raises(Unavailable, match="overloaded"):
        await batcher.put("d", 1)
    store.gate.set()
    assert [await under_way, *await queued] == ["A", "B", "C"]
    with pytest.raises(Unavailable, match="overloaded"):
        await batcher.put("e", 6)
    assert await batcher.put("f", 5) == "F"


async def test_a_lost_connection_is_outlived(store: Store) -> None:
    batcher = Batcher("test", store.write)
    store.failures = [OSError("refused"), asyncpg.DeadlockDetectedError("deadlock")]

    assert await put_all(batcher, "ab") == ["A", "B"]
    assert store.batches == [["a", "b"]] * 3


async def test_a_caller_that_gave_up_is_left_out_of_the_next_try(store: Store) -> None:
    batcher = Batcher("test", store.write, BatchLimits(answer_seconds=0.2))
    store.failures = [OSError("refused")] * 50

    with pytest.raises(Unavailable, match="in time"):
        await batcher.put("a", 1)
    tried = len(store.batches)
    store.failures = []

    assert tried > 1
    assert await batcher.put("b", 1) == "B"
    assert store.batches[-1] == ["b"]


async def test_one_bad_item_fails_alone(store: Store) -> None:
    batcher = Batcher("test", store.write)
    store.poison = "c"

    answers = await put_all(batcher, "abcde")

    assert [str(answer) for answer in answers if not isinstance(answer, BaseException)] == list("ABDE")
    assert isinstance(answers[2], InternalError)


async def test_a_cancelled_caller_does_not_disturb_the_others(store: Store) -> None:
    batcher = Batcher("test", store.write)
    store.gate.clear()
    doomed = asyncio.create_task(batcher.put("a", 1))
    patient = asyncio.create_task(batcher.put("b", 1))
    await asyncio.sleep(0.01)

    doomed.cancel()
    store.gate.set()

    assert await patient == "B"
    with pytest.raises(asyncio.CancelledError):
        await doomed


async def test_a_stop_writes_what_waits_and_takes_nothing_more(store: Store) -> None:
    batcher = Batcher("test", store.write)
    store.gate.clear()
    waiting = asyncio.create_task(put_all(batcher, "abc"))
    await asyncio.sleep(0.01)

    closing = asyncio.create_task(batcher.close())
    await asyncio.sleep(0.01)
    with pytest.raises(Unavailable, match="stopping"):
        await batcher.put("d", 1)
    assert not closing.done()
    store.gate.set()
    await closing

    assert await waiting == ["A", "B", "C"]
