"""Removes content that no file names: what a crash between the write and the commit, or a refused commit, leaves."""

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Final

from outrider.core.database.pools import Pool
from outrider.files.cross_tenant import select_named
from outrider.files.storage import ContentStorage

# Much longer than any commit takes: what is younger may be about to be named.
SAFE_SECONDS: Final = 24 * 3_600.0
_AT_ONCE: Final = 500


async def sweep(pool: Pool, storage: ContentStorage, share: str, *, seconds: float = SAFE_SECONDS) -> int:
    """Sweep the contents whose digest begins with the hexadecimal digit `share`; returns how many went."""
    aged, removed = storage.aged_now(seconds, share), 0
    while batch := await asyncio.to_thread(_next, aged):
        named = await select_named(pool, batch)
        unnamed = [content for content in batch if content not in named]
        removed += await asyncio.to_thread(storage.remove_now, unnamed, seconds)
    return removed


def _next(contents: Iterator[bytes]) -> list[bytes]:
    return list(islice(contents, _AT_ONCE))
