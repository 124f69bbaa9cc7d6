"""Peers are tried to be installed once a day, and again by a script that is newer."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# an npm that only tells that it was called, on a machine without network
NPM = '#!/bin/sh\necho called >>"$(dirname "$0")/calls"\nexit 1\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with nothing but the script, and a Node that installs nothing."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/install_peers.sh", tmp_path / "tools")
    (tmp_path / "bin").mkdir()
    for name in ("npm", "node"):
        program = tmp_path / "bin" / name
        program.write_text(NPM)
        program.chmod(0o755)
    return tmp_path


def _install(project: Path) -> int:
    """Run it; how often npm was called for that."""
    calls = project / "bin" / "calls"
    calls.unlink(missing_ok=True)
    path = f"{project / 'bin'}:{os.environ['PATH']}"
    subprocess.run(
        ["/bin/bash", str(project / "tools/install_peers.sh")],
        env={"PATH": path, "HOME": str(project)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    return len(calls.read_text().splitlines()) if calls.exists() else 0


def test_what_was_tried_is_not_tried_again_on_the_same_day(project: Path) -> None:
    assert _install(project) > 0
    assert _install(project) == 0


def test_a_newer_script_tries_again(project: Path) -> None:
    _install(project)
    later = time.time() + 5
    os.utime(project / "tools/install_peers.sh", (later, later))

    assert _install(project) > 0


def test_the_next_day_it_is_tried_again(project: Path) -> None:
    _install(project)
    (tried,) = (project / ".peers").glob(".tried*")
    yesterday = time.time() - 25 * 3600
    os.utime(project / "tools/install_peers.sh", (yesterday - 60, yesterday - 60))
    os.utime(tried, (yesterday, yesterday))

    assert _install(project) > 0
