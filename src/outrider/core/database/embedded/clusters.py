"""A cluster: PostgreSQL's data directory, made whole or not at all, and the settings that it runs with."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from outrider.core.database.embedded.accounts import Account
from outrider.core.database.embedded.binaries import Binaries, cluster_major
from outrider.core.database.embedded.errors import EmbeddedPostgresError

USER = "outrider"
DATABASE = "outrider"

_OURS = "outrider.conf"
_INCLUDE = f"""

# What Outrider needs is in {_OURS}. Settings below the next line are yours and win over it.
include '{_OURS}'
"""


def prepare_cluster(cluster: Path, binaries: Binaries, account: Account) -> None:
    """Make the cluster if there is none, and write the settings of this release into it."""
    _remove_drafts(cluster)
    if cluster_major(cluster) is None:
        if cluster.is_dir() and any(cluster.iterdir()):
            raise EmbeddedPostgresError(f"{cluster} is no data directory of PostgreSQL, and it is not empty.")
        _initialise(cluster, binaries, account)
    settings = cluster / _OURS
    if (
        not settings.is_file() or settings.read_text() != _settings()
    ):  # a full disk must not keep it from starting
        _write(settings, _settings(), account)


def _remove_drafts(cluster: Path) -> None:
    """Clear away what an interrupted initialisation left."""
    for draft in cluster.parent.glob(f"{cluster.name}.draft-*"):
        shutil.rmtree(draft, ignore_errors=True)


def _initialise(cluster: Path, binaries: Binaries, account: Account) -> None:
    """Run initdb beside the cluster's place and move the result there: a kill leaves all or nothing."""
    draft = Path(tempfile.mkdtemp(prefix=f"{cluster.name}.draft-", dir=cluster.parent))
    account.give(draft)
    command: list[str | Path] = [binaries.folder / "initdb", "--pgdata", draft, "--username", USER]
    command += ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"]
    # Only the owner of the socket's folder and root get as far as the socket.
    command += ["--auth-local=trust", "--auth-host=reject"]
    result = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        env=child_environment(),
        **account.identity,
    )
    if result.returncode:
        shutil.rmtree(draft, ignore_errors=True)
        raise EmbeddedPostgresError(f"initdb could not make {cluster}:\n{result.stderr.strip()}")
    settings = (draft / "postgresql.conf").read_text()
    _write(draft / "postgresql.conf", settings + _INCLUDE, account)
    draft.rename(cluster)
    _sync_folder(cluster.parent)


def child_environment() -> dict[str, str]:
    """Environment of PostgreSQL's programs: nothing of ours reaches them, no PG* setting and no secret."""
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _write(path: Path, text: str, account: Account) -> None:
    draft = path.with_name(f"{path.name}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    account.give(draft)
    draft.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _settings() -> str:
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return f"""\
# Outrider keeps this file as it is here; change postgresql.conf instead.

# Durability: Outrider answers a caller only after a commit that survives a power cut.
fsync = on
full_page_writes = on
synchronous_commit = on

max_connections = 300
# A statement over all partitions of all hot tables locks each of them and each of their indexes.
max_locks_per_transaction = 256
shared_buffers = {min(max(memory_mb // 8, 128), 1024)}MB
effective_cache_size = {max(memory_mb // 2, 256)}MB
random_page_cost = 1.1
jit = off

wal_compression = pglz
min_wal_size = 512MB
max_wal_size = 2GB
checkpoint_timeout = 15min

# The queue's rows live for milliseconds: vacuum often, and in small steps.
autovacuum_naptime = 10s
autovacuum_vacuum_scale_factor = 0.05
autovacuum_analyze_scale_factor = 0.05
autovacuum_vacuum_cost_limit = 2000

max_logical_replication_workers = 0

timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
cluster_name = '{DATABASE}'

# A file for each day of the week. Terse, and without statements: details hold customers' data.
logging_collector = on
log_directory = 'log'
log_filename = 'postgresql-%a.log'
log_rotation_age = 1d
log_rotation_size = 0
log_truncate_on_rotation = on
log_error_verbosity = terse
log_min_error_statement = panic
log_lock_waits = on
"""
