"""Bodies of requests: bounded each, and all together."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from outrider.core import asgi
from outrider.core.asgi import ClientGone, Message, read_body
from outrider.core.errors import PayloadTooLarge, Unavailable


def sent(*chunks: bytes, ends: bool = True) -> Callable[[], Awaitable[Message]]:
    """A caller that sends these chunks, and then goes unless it `ends` well."""
    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    if ends:
        waiting[-1]["more_body"] = False

    async def receive() -> Message:
        await asyncio.sleep(0)
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    return receive


async def test_a_body_is_put_together() -> None:
    assert await read_body({"headers": []}, sent(b"a", b"", b"bc"), limit=3) == b"abc"


@pytest.mark.parametrize("chunks", [[b"abcd"], [b"ab", b"cd"], [b"abc", b"d"]])
async def test_a_body_that_is_too_large_is_refused(chunks: list[bytes]) -> None:
    with pytest.raises(PayloadTooLarge):
        await read_body({"headers": []}, sent(*chunks), limit=3)


async def test_all_unfinished_bodies_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "MOST_BYTES_UNDER_WAY", 10)
    stuck = asyncio.Event()

    async def never() -> Message:
        if not stuck.is_set():
            stuck.set()
            return {"type": "http.request", "body": b"12345678", "more_body": True}
        await asyncio.sleep(60)
        raise AssertionError

    slow = asyncio.create_task(read_body({"headers": []}, never, limit=100))
    await stuck.wait()
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await read_body({"headers": []}, sent(b"123", b"4"), limit=100)
    assert await read_body({"headers": []}, sent(b"in one piece"), limit=100) == b"in one piece"
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    assert await read_body({"headers": []}, sent(b"123", b"4"), limit=100) == b"1234"
    with pytest.raises(ClientGone):
        await read_body({"headers": []}, sent(b"123", ends=False), limit=100)
    assert asgi._under_way.total == 0
