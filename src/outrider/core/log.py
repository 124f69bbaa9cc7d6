"""One structured line per unit of work, as JSON; secrets are masked here, centrally, whoever logs.

Before `start` lines go to standard error directly; after it through a queue that never makes a caller wait.
Logging never raises.
"""

import atexit
import json
import logging
import random
import time
import traceback
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, Literal

import orjson

from outrider.core.log_output import QueuedOutput, Write, write_all
from outrider.core.masking import MASK, is_secret_name, mask_text, mask_value

Level = Literal["info", "warning", "error"]

_RANKS: Final[dict[str, int]] = {"info": 20, "warning": 30, "error": 40}
_LONGEST_TEXT: Final = 8_000
_STANDARD_ERROR: Final = 2
# Data classes as text: their own repr knows which of their fields are secret.
_OPTIONS: Final = orjson.OPT_APPEND_NEWLINE | orjson.OPT_PASSTHROUGH_DATACLASS


class _State:
    """The one log of the process."""

    def __init__(self) -> None:
        self.write: Write = _write_directly
        self.least_rank = _RANKS["info"]
        self.sample_successes = 1.0
        self.output: QueuedOutput | None = None
        self.second = 0
        self.second_text = ""


def _write_directly(line: bytes) -> None:
    write_all(_STANDARD_ERROR, line)


_state = _State()
# Names of fields come from our own calls, so this cannot grow without bound.
_secret_fields: dict[str, bool] = {}


def wide(event: str, /, *, level: Level = "info", outcome: str = "ok", **fields: object) -> None:
    """Write the line of one unit of work, named `subject.past`; successes may be sampled."""
    if _RANKS[level] < _state.least_rank:
        return
    sampled = _state.sample_successes
    if sampled < 1.0 and outcome == "ok" and level == "info":
        if random.random() >= sampled:
            return
        fields["sample"] = sampled
    _state.write(_line(event, level, {"outcome": outcome, **fields}))


def info(event: str, /, **fields: object) -> None:
    """Write a line about the server itself; these are never sampled."""
    _emit(event, "info", fields)


def warning(event: str, /, **fields: object) -> None:
    """Write a line about something that an operator should look at some day."""
    _emit(event, "warning", fields)


def error(event: str, /, **fields: object) -> None:
    """Write a line about something that needs an operator."""
    _emit(event, "error", fields)


def exception(event: str, problem: BaseException, /, **fields: object) -> None:
    """Write a line about a surprise, with its traceback."""
    _emit(event, "error", {**fields, "error": type(problem).__name__, "traceback": _traceback(problem)})


def _emit(event: str, level: Level, fields: dict[str, object]) -> None:
    if _RANKS[level] >= _state.least_rank:
        _state.write(_line(event, level, fields))


def _line(event: str, level: str, fields: dict[str, object]) -> bytes:
    line: dict[str, object] = {"time": _now(), "level": level, "event": event}
    for name, value in fields.items():
        line[name] = _shown(name, value)
    try:
        return orjson.dumps(line, default=_text_of, option=_OPTIONS)
    except TypeError:
        # Lone surrogates and integers beyond 64 bits, which the standard library writes as escapes and digits.
        return _unusual_line(line)


def _shown(name: str, value: object) -> object:
    is_secret = _secret_fields.get(name)
    if is_secret is None:
        is_secret = _secret_fields[name] = is_secret_name(name)
    if is_secret:
        return None if value is None else MASK
    match value:
        case str():
            shown = mask_text(value[: 2 * _LONGEST_TEXT])
            return shown if len(shown) <= _LONGEST_TEXT else shown[:_LONGEST_TEXT] + "…"
        case uuid.UUID():
            return str(value)
        case int() | float() | None:
            return value
        case _:
            return mask_value(value)


def _text_of(value: object) -> str:
    try:
        return mask_text(str(value))
    except Exception:  # noqa: BLE001 - a foreign __str__ may raise anything, and logging never does
        return f"<{type(value).__name__}>"


def _unusual_line(line: dict[str, object]) -> bytes:
    try:
        return json.dumps(line, default=_text_of, skipkeys=True).encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as problem:
        kept = {name: line[name] for name in ("time", "level", "event")}
        return json.dumps({**kept, "log_error": type(problem).__name__}).encode() + b"\n"


def _now() -> str:
    second, rest = divmod(time.time_ns(), 1_000_000_000)
    if second != _state.second:
        _state.second = second
        _state.second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    return f"{_state.second_text}.{rest // 1_000_000:03d}Z"


def _traceback(problem: BaseException) -> str:
    return "".join(traceback.format_exception(problem))


class _LibraryHandler(logging.Handler):
    """Turns what libraries log into lines like ours."""

    def emit(self, record: logging.LogRecord) -> None:
        level: Level = "error" if record.levelno >= 40 else "warning" if record.levelno >= 30 else "info"
        fields: dict[str, object] = {"logger": record.name}
        try:
            fields["message"] = record.getMessage()
        except (TypeError, ValueError):
            fields["message"] = str(record.msg)
        if record.exc_info and record.exc_info[1]:
            fields["error"] = type(record.exc_info[1]).__name__
            fields["traceback"] = _traceback(record.exc_info[1])
        _emit("library.logged", level, fields)


def start(*, level: Level = "info", sample_successes: float = 1.0, fd: int = _STANDARD_ERROR) -> None:
    """Begin to log through a queue, and take over what libraries log from level warning on."""
    stop()
    _state.least_rank = _RANKS[level]
    _state.sample_successes = sample_successes
    _state.output = QueuedOutput(fd, _report_dropped)
    _state.write = _state.output.write
    logging.basicConfig(level=max(_RANKS[level], logging.WARNING), handlers=[_LibraryHandler()], force=True)
    logging.captureWarnings(capture=True)
    atexit.register(stop)


def stop() -> None:
    """Write what is queued, as far as somebody reads it, and go back to writing directly."""
    output, _state.output = _state.output, None
    if output is None:
        return
    _state.write = _write_directly
    output.close()
    logging.captureWarnings(capture=False)
    logging.basicConfig(level=logging.WARNING, handlers=[logging.StreamHandler()], force=True)
    atexit.unregister(stop)


def dropped_lines() -> int:
    """Tell how many lines were lost since `start` because nobody read them."""
    return _state.output.dropped if _state.output else 0


@contextmanager
def redirected(write: Write) -> Generator[None]:
    """Hand every line to a function instead, for as long as the context lasts."""
    before, _state.write = _state.write, write
    try:
        yield
    finally:
        _state.write = before


def _report_dropped(count: int) -> bytes:
    return _line("log.dropped", "warning", {"lines": count})
