"""Data directories for tests of the bundled PostgreSQL itself."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from outrider.core.database.embedded.postmasters import Postmaster, end_orphans


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory outside pytest's folders, which only root may enter; whatever runs in it is killed after."""
    folder = Path(tempfile.mkdtemp(prefix="outrider-embedded-"))
    folder.chmod(0o711)
    yield folder / "data"
    for cluster in folder.rglob("postgres"):
        if (cluster / "PG_VERSION").is_file():
            if server := Postmaster.find(cluster):
                server.send(signal.SIGKILL)
                server.release()
            end_orphans(cluster)
    for record in folder.rglob("postgres.socket"):
        shutil.rmtree(record.read_text().strip(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
