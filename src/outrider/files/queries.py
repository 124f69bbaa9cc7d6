"""Statements on files of one application. They are written by the appender alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from outrider.core.database.pools import Pool
from outrider.files.values import FileSource, FileState, StoredFile
from outrider.platforms.base import JsonObject

SELECT_FILES = """
select f.id, f.filename, f.mime_type, f.size, f.sha256, f.state, f.source from files f
where f.application_id = $1 and f.id = any ($2::uuid[])
"""
SELECT_PENDING = """
select f.id, f.filename, f.mime_type, f.reference::text as reference from files f
where f.application_id = $1 and f.id = $2 and f.state = 'pending'
"""


async def select_files(pool: Pool, application_id: UUID, ids: Sequence[UUID]) -> dict[UUID, StoredFile]:
    """Files by their id; who is missing is left out."""
    rows = await pool.fetch(SELECT_FILES, application_id, list(ids))
    return {
        row["id"]: StoredFile(
            row["id"],
            row["filename"],
            row["mime_type"],
            row["size"],
            row["sha256"],
            FileState(row["state"]),
            FileSource(row["source"]),
        )
        for row in rows
    }


@dataclass(frozen=True, slots=True)
class PendingFile:
    """A file that is yet to be fetched; `reference` is for the adapter."""

    id: UUID
    filename: str
    mime_type: str
    reference: JsonObject


async def select_pending(pool: Pool, application_id: UUID, file_id: UUID) -> PendingFile | None:
    """A pending file, None if it is missing or has ended."""
    row = await pool.fetchrow(SELECT_PENDING, application_id, file_id)
    if row is None:
        return None
    return PendingFile(row["id"], row["filename"], row["mime_type"], orjson.loads(row["reference"] or "{}"))
