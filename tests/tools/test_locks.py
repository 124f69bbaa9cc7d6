"""The lock files: complete, hashed, and silent about where packages come from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ["requirements.lock", "requirements-dev.lock"]


def _entries(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text().replace("\\\n", " ")
    return {line.split("==")[0]: line for line in text.splitlines() if line.strip()}


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower().replace("_", "-")


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_and_hashed(name: str) -> None:
    for package, entry in _entries(name).items():
        assert re.match(r"[a-z0-9-]+==[0-9][^ ]*( ;[^-]+| ) *--hash=sha256:[0-9a-f]{64}", entry), package


@pytest.mark.parametrize("name", LOCKS)
def test_no_download_host_is_named(name: str) -> None:
    text = (ROOT / name).read_text()

    assert "://" not in text
    assert not re.search(r"index-url|find-links|trusted-host", text)


def test_every_dependency_of_the_project_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime = {_name(requirement) for requirement in project["dependencies"]}
    everything = runtime | {_name(requirement) for requirement in project["optional-dependencies"]["dev"]}

    assert runtime <= set(_entries("requirements.lock"))
    assert everything <= set(_entries("requirements-dev.lock"))


def test_both_locks_agree() -> None:
    development = _entries("requirements-dev.lock")

    for package, entry in _entries("requirements.lock").items():
        # development may need on every Python what the server needs on some
        assert _without_marker(development[package]) == _without_marker(entry)


def _without_marker(entry: str) -> list[str]:
    requirement, *hashes = re.split(r"\s+--hash=", entry)
    return [requirement.partition(" ;")[0], *hashes]
