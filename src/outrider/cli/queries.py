"""What the doctor asks the server about itself; no table of ours."""

from dataclasses import dataclass
from datetime import datetime

from outrider.core.database.pools import Pool

SELECT_SERVER = """
select clock_timestamp() as now, current_setting('server_version') as version,
  current_setting('synchronous_commit') as synchronous_commit, current_setting('data_checksums') as data_checksums,
  current_setting('archive_mode') as archive_mode, pg_database_size(current_database()) as size
"""


@dataclass(frozen=True, slots=True)
class ServerRow:
    """The server as it describes itself."""

    now: datetime
    version: str
    synchronous_commit: str
    data_checksums: str
    archive_mode: str
    size: int


async def select_server(pool: Pool) -> ServerRow:
    row = await pool.fetchrow(SELECT_SERVER)
    assert row is not None
    return ServerRow(**row)
