import dataclasses
import fcntl
import json
import logging
import os
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from asyncpg.pgproto.pgproto import UUID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outrider.core import log
from outrider.core.log_output import QueuedOutput


@pytest.fixture
def lines() -> Iterator[list[bytes]]:
    written: list[bytes] = []
    with log.redirected(written.append):
        yield written


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    """Start the log into a file; libraries' own logging is put back afterwards."""
    handlers, level = list(logging.root.handlers), logging.root.level
    path = tmp_path / "log"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log.start(fd=fd)
    yield path
    log.stop()
    os.close(fd)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def parsed(lines: list[bytes]) -> list[dict[str, object]]:
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
    return [json.loads(line) for line in lines]


def test_a_unit_of_work_is_one_line_of_json(lines: list[bytes]) -> None:
    made = uuid.uuid4()

    log.wide(
        "message.accepted", application_id=made, event_id=UUID(made.bytes), duration_ms=1.5, parts=["a", 1]
    )

    (line,) = parsed(lines)
    assert list(line)[:4] == ["time", "level", "event", "outcome"]
    assert line | {"time": ""} == {
        "time": "",
        "level": "info",
        "event": "message.accepted",
        "outcome": "ok",
        "application_id": str(made),
        "event_id": str(made),
        "duration_ms": 1.5,
        "parts": ["a", 1],
    }


def test_the_time_is_utc_in_milliseconds(lines: list[bytes]) -> None:
    before = time.time()
    log.info("server.started")
    after = time.time()

    (line,) = parsed(lines)
    stamp = time.strptime(str(line["time"])[:19] + "+0000", "%Y-%m-%dT%H:%M:%S%z")
    assert str(line["time"])[19] == "."
    assert str(line["time"]).endswith("Z")
    assert int(before) <= time.mktime(stamp) - time.timezone <= after


def test_secrets_are_masked_whoever_logs_them(lines: list[bytes]) -> None:
    log.wide(
        "request.handled",
        authorization="x",
        token=12345678,
        secret=None,
        path="/webhooks/0198/hunter2",
        config={"bot_token": "hunter2"},
        detail="postgres://me:hunter2@db/x",
    )
    log.exception("request.failed", ValueError("key otr_live_hunter2"), api_key="hunter2")

    assert b"hunter2" not in b"".join(lines)
    assert b"12345678" not in b"".join(lines)
    assert parsed(lines)[0]["secret"] is None


def test_an_exception_brings_its_traceback(lines: list[bytes]) -> None:
    try:
        json.loads("{")
    except ValueError as problem:
        log.exception("request.failed", problem, surface="graphql")

    (line,) = parsed(lines)
    assert (line["level"], line["error"], line["surface"]) == ("error", "JSONDecodeError", "graphql")
    assert "json.loads" in str(line["traceback"])


def test_levels_below_the_least_are_not_written(lines: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log._state, "least_rank", 30)

    log.info("a")
    log.wide("b")
    log.wide("c", level="warning")
    log.warning("d")
    log.error("e")

    assert [line["event"] for line in parsed(lines)] == ["c", "d", "e"]


def test_only_successes_are_sampled(lines: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log._state, "sample_successes", 0.1)

    for _ in range(2000):
        log.wide("delivery.attempted")
    for _ in range(50):
        log.wide("delivery.attempted", outcome="failed")
        log.wide("delivery.attempted", level="warning")
        log.info("server.started")

    outcomes = [(line.get("outcome"), line["level"], line.get("sample")) for line in parsed(lines)]
    assert outcomes.count(("failed", "info", None)) == 50
    assert outcomes.count(("ok", "warning", None)) == 50
    assert outcomes.count((None, "info", None)) == 50
    assert 100 < outcomes.count(("ok", "info", 0.1)) < 320


@dataclasses.dataclass
class Account:
    password: str = dataclasses.field(repr=False)
    name: str = "main"


class Nameless:
    def __str__(self) -> str:
        raise KeyError("no name")


@pytest.mark.parametrize(
    "value",
    [
        "\ud800",
        {"a": "\udfff", 1: 2},
        2**80,
        float("nan"),
        object(),
        {1, 2},
        b"\xff",
        {"deep": [[[[[[[[[[[[[[[[[[[["x"]]]]]]]]]]]]]]]]]]]]},
        Account("hunter2"),
        Nameless(),
        time.gmtime(),
    ],
)
def test_no_value_keeps_a_line_from_being_written(lines: list[bytes], value: object) -> None:
    log.wide("odd.value", value=value)

    (line,) = parsed(lines)
    assert line["event"] == "odd.value"
    assert "hunter2" not in str(line)


def test_a_value_that_contains_itself_is_cut(lines: list[bytes]) -> None:
    value: list[object] = []
    value.append(value)

    log.wide("odd.value", value=value)

    assert len(parsed(lines)) == 1


def test_a_long_text_is_cut_without_showing_half_of_a_secret(lines: list[bytes]) -> None:
    log.wide("request.refused", detail="x" * 7_990 + " otr_live_" + "s" * 100_000)

    (line,) = parsed(lines)
    assert len(str(line["detail"])) < 8_100
    assert "sss" not in str(line["detail"])


@given(
    st.dictionaries(
        st.text(st.characters(), max_size=8), st.text(st.characters()) | st.integers() | st.floats()
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_fields_make_one_line(lines: list[bytes], fields: dict[str, object]) -> None:
    lines.clear()

    log._emit("a.b", "info", fields)

    assert len(parsed(lines)) == 1


def test_libraries_log_through_the_same_gate(log_file: Path) -> None:
    logging.getLogger("asyncpg").warning("cannot connect to %s", "postgres://me:hunter2@db/x")
    logging.getLogger("aiohttp").info("too chatty")
    logging.getLogger("x").error("failed %d times", 3)
    try:
        raise OSError("Bearer hunter2hunter2")
    except OSError:
        logging.getLogger("y").exception("failed")
    log.stop()

    written = parsed(log_file.read_bytes().splitlines(keepends=True))
    assert [(line["level"], line["logger"]) for line in written] == [
        ("warning", "asyncpg"),
        ("error", "x"),
        ("error", "y"),
    ]
    assert "hunter2" not in str(written)
    assert "Traceback" in str(written[2]["traceback"])


def test_a_library_with_wrong_arguments_is_heard_all_the_same(lines: list[bytes]) -> None:
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "wrong arguments %s %s", (1,), None)

    log._LibraryHandler().emit(record)

    assert parsed(lines)[0]["message"] == "wrong arguments %s %s"


def test_warnings_are_logged_after_the_start(log_file: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old way", DeprecationWarning, stacklevel=1)
    log.stop()

    assert b"old way" in log_file.read_bytes()


def test_lines_keep_their_order_through_the_queue(log_file: Path) -> None:
    for number in range(5_000):
        log.info("counted", number=number)
    log.stop()

    written = parsed(log_file.read_bytes().splitlines(keepends=True))
    assert [line["number"] for line in written] == list(range(5_000))


def test_a_line_is_written_soon_without_any_further_call(log_file: Path) -> None:
    log.info("alone")

    deadline = time.monotonic() + 5
    while not log_file.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert b"alone" in log_file.read_bytes()


def small_pipe() -> tuple[int, int]:
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    return read, write


def test_a_pipe_that_nobody_reads_stalls_nobody_and_the_loss_is_reported() -> None:
    read, write = small_pipe()
    output = QueuedOutput(write, lambda count: b"lost %d\n" % count, max_lines=100)
    line = b"x" * 999 + b"\n"

    started = time.monotonic()
    for _ in range(1_000):
        output.write(line)
    assert time.monotonic() - started < 1
    assert output.dropped >= 890

    received = b""
    while b"lost" not in received:
        received += os.read(read, 65_536)
    output.close()
    kept = received.count(line)
    assert b"lost %d\n" % (1_000 - kept) in received
    os.close(read)
    os.close(write)


def test_the_queue_is_bounded_in_bytes() -> None:
    read, write = small_pipe()
    output = QueuedOutput(write, lambda _: b"", max_bytes=50_000)

    for _ in range(1_000):
        output.write(b"x" * 1_000)

    assert 930 <= output.dropped <= 950
    os.close(read)
    output.close()
    os.close(write)


def test_closing_does_not_wait_for_a_reader_that_never_comes() -> None:
    read, write = small_pipe()
    output = QueuedOutput(write, lambda _: b"")
    for _ in range(100):
        output.write(b"x" * 1_000)

    started = time.monotonic()
    output.close(timeout=0.2)

    assert time.monotonic() - started < 2
    os.close(read)
    os.close(write)


def test_a_reader_that_has_gone_makes_lines_vanish_quietly() -> None:
    read, write = small_pipe()
    output = QueuedOutput(write, lambda _: b"")
    os.close(read)

    output.write(b"x\n")
    output._thread.join(5)
    output.write(b"y\n")

    assert not output._thread.is_alive()
    assert output.dropped == 1
    output.close()
    os.close(write)


def test_a_pipe_that_does_not_block_gets_every_byte() -> None:
    read, write = small_pipe()
    os.set_blocking(write, False)
    output = QueuedOutput(write, lambda _: b"")

    for _ in range(50):
        output.write(b"x" * 999 + b"\n")
    received = b""
    while len(received) < 50_000:
        received += os.read(read, 65_536)

    assert received == (b"x" * 999 + b"\n") * 50
    output.close()
    os.close(read)
    os.close(write)


def test_before_the_start_lines_go_to_standard_error_and_the_rest_is_flushed_at_exit() -> None:
    program = "from outrider.core import log\nlog.info('first')\nlog.start()\nlog.info('second')\n"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=30)

    assert done.stdout == b""
    assert [line["event"] for line in parsed(done.stderr.splitlines(keepends=True))] == ["first", "second"]
