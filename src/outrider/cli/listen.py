"""`outrider listen`: a webhook receiver on this machine that prints what comes, verifies it and may pass it on.

What it prints was written by strangers: control characters are shown as escapes, so that no message can move
the cursor or rename the window.
"""

import asyncio
import contextlib
import json
import re
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

import aiohttp
from aiohttp import web

from outrider.cli.arguments import Arguments
from outrider.core.sockets import listen_on
from outrider.webhooks.signing import checked_secret, verify_outbound, verify_outeract, verify_standard

_BODY_BYTES: Final = 16 * 1024 * 1024
_FORWARD_SECONDS: Final = 15.0
_OLDEST_SECONDS: Final = 300
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
# They belong to one hop, or are made anew by the next.
_HOP_HEADERS: Final = frozenset({"host", "connection", "content-length", "transfer-encoding", "keep-alive"})


@dataclass(slots=True)
class Receiver:
    """Where deliveries end up, and how they are answered."""

    secrets: tuple[str, ...]
    forward_url: str | None
    answer: int
    still_failing: int
    session: aiohttp.ClientSession
    count: int = 0


async def run(arguments: Arguments) -> int:
    """Receive until SIGINT or SIGTERM."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    timeout = aiohttp.ClientTimeout(total=_FORWARD_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
        receiver = Receiver(
            secrets=tuple(checked_secret(secret) for secret in arguments.secret or ()),
            forward_url=arguments.forward,
            answer=arguments.answer,
            still_failing=arguments.fail,
            session=session,
        )
        app = web.Application(client_max_size=_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", _handler(receiver))
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        try:
            listening = listen_on(
                arguments.listen_host, arguments.listen_port, remedy="--port chooses another port."
            )
            site = web.SockSite(runner, listening)
            await site.start()
            _say(f"Listening on {_url(runner, arguments.listen_host)} (Ctrl-C stops)")
            if not receiver.secrets:
                _say("Signatures are not checked: give the subscription's secret with --secret.")
            await stopping.wait()
        finally:
            await runner.cleanup()
    return 0


def _url(runner: web.AppRunner, host: str) -> str:
    port = cast("tuple[str, int]", runner.addresses[0])[1]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _handler(receiver: Receiver) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        receiver.count += 1
        problem = _signature_problem(receiver.secrets, headers, body)
        _say(
            _title(receiver.count, request, headers), f"  {_verdict(receiver.secrets, problem)}", _shown(body)
        )
        if problem is not None:
            answer = web.Response(status=401, text="signature\n")
        else:
            answer = await _answer(receiver, request, body)
        _say(f"  answered {answer.status}", "")
        return answer

    return handle


def _signature_problem(secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes) -> str | None:
    if not secrets:
        return None
    if not any(verify_standard(secret, headers, body) for secret in secrets):
        return "webhook-signature is wrong"
    is_outbound = "x-outbound-signature" in headers
    verify = verify_outbound if is_outbound else verify_outeract
    if not any(verify(secret, headers, body) for secret in secrets):
        return f"{'X-Outbound-Signature' if is_outbound else 'X-Outeract-Signature'} is wrong"
    timestamp = headers["webhook-timestamp"]
    if (
        not timestamp.isascii()
        or not timestamp.isdigit()
        or abs(time.time() - int(timestamp)) > _OLDEST_SECONDS
    ):
        return "webhook-timestamp is more than five minutes away from this clock"
    return None


def _verdict(secrets: tuple[str, ...], problem: str | None) -> str:
    if problem is not None:
        return f"SIGNATURE REFUSED: {problem}"
    return "signatures verified" if secrets else "signatures not checked"


def _title(count: int, request: web.Request, headers: Mapping[str, str]) -> str:
    attempt = headers.get("x-outbound-attempt") or headers.get("x-outeract-attempt")
    parts = [
        f"#{count}",
        datetime.now().astimezone().strftime("%H:%M:%S"),
        f"{request.method} {request.raw_path}",
        f"webhook-id {headers['webhook-id']}" if "webhook-id" in headers else "",
        f"attempt {attempt}" if attempt else "",
    ]
    return _escaped("  ".join(part for part in parts if part))


def _shown(body: bytes) -> str:
    text = body.decode("utf-8", "backslashreplace")
    with contextlib.suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return "\n".join(f"  {line}" for line in _escaped(text).split("\n"))


def _escaped(text: str) -> str:
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


async def _answer(receiver: Receiver, request: web.Request, body: bytes) -> web.Response:
    if receiver.still_failing > 0:
        receiver.still_failing -= 1
        return web.Response(status=503, text="failing as asked\n")
    if receiver.forward_url is None:
        return web.Response(status=receiver.answer)
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_HEADERS}
    try:
        async with receiver.session.request(
            request.method, receiver.forward_url, data=body, headers=headers, allow_redirects=False
        ) as answered:
            content = await answered.read()
            return web.Response(status=answered.status, body=content, content_type=answered.content_type)
    except (aiohttp.ClientError, TimeoutError, ValueError) as problem:
        _say(f"  could not forward: {_escaped(str(problem) or type(problem).__name__)}")
        return web.Response(status=502, text="could not forward\n")


def _say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)
