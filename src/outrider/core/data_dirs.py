"""The data directory: made on the first start, and told in a sentence when it cannot be used."""

import os
from pathlib import Path


class DataDirUnusable(Exception):
    """The data directory cannot be used; the message says why and what to do."""


class FilesNotShared(Exception):
    """A server would run beside others that do not see its files; the message says what to do."""


def check_files_shared(files_dir: Path, *, is_shared: bool, role: str) -> None:
    """Raise `FilesNotShared` for a server with a split role whose files were not said to be shared."""
    if role == "all" or is_shared:
        return
    raise FilesNotShared(
        f"A server with --role {role} shares its files with others, and nobody has said that they all reach "
        f"{files_dir}. Give every server the same folder in OUTRIDER_FILES_DIR (on several machines a network file "
        "system) and set OUTRIDER_FILES_SHARED=1, or run --role all."
    )


def make_data_dir(data_dir: Path) -> None:
    """Make the folder if it is not there; raises `DataDirUnusable` unless this process can write to it."""
    # As root the bundled server runs as somebody else, who has to pass through.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    try:
        data_dir.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise DataDirUnusable(_told(data_dir, error.strerror or str(error))) from error
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise DataDirUnusable(_told(data_dir, "this user may not write to it"))


def would_be_made(data_dir: Path) -> bool:
    """Tell whether a folder that is not there yet could be made by this process."""
    for parent in data_dir.parents:
        if os.access(parent, os.F_OK):
            return parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)
    return False


def _told(data_dir: Path, reason: str) -> str:
    return (
        f"The data directory {data_dir} cannot be used: {reason}. "
        "OUTRIDER_DATA_DIR chooses another, or give this one to the user that runs Outrider."
    )
