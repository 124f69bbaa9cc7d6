"""Small files in the data directory that only their owner can read, replaced whole or not at all."""

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import orjson

from outrider.core.errors import ValidationError


def read_kept(path: Path) -> dict[str, Any] | None:
    """Read a file; None if there is none."""
    try:
        value: object = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValidationError(f"{path} is damaged. Move it away and run the command again.")
    return cast("dict[str, Any]", value)


def keep(path: Path, value: Mapping[str, object]) -> None:
    """Write a file so that after a crash it is there whole or as it was."""
    keep_text(path, json.dumps(dict(value), indent=2) + "\n")


def keep_text(path: Path, text: str) -> None:
    """Write a text so, readable by its owner only."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, 0o600)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
