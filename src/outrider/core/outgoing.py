"""The one HTTP client for requests to addresses that somebody else named.

Network trouble comes back as a value that says whether the other side may have seen the request. Only public
addresses are dialled, over https, unless the operator allows others: names are resolved once, every address is
checked, and checked again at the very moment a socket is made for it. No redirects, proxies or cookies; answers
are bounded in time and size.
"""

import asyncio
import io
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.http_exceptions import LineTooLong
from multidict import CIMultiDict

from outrider.core import log
from outrider.core.targets import BadTarget, parse_target, refusal_of

MAX_RESPONSE_BYTES: Final = 64 * 1024

_CONNECT_SECONDS: Final = 10.0
# Below the five seconds after which common servers close an idle connection: a request written into a closing
# connection would be in doubt.
_KEEPALIVE_SECONDS: Final = 4.0
_DNS_CACHE_SECONDS: Final = 30
_DNS_THREADS: Final = 32
_READ_BUFFER: Final = 64 * 1024
_LONGEST_DETAIL: Final = 500
_LARGEST_BODY_AT_ONCE: Final = 512 * 1024

_AddressInfo = tuple[int, int, int, str, tuple[object, ...]]
Lookup = Callable[[str, int], Awaitable[list[str]]]
AddressPolicy = Callable[[str], str | None]


class FailureKind(StrEnum):
    """Where a request ended that got no answer."""

    REFUSED_TARGET = "refused_target"
    INVALID_URL = "invalid_url"
    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT_BEFORE_SEND = "timeout_before_send"
    TIMEOUT_AFTER_SEND = "timeout_after_send"
    CONNECTION_LOST = "connection_lost"
    TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The other side answered; `truncated` says that the body is not all of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool
    duration_ms: float


@dataclass(frozen=True, slots=True)
class HttpFailure:
    """No answer came; `may_have_been_sent` is False only if the other side cannot have seen the request."""

    kind: FailureKind
    detail: str
    may_have_been_sent: bool
    duration_ms: float


class RefusedTarget(Exception):
    """An address was about to be dialled that is not allowed."""


class OutgoingHttp:
    """One per process, made inside its event loop."""

    def __init__(
        self,
        *,
        allow_private_targets: bool = False,
        user_agent: str = "Outrider",
        lookup: Lookup | None = None,
        address_policy: AddressPolicy = refusal_of,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_private = allow_private_targets
        self._loop = asyncio.get_running_loop()
        self._policy = address_policy if not allow_private_targets else _allow_every_address
        self._resolver = _CheckedResolver(lookup, self._policy)
        self._connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            socket_factory=self._open_checked_socket,
            ssl=ssl_context or True,
            limit=0,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            ttl_dns_cache=_DNS_CACHE_SECONDS,
        )
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
        self._headers = CIMultiDict(
            {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        )

    async def close(self) -> None:
        """Close every connection; requests in flight end as lost."""
        await self._connector.close()
        await self._resolver.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        timeout_s: float,
        purpose: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> HttpAnswer | HttpFailure:
        """Send one request and read its answer up to a bound; never raises for what the network does.

        `purpose` names the caller in the log line of a refused target.
        """
        exchange = _Exchange(max_response_bytes)
        target = parse_target(url, allow_private=self._allow_private)
        if isinstance(target, BadTarget):
            kind = FailureKind.REFUSED_TARGET if target.is_refused else FailureKind.INVALID_URL
            outcome = exchange.failed(kind, target.detail)
        else:
            merged = self._headers.copy()
            merged.update(headers or {})
            # A large body is written piece by piece, so that other requests get their turn.
            data = io.BytesIO(body) if body and len(body) > _LARGEST_BODY_AT_ONCE else body
            build = partial(aiohttp.ClientRequest, method, target, headers=merged, data=data, loop=self._loop)
            outcome = await self._exchange(exchange, build, timeout_s)
        if isinstance(outcome, HttpFailure) and outcome.kind is FailureKind.REFUSED_TARGET:
            log.warning("outgoing.refused", purpose=purpose, detail=outcome.detail)
        return outcome

    async def _exchange(
        self, exchange: "_Exchange", build: Callable[[], aiohttp.ClientRequest], timeout_s: float
    ) -> HttpAnswer | HttpFailure:
        try:
            async with asyncio.timeout(timeout_s):
                request = build()
                await exchange.run(request, await self._connect(request))
        except (aiohttp.ClientError, OSError, RefusedTarget, ValueError) as problem:
            return exchange.ended_by(problem)
        return exchange.answer()

    async def _connect(self, request: aiohttp.ClientRequest) -> Connection:
        try:
            return await self._connector.connect(request, [], self._timeout)
        except RuntimeError as problem:
            # uvloop reports some failures of connect() this way.
            raise ConnectionError(str(problem)) from problem

    def _open_checked_socket(self, address: _AddressInfo) -> socket.socket:
        family, kind, protocol, _, endpoint = address
        what = self._policy(str(endpoint[0]))
        if what is not None:
            raise RefusedTarget(f"{endpoint[0]} is not a public address ({what})")
        return socket.socket(family, kind, protocol)


class _Exchange:
    """One request and its answer: knows how far it came, and turns that into the value to return."""

    __slots__ = ("_body", "_is_complete", "_may_have_been_sent", "_response", "_room", "_started")

    def __init__(self, max_response_bytes: int) -> None:
        self._started = time.perf_counter()
        self._room = max_response_bytes
        self._may_have_been_sent = False
        self._is_complete = False
        self._response: aiohttp.ClientResponse | None = None
        self._body = b""

    async def run(self, request: aiohttp.ClientRequest, connection: Connection) -> None:
        protocol = connection.protocol
        if protocol is None:
            raise ConnectionResetError("closed before use")
        protocol.set_response_params(
            skip_payload=request.method == "HEAD",
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=_READ_BUFFER,
        )
        self._may_have_been_sent = True
        try:
            response = await request.send(connection)
        except BaseException:
            connection.close()
            raise
        try:
            self._response = await response.start(connection)
            await self._read(response.content)
        finally:
            # Whatever was not read to its end takes its connection along.
            if not self._is_complete:
                response.close()

    async def _read(self, content: aiohttp.StreamReader) -> None:
        chunks: list[bytes] = []
        try:
            while not content.at_eof():
                chunk = await content.read(self._room + 1)
                if len(chunk) > self._room:
                    chunks.append(chunk[: self._room])
                    return
                chunks.append(chunk)
                self._room -= len(chunk)
            self._is_complete = True
        finally:
            self._body = chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def answer(self) -> HttpAnswer | HttpFailure:
        if self._response is None:
            return self.failed(FailureKind.CONNECTION_LOST, "the connection was closed without an answer")
        return HttpAnswer(
            status=self._response.status,
            headers=self._response.headers,
            body=self._body,
            truncated=not self._is_complete,
            duration_ms=self._elapsed_ms(),
        )

    def ended_by(self, problem: Exception) -> HttpAnswer | HttpFailure:
        # Once the status is there, the other side has answered, whatever becomes of the body.
        if self._response is not None:
            return self.answer()
        if isinstance(problem, ValueError) and not isinstance(problem, aiohttp.ClientError):
            # Only the writing of the request raises these, before its first byte leaves.
            self._may_have_been_sent = False
            return self.failed(FailureKind.INVALID_URL, f"the request cannot be written: {problem}")
        kind = _kind_after_send(problem) if self._may_have_been_sent else _kind_before_send(problem)
        return self.failed(kind, _describe(problem))

    def failed(self, kind: FailureKind, detail: str) -> HttpFailure:
        return HttpFailure(kind, detail[:_LONGEST_DETAIL], self._may_have_been_sent, self._elapsed_ms())

    def _elapsed_ms(self) -> float:
        return (time.perf_counter() - self._started) * 1000


def _kind_before_send(problem: Exception) -> FailureKind:
    match problem:
        case RefusedTarget():
            return FailureKind.REFUSED_TARGET
        case TimeoutError():
            return FailureKind.TIMEOUT_BEFORE_SEND
        case aiohttp.ClientConnectorDNSError():
            return FailureKind.DNS
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return FailureKind.TLS
        case aiohttp.InvalidURL():
            return FailureKind.INVALID_URL
        case _:
            return FailureKind.CONNECT


def _kind_after_send(problem: Exception) -> FailureKind:
    if isinstance(problem, TimeoutError):
        return FailureKind.TIMEOUT_AFTER_SEND
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, LineTooLong):
            return FailureKind.TOO_LARGE
        cause = cause.__cause__
    return FailureKind.CONNECTION_LOST


def _describe(problem: Exception) -> str:
    """Say what happened without the URL, whose path may be a secret."""
    match problem:
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ClientConnectorCertificateError():
            return f"{problem.host}:{problem.port}: {problem.certificate_error}"
        case aiohttp.ClientConnectorError():
            return f"{problem.host}:{problem.port}: {problem.os_error}"
        case aiohttp.ClientResponseError():
            return f"the answer is not HTTP: {problem.message}"
        case aiohttp.InvalidURL():
            return "the URL is malformed"
        case RefusedTarget():
            return str(problem)
        case OSError(errno=int(number)):
            return f"the connection was lost: {os.strerror(number)}"
        case _:
            return "the connection was closed without an answer"


class _CheckedResolver(AbstractResolver):
    """Resolves a name and refuses it if any of its addresses is refused."""

    def __init__(self, lookup: Lookup | None, policy: AddressPolicy) -> None:
        self._policy = policy
        # Its own threads: slow name servers must not hold up other work of the process.
        self._threads = ThreadPoolExecutor(_DNS_THREADS, thread_name_prefix="outrider-dns")
        self._lookup = lookup or self._ask_system

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            addresses = await self._lookup(host, port)
        except UnicodeError as problem:
            raise OSError(f"the name cannot be asked for: {problem}") from problem
        if not addresses:
            raise OSError("the name has no address")
        for address in addresses:
            what = self._policy(address)
            if what is not None:
                raise RefusedTarget(f"{host} resolves to {address}, not a public address ({what})")
        return [_resolved(host, port, address) for address in addresses]

    async def _ask_system(self, host: str, port: int) -> list[str]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(endpoint[0]) for *_, endpoint in found))

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _resolved(host: str, port: int, address: str) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=0,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


def _allow_every_address(_address: str) -> None:
    return None
