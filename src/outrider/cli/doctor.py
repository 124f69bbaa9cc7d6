"""`outrider doctor`: looks at everything that a server needs and says what is wrong. It changes nothing.

A database that is not running is started for the look, unless there is none yet.
"""

import os
import stat
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import asyncpg

from outrider.cli.arguments import Arguments
from outrider.cli.opening import load_settings
from outrider.cli.queries import select_server
from outrider.core.config import ConfigError, Settings, describe
from outrider.core.data_dirs import DataDirUnusable, would_be_made
from outrider.core.database import migrating
from outrider.core.database.embedded import EmbeddedPostgresError
from outrider.core.database.faults import DATABASE_FAULTS
from outrider.core.database.pools import Database, UnreachableServer, UnsafeServer, open_database
from outrider.core.disk import least_free_bytes, measure
from outrider.core.sealing import open_sealer
from outrider.dispatch import cross_tenant as queue
from outrider.runtime import cross_tenant as whole_log
from outrider.runtime.database import opened_server
from outrider.tenancy.cross_tenant import select_sealing_keys

_LATE_SECONDS = 300
_CLOCK_SECONDS = 1.0
_KEY_FILE = "master.key"
_NO_SERVER = (
    *DATABASE_FAULTS,
    asyncpg.PostgresError,
    DataDirUnusable,
    EmbeddedPostgresError,
    UnreachableServer,
    UnsafeServer,
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    state: Literal["ok", "warn", "FAIL"]
    name: str
    detail: str


async def run(_arguments: Arguments) -> int:
    """Print every check; the exit status is 1 if one failed, 2 for settings that cannot be used."""
    try:
        settings = load_settings()
    except ConfigError as error:
        for problem in error.problems:
            _print(Check("FAIL", "settings", problem))
        return 2
    is_well = True
    async for check in _checks(settings):
        _print(check)
        is_well = is_well and check.state != "FAIL"
    return 0 if is_well else 1


def _print(check: Check) -> None:
    print(f"{check.state:4}  {check.name:14} {check.detail}", flush=True)


async def _checks(settings: Settings) -> AsyncGenerator[Check]:
    yield _settings()
    yield _data_dir(settings)
    yield _disk(settings)
    yield _files(settings)
    yield _master_key(settings)
    if settings.database_url is None and not _is_there(settings.data_dir / "postgres"):
        yield Check("warn", "database", "none yet; `outrider serve` makes one on its first start")
        return
    try:
        async with opened_server(settings) as dsn:
            async for check in _database_checks(settings, dsn):
                yield check
    except _NO_SERVER as error:
        yield Check("FAIL", "database", str(error) or type(error).__name__)


def _is_there(path: Path) -> bool:
    # `Path.exists` raises where a folder on the way may not be entered
    return os.access(path, os.F_OK)


def _settings() -> Check:
    chosen = [entry.variable for entry in describe() if os.environ.get(entry.variable)]
    return Check("ok", "settings", ", ".join(chosen) or "all at their defaults")


def _data_dir(settings: Settings) -> Check:
    folder = settings.data_dir
    if not _is_there(folder):
        if would_be_made(folder):
            return Check("warn", "data directory", f"{folder} is not there yet; the first start makes it")
        is_needed = settings.database_url is None or settings.master_key is None
        detail = f"{folder} is not there, and this user cannot make it"
        return Check("FAIL" if is_needed else "warn", "data directory", detail)
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return Check("FAIL", "data directory", f"{folder} cannot be written to by this user")
    return Check("ok", "data directory", str(folder))


def _disk(settings: Settings) -> Check:
    space = measure(settings.data_dir)
    least = least_free_bytes(space)
    detail = f"{space.free / 1e9:.1f} GB free, new messages are refused below {least / 1e9:.1f} GB"
    return Check("ok" if space.free >= least else "FAIL", "disk", detail)


def _files(settings: Settings) -> Check:
    folder, name = settings.files_dir, "files"
    if not _is_there(folder):
        if would_be_made(folder):
            return Check("ok", name, f"{folder} is not there yet; the first file makes it")
        return Check("FAIL", name, f"{folder} is not there, and this user cannot make it")
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Check("FAIL", name, f"{folder} cannot be read and written by this user")
    space = measure(folder)
    if space.free < least_free_bytes(space):
        return Check("FAIL", name, f"{folder} has {space.free / 1e9:.1f} GB free, too little for new files")
    shared = "said to be shared by all servers" if settings.files_shared else "of this server alone"
    return Check("ok", name, f"{folder}, {shared}; {space.free / 1e9:.1f} GB free")


def _master_key(settings: Settings) -> Check:
    if settings.master_key is not None:
        return Check("ok", "master key", "from OUTRIDER_MASTER_KEY")
    path = settings.data_dir / _KEY_FILE
    if not _is_there(path):
        return Check("warn", "master key", f"{path} is not there yet; the first start makes it")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return Check("FAIL", "master key", f"{path} can be read by others (mode {mode:04o}); allowed is 0600")
    return Check("ok", "master key", f"{path}; without it every sealed secret is lost: keep a copy elsewhere")


async def _database_checks(settings: Settings, dsn: str) -> AsyncGenerator[Check]:
    kind = "bundled" if settings.database_url is None else "OUTRIDER_DATABASE_URL"
    database = await open_database(dsn, reads=1, settings=1, system=1)
    try:
        before = time.time()
        server = await select_server(database.system)
        drift = server.now.timestamp() - (before + time.time()) / 2
        is_durable = server.synchronous_commit not in {"off", "local"}
        yield Check(
            "ok" if is_durable else "FAIL",
            "database",
            f"PostgreSQL {server.version} ({kind}), {server.size / 1e6:.0f} MB, fsync on, full_page_writes on,"
            f" synchronous_commit {server.synchronous_commit}, data_checksums {server.data_checksums}",
        )
        yield Check(
            "ok" if abs(drift) < _CLOCK_SECONDS else "warn",
            "clock",
            f"the database's is {abs(drift):.3f} s {'ahead of' if drift > 0 else 'behind'} this machine's",
        )
        try:
            await migrating.check_schema(dsn)
        except migrating.SchemaMismatch as error:
            yield Check("FAIL", "schema", str(error))
            return
        yield Check("ok", "schema", f"at {migrating.load_migrations()[-1].number}")
        async for check in _content_checks(settings, database):
            yield check
    finally:
        await database.close()


async def _content_checks(settings: Settings, database: Database) -> AsyncGenerator[Check]:
    yield await _sealed_secrets(settings, database)
    ahead = await whole_log.count_partitions_ahead(database.system)
    misplaced = await whole_log.count_misplaced(database.system)
    yield Check(
        "FAIL" if ahead == 0 or misplaced else "ok",
        "partitions",
        f"{ahead} months ahead, {misplaced} rows in the partition that must stay empty",
    )
    depth, age = await queue.select_age(database.system)
    detail = f"{depth} deliveries due" + (f", the oldest for {age:.0f} s" if depth else "")
    yield Check("warn" if age > _LATE_SECONDS else "ok", "queue", detail)


async def _sealed_secrets(settings: Settings, database: Database) -> Check:
    needed = await select_sealing_keys(database.system)
    if not needed:
        return Check("ok", "sealed secrets", "none yet")
    if settings.master_key is None and not _is_there(settings.data_dir / _KEY_FILE):
        return Check("FAIL", "sealed secrets", "there are some, and no master key to open them with")
    try:
        missing = needed - open_sealer(settings).known_key_ids
    except ConfigError as error:
        return Check("FAIL", "sealed secrets", "; ".join(error.problems))
    if missing:
        names = ", ".join(sorted(key_id.hex() for key_id in missing))
        return Check(
            "FAIL", "sealed secrets", f"some were sealed with master keys that are not here: {names}"
        )
    return Check("ok", "sealed secrets", "the master key opens them")
