"""Statements on files of one application. They are written by the appender alone."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from outrider.core.database.pools import Pool
from outrider.files.values import FileSource, FileState, StoredFile

SELECT_FILES = """
select f.id, f.filename, f.mime_type, f.size, f.sha256, f.state, f.source from files f
where f.application_id = $1 and f.id = any ($2::uuid[])
"""


async def select_files(pool: Pool, application_id: UUID, ids: Sequence[UUID]) -> dict[UUID, StoredFile]:
    """Files by their id; who is missing is left out."""
    rows = await pool.fetch(SELECT_FILES, application_id, list(ids))
    return {row["id"]: read_file(row) for row in rows}


def read_file(row: Mapping[str, object]) -> StoredFile:
    """Read the columns of a file."""
    columns = dict(row)
    state, source = FileState(str(columns.pop("state"))), FileSource(str(columns.pop("source")))
    return StoredFile(state=state, source=source, **columns)  # pyright: ignore[reportArgumentType] -- as selected
