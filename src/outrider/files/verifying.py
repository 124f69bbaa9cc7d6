"""Whether the content of every file is on disk, and is what it was."""

import asyncio
from typing import Final

from outrider.core.database.pools import Connection
from outrider.files.cross_tenant import select_ready
from outrider.files.storage import ContentStorage

MISSING: Final = "file whose content is missing"
DAMAGED: Final = "file whose content is damaged"
_MOST: Final = 100


async def select_broken_files(connection: Connection, storage: ContentStorage) -> dict[str, list[str]]:
    """What is wrong with files, by kind: `application/id`, at most 100 of each; inside a transaction."""
    found: dict[str, list[str]] = {}
    last, problem = b"", None
    async for content, application_id, file_id in select_ready(connection):
        if content != last:
            last, problem = content, await asyncio.to_thread(_problem_of, storage, content)
        if problem is not None:
            places = found.setdefault(problem, [])
            if len(places) < _MOST:
                places.append(f"{application_id}/{file_id}")
    return found


def _problem_of(storage: ContentStorage, content: bytes) -> str | None:
    digest = storage.digest_now(content)
    if digest is None:
        return MISSING
    return None if digest == content else DAMAGED
