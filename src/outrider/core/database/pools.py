"""The pools of one process, and the checks that a server must pass before it may hold facts.

Three pools, because three kinds of work must not be able to do each other's: `reads` runs compiled reads
(generic plans, a time limit), `settings` runs short transactions as a role that row security walls into one
organisation, `system` runs the few statements across tenants. A process that is busy must not look dead: what it
says of itself has a connection of its own, `heartbeats`.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import asyncpg

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

TENANT_ROLE = "outrider_tenant"
READ_TIMEOUT_MS = 2_000
# Compiled reads pass asyncpg's default limit of 15 KB, above which it would not cache a statement.
_STATEMENTS_CACHED = 200
_STATEMENT_BYTES_CACHED = 256 * 1024
_SESSION = {
    "application_name": "outrider",
    "timezone": "UTC",
    "jit": "off",
    # a process that freezes in a transaction must not hold the locks that every append needs
    "idle_in_transaction_session_timeout": "10s",
}
_DURABILITY = ("fsync", "full_page_writes")
# Plans are cached for long, and often made while a table is nearly empty: only those are allowed that stay
# right while it grows, row by row through an index.
STEADY_PLANS = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "max_parallel_workers_per_gather": "0",
}
_OLDEST_SERVER = 180_000


class UnsafeServer(Exception):
    """The database server is too old, or its settings could lose what we acknowledge."""


class UnreachableServer(Exception):
    """No connection to the database server could be made; the message says where to and why."""


@dataclass(frozen=True, slots=True)
class Database:
    """The open pools of one process."""

    dsn: str
    reads: Pool
    settings: Pool
    system: Pool
    heartbeats: Pool

    @asynccontextmanager
    async def tenant(self, organisation_id: UUID) -> AsyncGenerator[Connection, None]:
        """A transaction on settings that can see and write one organisation only."""
        async with self.settings.acquire() as connection, connection.transaction():
            await connection.execute(
                "select set_config('outrider.organisation_id', $1, true)", str(organisation_id)
            )
            yield connection

    async def close(self) -> None:
        """Close all pools; statements under way are given up."""
        for pool in (self.reads, self.settings, self.system, self.heartbeats):
            pool.terminate()


class PlainConnection(asyncpg.Connection):
    """A connection that is given back as it is: no statement of ours leaves session state behind.

    asyncpg's reset is a round trip on every release, half of a short read's cost (docs/decisions).
    """

    def get_reset_query(self) -> str:
        return ""


async def connect(dsn: str, **session: str) -> "asyncpg.Connection[asyncpg.Record]":
    """One connection outside the pools (appender, listener) with durable commits."""
    return await asyncpg.connect(
        dsn,
        server_settings={**_SESSION, "synchronous_commit": "on", **session},
        connection_class=PlainConnection,
        timeout=10,
        statement_cache_size=_STATEMENTS_CACHED,
        max_cacheable_statement_size=_STATEMENT_BYTES_CACHED,
    )


async def open_database(dsn: str, *, reads: int = 8, settings: int = 4, system: int = 4) -> Database:
    """Open the pools; raises `UnsafeServer` before anything is written to an unfit server."""
    await check_server(dsn)
    return Database(
        dsn=dsn,
        reads=await _pool(
            dsn,
            reads,
            **STEADY_PLANS,
            plan_cache_mode="force_generic_plan",
            statement_timeout=str(READ_TIMEOUT_MS),
            default_transaction_read_only="on",
        ),
        settings=await _pool(dsn, settings, role=TENANT_ROLE, synchronous_commit="on", lock_timeout="5s"),
        system=await _pool(dsn, system, synchronous_commit="on", **STEADY_PLANS),
        heartbeats=await _pool(dsn, 1, synchronous_commit="on", **STEADY_PLANS),
    )


async def _pool(dsn: str, size: int, **session: str) -> Pool:
    return await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=size,
        timeout=5,
        command_timeout=30,
        max_inactive_connection_lifetime=300,
        server_settings={**_SESSION, **session},
        connection_class=PlainConnection,
        statement_cache_size=_STATEMENTS_CACHED,
        max_cacheable_statement_size=_STATEMENT_BYTES_CACHED,
    )


async def check_server(dsn: str) -> None:
    """Refuse a server older than 18, or one that may forget what it confirmed.

    Raises `UnreachableServer` when it cannot be asked, else `UnsafeServer`.
    """
    try:
        connection = await asyncpg.connect(dsn, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = (
            (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        )
        raise UnreachableServer(f"PostgreSQL at {_place(dsn)} cannot be used: {reason}.") from error
    try:
        version = int(await connection.fetchval("show server_version_num"))
        if version < _OLDEST_SERVER:
            raise UnsafeServer(f"PostgreSQL 18 or newer is required; this server is {version // 10_000}.")
        for setting in _DURABILITY:
            if await connection.fetchval("select current_setting($1)", setting) != "on":
                raise UnsafeServer(f"The server has {setting} off: a crash would lose acknowledged messages.")
    finally:
        await connection.close()


def _place(dsn: str) -> str:
    """Where a server is, without the credentials that its address may hold."""
    parts = urlsplit(dsn)
    address = parts.netloc.rpartition("@")[2]
    if address:
        return f"{address}{parts.path}"
    folder = parse_qs(parts.query).get("host")
    return f"the socket{f' in {folder[-1]}' if folder else ''} (database {parts.path.lstrip('/')})"
