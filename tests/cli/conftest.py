"""A shell with a new, empty database for each test."""

import secrets
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from tests.cli.commands import Shell


@pytest.fixture
async def shell(dsn: str, tmp_path: Path) -> AsyncGenerator[Shell]:
    name = f"cli_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"create database {name}")
    yield Shell(tmp_path / "data", urlunsplit(urlsplit(dsn)._replace(path=f"/{name}")))
    await connection.execute(f"drop database {name} with (force)")
    await connection.close()
