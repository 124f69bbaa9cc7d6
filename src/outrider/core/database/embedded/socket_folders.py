"""The short private folder of the server's socket: a socket's path holds 107 bytes, a data directory's may not.

Whoever can enter the folder may connect, so only the server's account and root can. Its name is unpredictable
and recorded in the data directory; a folder that is not exactly as we left it is not used again.
"""

import os
import stat
import tempfile
from pathlib import Path

from outrider.core.database.embedded.accounts import Account
from outrider.core.database.embedded.errors import EmbeddedPostgresError

PORT = 5432
_LONGEST_PATH = 107
_PREFIX = "outrider-"


def socket_folder(record: Path, account: Account) -> Path:
    """Give the recorded folder, cleared, or a new one when there is none that can be trusted.

    Only while no server of this data directory runs.
    """
    recorded = read_record(record)
    if recorded is not None and _is_ours(recorded, account):
        # A killed server leaves its socket and the socket's lock, with a pid that may be somebody else's by now.
        for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
            (recorded / name).unlink(missing_ok=True)
        return recorded
    folder = _new_folder(account, record.parent)
    draft = record.with_name(f"{record.name}.draft")
    draft.unlink(missing_ok=True)
    draft.write_text(f"{folder}\n")
    account.give(draft)
    draft.replace(record)
    return folder


def remove_socket_folder(record: Path) -> None:
    """Forget the folder of a server that has stopped."""
    folder = read_record(record)
    record.unlink(missing_ok=True)
    if folder is not None and folder.name.startswith(_PREFIX):
        try:
            folder.rmdir()
        except OSError:
            # Not empty, or not there: a stopped server leaves nothing in it that would be ours to remove.
            return


def read_record(record: Path) -> Path | None:
    """Give the folder that the record names."""
    try:
        text = record.read_text().strip()
    except FileNotFoundError:
        return None
    return Path(text) if text else None


def _is_ours(folder: Path, account: Account) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode) and found.st_uid == account.uid and stat.S_IMODE(found.st_mode) == 0o700
    )


def _new_folder(account: Account, data_dir: Path) -> Path:
    preferred = ["/run"] if os.geteuid() == 0 else []
    for parent in (*preferred, tempfile.gettempdir(), "/tmp", "/var/tmp", str(data_dir)):  # noqa: S108  mkdtemp
        try:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        except OSError:
            continue
        if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= _LONGEST_PATH and _can_serve(folder, account):
            return folder
        folder.rmdir()
    raise EmbeddedPostgresError(
        "There is no folder with a short name for PostgreSQL's socket: /tmp cannot be written."
    )


def _can_serve(folder: Path, account: Account) -> bool:
    try:
        account.check_can_enter(folder.parent)
    except EmbeddedPostgresError:
        return False
    account.give(folder)
    return True
