import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from outrider.webhooks.signing import new_secret, outbound_headers, signature_headers
from tests.cli.commands import Shell, line_with

BODY = json.dumps({"event_type": "message.inbound", "payload": {"text": "Ahoi ☀"}}).encode()


@dataclass(frozen=True)
class Listener:
    """A running `outrider listen`."""

    url: str
    process: asyncio.subprocess.Process
    session: aiohttp.ClientSession

    async def post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        """Deliver; returns the answer's status and what was printed."""
        async with self.session.post(f"{self.url}hook?x=1", data=body, headers=headers) as answer:
            status = answer.status
        assert self.process.stdout is not None
        lines: list[str] = []
        async with asyncio.timeout(10):
            while not (line := (await self.process.stdout.readline()).decode()).startswith("  answered"):
                lines.append(line)
        assert line == f"  answered {status}\n"
        return status, "".join(lines)


@asynccontextmanager
async def listening(tmp_path: Path, *words: str) -> AsyncGenerator[Listener]:
    shell = Shell(tmp_path)
    async with (
        shell.running("listen", "--port", "0", *words) as process,
        aiohttp.ClientSession() as session,
    ):
        line = await line_with(process, "Listening on ")
        yield Listener(line.split()[2], process, session)


def signed(secret: str, body: bytes = BODY, *, age: float = 0) -> dict[str, str]:
    headers = signature_headers(
        [secret], "0190a000-0000-7000-8000-000000000000", int(time.time() - age), body
    )
    return {**headers, "content-type": "application/json", "X-Outeract-Attempt": "2"}


async def test_a_delivery_is_verified_printed_and_answered(tmp_path: Path) -> None:
    secret = new_secret()
    async with listening(tmp_path, "--secret", new_secret(), "--secret", secret) as listener:
        status, printed = await listener.post(BODY, signed(secret))

    assert status == 200
    assert "POST /hook?x=1" in printed
    assert "webhook-id 0190a000-0000-7000-8000-000000000000" in printed
    assert "attempt 2" in printed
    assert "signatures verified" in printed
    assert '"text": "Ahoi ☀"' in printed


def outbound(secret: str, body: bytes = BODY, *, age: float = 0) -> dict[str, str]:
    headers = outbound_headers([secret], "0190a000-0000-7000-8000-000000000000", int(time.time() - age), body)
    return {**headers, "content-type": "application/json", "X-Outbound-Attempt": "3"}


async def test_a_delivery_of_the_family_outbound_is_verified_too(tmp_path: Path) -> None:
    secret = new_secret()
    async with listening(tmp_path, "--secret", secret) as listener:
        status, printed = await listener.post(BODY, outbound(secret))
        wrong = {**outbound(secret), "X-Outbound-Signature": "00"}
        refused, said = await listener.post(BODY, wrong)

    assert status == 200
    assert "signatures verified" in printed
    assert "attempt 3" in printed
    assert refused == 401
    assert "X-Outbound-Signature is wrong" in said


@pytest.mark.parametrize("flaw", ["secret", "body", "age", "nothing", "outeract"])
async def test_a_wrong_signature_is_refused(tmp_path: Path, flaw: str) -> None:
    secret = new_secret()
    headers = {
        "secret": signed(new_secret()),
        "body": signed(secret, b"{}"),
        "age": signed(secret, age=600),
        "nothing": {},
        "outeract": {**signed(secret), "X-Outeract-Signature": "sha256=00"},
    }[flaw]

    async with listening(tmp_path, "--secret", secret) as listener:
        status, printed = await listener.post(BODY, headers)

    assert status == 401
    assert "SIGNATURE REFUSED" in printed


async def test_without_a_secret_it_says_that_nothing_was_checked(tmp_path: Path) -> None:
    async with listening(tmp_path) as listener:
        status, printed = await listener.post(b"not json \xff", {})

    assert status == 200
    assert "signatures not checked" in printed
    assert "not json" in printed


async def test_a_message_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    nasty = json.dumps({"text": "\x1b]0;owned\x07 \x9b31m \u202e"}, ensure_ascii=False).encode()
    async with listening(tmp_path) as listener:
        _, as_json = await listener.post(nasty, {})
        _, as_text = await listener.post(b"\x1b[2J\r\x9b" + "\x9b\u202e".encode(), {})

    for printed in (as_json, as_text):
        assert not set(printed) & {"\x1b", "\x07", "\x9b", "\u202e", "\r"}
    assert "\\u001b]0;owned" in as_json


async def test_failures_can_be_asked_for_to_see_retries(tmp_path: Path) -> None:
    async with listening(tmp_path, "--fail", "2", "--answer", "204") as listener:
        statuses = [(await listener.post(BODY, {}))[0] for _ in range(4)]

    assert statuses == [503, 503, 204, 204]


async def test_a_delivery_is_passed_on_as_it_came_and_answered_as_it_was(tmp_path: Path) -> None:
    secret = new_secret()
    async with (
        listening(tmp_path, "--secret", secret, "--answer", "418") as second,
        listening(tmp_path, "--forward", f"{second.url}app") as first,
    ):
        status, _ = await first.post(BODY, signed(secret))
        printed = await line_with(second.process, "signatures")

    assert status == 418
    assert "verified" in printed


async def test_a_forward_that_fails_is_told_and_answered_502(tmp_path: Path) -> None:
    async with listening(tmp_path, "--forward", "http://127.0.0.1:1/") as listener:
        status, printed = await listener.post(BODY, {})

    assert status == 502
    assert "could not forward" in printed


async def test_a_bad_secret_is_refused_at_the_start(tmp_path: Path) -> None:
    finished = await Shell(tmp_path).run("listen", "--secret", "short")

    assert finished.status == 1
    assert "32 to 255 characters" in finished.err


async def test_it_stops_when_it_is_told_to(tmp_path: Path) -> None:
    async with listening(tmp_path) as listener:
        listener.process.terminate()
        async with asyncio.timeout(5):
            assert await listener.process.wait() == 0
