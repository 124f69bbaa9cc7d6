import asyncio
import contextlib
import datetime
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from outrider.core import log
from outrider.core.outgoing import FailureKind, HttpAnswer, HttpFailure, OutgoingHttp

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Reply = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Peer:
    """A server of the test: says what it is told to, keeps what it heard."""

    port: int
    heard: list[bytes] = field(default_factory=list)
    connections: int = 0

    def url(self, path: str = "/hook", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        ),
        0,
    )
    return head + await reader.readexactly(length)


@asynccontextmanager
async def peer(
    answer: bytes | Reply = OK, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Peer]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here.connections += 1
        at_work.add(cast("asyncio.Task[None]", asyncio.current_task()))
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await converse(reader, writer)
        finally:
            writer.close()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            if not isinstance(answer, bytes):
                here.heard.append(await reader.readuntil(b"\r\n\r\n"))
                return await answer(reader, writer)
            here.heard.append(await read_request(reader))
            writer.write(answer)
            await writer.drain()

    at_work: set[asyncio.Task[None]] = set()
    server = await asyncio.start_server(serve, host, port, ssl=tls)
    here = Peer(server.sockets[0].getsockname()[1])
    yield here
    server.close()
    for task in at_work:
        task.cancel()
    await asyncio.gather(*at_work, return_exceptions=True)


@pytest.fixture
async def http() -> AsyncIterator[OutgoingHttp]:
    client = OutgoingHttp(allow_private_targets=True)
    yield client
    await client.close()


@pytest.fixture(autouse=True)
def lines() -> Iterator[list[bytes]]:
    written: list[bytes] = []
    with log.redirected(written.append):
        yield written


async def get(http: OutgoingHttp, url: str, timeout_s: float = 5) -> HttpAnswer | HttpFailure:
    return await http.request("GET", url, timeout_s=timeout_s, purpose="test")


async def post(
    http: OutgoingHttp,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"{}",
    timeout_s: float = 5,
) -> HttpAnswer | HttpFailure:
    return await http.request("POST", url, headers=headers, body=body, timeout_s=timeout_s, purpose="test")


def failure(outcome: HttpAnswer | HttpFailure) -> tuple[FailureKind, bool]:
    assert isinstance(outcome, HttpFailure), outcome
    assert outcome.detail
    return outcome.kind, outcome.may_have_been_sent


async def test_an_answer_brings_status_headers_and_body(http: OutgoingHttp) -> None:
    reply = b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nlate"
    async with peer(reply) as here:
        outcome = await post(
            http, here.url("/a?b=c"), headers={"X-One": "1", "Content-Type": "application/json"}
        )

    assert isinstance(outcome, HttpAnswer)
    assert (outcome.status, outcome.headers["retry-after"], outcome.body) == (429, "7", b"late")
    assert outcome.truncated is False
    assert 0 < outcome.duration_ms < 5_000
    head, body = here.heard[0].split(b"\r\n\r\n")
    assert body == b"{}"
    assert head.split(b"\r\n")[0] == b"POST /a?b=c HTTP/1.1"
    assert set(head.lower().split(b"\r\n")[1:]) == {
        b"host: 127.0.0.1:%d" % here.port,
        b"user-agent: outrider",
        b"accept: */*",
        b"accept-encoding: identity",
        b"x-one: 1",
        b"content-type: application/json",
        b"content-length: 2",
    }


async def test_connections_are_used_again(http: OutgoingHttp) -> None:
    async with peer() as here:
        for _ in range(20):
            assert isinstance(await post(http, here.url()), HttpAnswer)

    assert (here.connections, len(here.heard)) == (1, 20)


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
async def test_every_framing_of_a_body_is_read_and_leaves_a_usable_connection(
    http: OutgoingHttp, reply: bytes, body: bytes
) -> None:
    async with peer(reply) as here:
        for _ in range(2):
            outcome = await get(http, here.url())
            assert isinstance(outcome, HttpAnswer)
            assert (outcome.body, outcome.truncated) == (body, False)

    assert here.connections == 1


async def test_a_body_that_ends_with_the_connection_is_complete(http: OutgoingHttp) -> None:
    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it")

    async with peer(reply) as here:
        outcome = await get(http, here.url())

    assert isinstance(outcome, HttpAnswer)
    assert (outcome.body, outcome.truncated) == (b"all of it", False)


async def test_head_reads_no_body(http: OutgoingHttp) -> None:
    async with peer(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n") as here:
        outcome = await http.request("HEAD", here.url(), timeout_s=5, purpose="test")

    assert isinstance(outcome, HttpAnswer)
    assert (outcome.status, outcome.body) == (200, b"")


async def test_a_redirect_is_an_answer_and_is_not_followed(http: OutgoingHttp) -> None:
    async with (
        peer() as elsewhere,
        peer(
            b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % elsewhere.url().encode()
        ) as here,
    ):
        outcome = await get(http, here.url())

    assert isinstance(outcome, HttpAnswer)
    assert outcome.status == 302
    assert elsewhere.heard == []


async def test_cookies_are_neither_kept_nor_sent(http: OutgoingHttp) -> None:
    reply = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with peer(reply) as here:
        await get(http, here.url())
        await get(http, here.url())

    assert b"cookie" not in here.heard[1].lower()


async def test_proxies_of_the_environment_are_ignored(
    http: OutgoingHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with peer() as here:
        assert isinstance(await get(http, here.url()), HttpAnswer)


@pytest.mark.parametrize("size", [65_536, 65_537, 5_000_000])
async def test_a_body_is_read_up_to_the_bound(http: OutgoingHttp, size: int) -> None:
    async with peer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size) as here:
        outcome = await get(http, here.url())
        again = await get(http, here.url())

    assert isinstance(outcome, HttpAnswer)
    assert isinstance(again, HttpAnswer)
    assert (len(outcome.body), outcome.truncated) == (min(size, 65_536), size > 65_536)
    # What was read to its end leaves a usable connection, the rest of a long body does not.
    assert size == 65_537 or here.connections == (1 if size == 65_536 else 2)


async def test_a_compressed_body_is_not_expanded(http: OutgoingHttp) -> None:
    async with peer(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbomb") as here:
        outcome = await get(http, here.url())

    assert isinstance(outcome, HttpAnswer)
    assert outcome.body == b"bomb"


async def test_an_endless_body_ends_with_the_time(http: OutgoingHttp) -> None:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with peer(drip) as here:
        started = time.monotonic()
        outcome = await get(http, here.url(), timeout_s=0.3)

    assert time.monotonic() - started < 2
    assert isinstance(outcome, HttpAnswer)
    assert (outcome.status, outcome.truncated) == (200, True)
    assert 0 < len(outcome.body) < 1000


async def test_a_body_cut_off_by_the_other_side_still_has_its_status(http: OutgoingHttp) -> None:
    async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nhalf")

    async with peer(cut) as here:
        outcome = await post(http, here.url())

    assert isinstance(outcome, HttpAnswer)
    assert (outcome.status, outcome.body, outcome.truncated) == (201, b"half", True)


async def test_no_answer_in_time_may_have_been_sent(http: OutgoingHttp) -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with peer(silent) as here:
        outcome = await post(http, here.url(), timeout_s=0.2)
        # The connection of the late answer is not used again.
        again = await post(http, here.url(), timeout_s=0.2)

    assert failure(outcome) == failure(again) == (FailureKind.TIMEOUT_AFTER_SEND, True)
    assert here.connections == 2


async def test_a_connection_that_is_not_accepted_in_time_sent_nothing(http: OutgoingHttp) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        outcome = await post(http, f"http://127.0.0.1:{port}/", timeout_s=0.3)
        for one in waiting:
            one.close()

    assert failure(outcome) == (FailureKind.TIMEOUT_BEFORE_SEND, False)


async def test_a_refused_connection_sent_nothing(http: OutgoingHttp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    assert failure(await post(http, f"http://127.0.0.1:{port}/")) == (FailureKind.CONNECT, False)


async def test_a_connection_that_is_closed_without_an_answer_is_in_doubt(http: OutgoingHttp) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    for end in (hang_up, reset):
        async with peer(end) as here:
            outcome = await post(http, here.url("/secret-path"))
        assert failure(outcome) == (FailureKind.CONNECTION_LOST, True)
        assert "secret-path" not in str(outcome)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (b"SSH-2.0-OpenSSH\r\n", FailureKind.CONNECTION_LOST),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", FailureKind.TOO_LARGE),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000 + b"\r\n", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", None),
    ],
)
async def test_an_answer_that_is_not_http_is_in_doubt(
    http: OutgoingHttp, reply: bytes, kind: FailureKind | None
) -> None:
    async with peer(reply) as here:
        outcome = await post(http, here.url())

    found, may_have_been_sent = failure(outcome)
    assert may_have_been_sent
    assert kind in {None, found}
    assert len(outcome.detail) <= 500


async def test_a_large_body_that_is_answered_early_leaves_nothing_behind(http: OutgoingHttp) -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(60)

    async with peer(refuse) as here:
        outcome = await post(http, here.url(), body=b"x" * 20_000_000)
        again = await post(http, here.url(), body=b"x" * 20_000_000)

    assert isinstance(again, HttpAnswer)
    assert here.connections == 2
    assert isinstance(outcome, HttpAnswer)
    assert outcome.status == 413


async def test_a_cancelled_request_closes_its_connection(http: OutgoingHttp) -> None:
    ended = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()
        ended.set()

    async with peer(silent) as here:
        task = asyncio.create_task(post(http, here.url()))
        while not here.heard:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(ended.wait(), 5)


@pytest.mark.parametrize("headers", [{"X": "a\r\nY: b"}, {"X\r\nY": "b"}, {"X": "a\0b"}])
async def test_a_header_cannot_bring_another_one(http: OutgoingHttp, headers: dict[str, str]) -> None:
    async with peer() as here:
        outcome = await post(http, here.url(), headers=headers)

    assert failure(outcome) == (FailureKind.INVALID_URL, False)
    assert here.heard == []


async def test_a_method_cannot_bring_a_request(http: OutgoingHttp) -> None:
    outcome = await http.request("GET / HTTP/1.1\r\nX:", "http://127.0.0.1:1/", timeout_s=1, purpose="test")

    assert failure(outcome) == (FailureKind.INVALID_URL, False)


async def test_a_malformed_url_is_a_value_too(http: OutgoingHttp) -> None:
    assert failure(await post(http, "nonsense")) == (FailureKind.INVALID_URL, False)


# What follows runs with the guard on. The policy of these tests refuses 127.0.0.1 and takes 127.0.0.2 for public.


def only_second_loopback(address: str) -> str | None:
    return None if address == "127.0.0.2" else "refused by the test"


@asynccontextmanager
async def guarded(
    names: Callable[[str], list[str]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[OutgoingHttp]:
    async def lookup(host: str, port: int) -> list[str]:
        await asyncio.sleep(0)
        return names(host)

    client = OutgoingHttp(lookup=lookup, address_policy=only_second_loopback, ssl_context=tls)
    yield client
    await client.close()


@dataclass(frozen=True)
class Certificates:
    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """One certificate for public.test that its client trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "public.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("public.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path: Path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(path)
    return Certificates(server, ssl.create_default_context(cafile=str(path)))


async def test_a_name_is_resolved_and_the_checked_address_is_dialled(certificates: Certificates) -> None:
    async with (
        peer(host="127.0.0.2", tls=certificates.server) as here,
        guarded(lambda _: ["127.0.0.2"], certificates.client) as http,
    ):
        outcome = await post(http, here.url(host="public.test", scheme="https"))

    assert isinstance(outcome, HttpAnswer)
    assert b"Host: public.test:%d" % here.port in here.heard[0]


async def test_a_certificate_of_another_name_is_refused(certificates: Certificates) -> None:
    async with (
        peer(host="127.0.0.2", tls=certificates.server) as here,
        guarded(lambda _: ["127.0.0.2"], certificates.client) as http,
    ):
        assert failure(await post(http, here.url(host="other.test", scheme="https"))) == (
            FailureKind.TLS,
            False,
        )
    assert here.heard == []


async def test_a_server_without_tls_is_refused() -> None:
    async with peer(host="127.0.0.2") as here, guarded(lambda _: ["127.0.0.2"]) as http:
        kind, may_have_been_sent = failure(
            await post(http, here.url(host="public.test", scheme="https"), timeout_s=1)
        )

    assert kind in {FailureKind.TLS, FailureKind.CONNECT, FailureKind.TIMEOUT_BEFORE_SEND}
    assert not may_have_been_sent


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["127.0.0.2", "127.0.0.1"], ["127.0.0.2", "::1"], ["nonsense"]]
)
async def test_a_name_with_any_refused_address_is_refused(addresses: list[str], lines: list[bytes]) -> None:
    async with peer() as here, guarded(lambda _: addresses) as http:
        outcome = await post(http, here.url(host="public.test", scheme="https"))

    assert failure(outcome) == (FailureKind.REFUSED_TARGET, False)
    assert here.connections == 0
    (line,) = map(json.loads, lines)
    assert (line["event"], line["purpose"]) == ("outgoing.refused", "test")


async def test_a_name_that_changes_after_the_check_is_not_asked_again(certificates: Certificates) -> None:
    answers = iter([["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1"]])
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    async with (
        peer(closing, host="127.0.0.2", tls=certificates.server) as here,
        peer(closing, host="127.0.0.1", port=here.port, tls=certificates.server) as private,
        guarded(lambda _: next(answers), certificates.client) as http,
    ):
        first = await post(http, here.url(host="public.test", scheme="https"))
        second = await post(http, here.url(host="public.test", scheme="https"))
        http._connector.clear_dns_cache()
        third = await post(http, here.url(host="public.test", scheme="https"))

    assert isinstance(first, HttpAnswer)
    assert isinstance(second, HttpAnswer)
    assert failure(third) == (FailureKind.REFUSED_TARGET, False)
    assert (here.connections, private.connections) == (2, 0)


async def test_the_dialled_address_is_checked_whatever_the_resolver_said() -> None:
    """The second wall: an address that came past the resolver meets the same policy at its socket."""
    async with peer() as here, guarded(lambda _: ["127.0.0.2"]) as http:
        http._resolver._policy = lambda _: None
        http._resolver._lookup = lambda host, port: asyncio.sleep(0, ["127.0.0.1"])
        outcome = await post(http, here.url(host="public.test", scheme="https"))

    assert failure(outcome) == (FailureKind.REFUSED_TARGET, False)
    assert here.connections == 0


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/", "http://example.com/"]
)
async def test_refused_urls_are_not_dialled(url: str) -> None:
    client = OutgoingHttp()

    assert failure(await post(client, url)) == (FailureKind.REFUSED_TARGET, False)
    await client.close()


async def test_localhost_is_refused_with_the_system_resolver() -> None:
    client = OutgoingHttp()

    outcome = await post(client, "https://localhost:1/")
    await client.close()

    assert failure(outcome) == (FailureKind.REFUSED_TARGET, False)


async def test_a_name_that_does_not_resolve_sent_nothing() -> None:
    def no_such_name(_: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    def bad_label(_: str) -> list[str]:
        raise UnicodeError("label too long")

    for names in (no_such_name, bad_label, lambda _: []):
        async with guarded(names) as http:
            assert failure(await post(http, "https://missing.test/")) == (FailureKind.DNS, False)


async def test_slow_name_servers_end_with_the_time() -> None:
    async def never(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    client = OutgoingHttp(lookup=never)
    outcome = await post(client, "https://slow.test/", timeout_s=0.2)
    await client.close()

    assert failure(outcome) == (FailureKind.TIMEOUT_BEFORE_SEND, False)


def test_ipv6_literals_reach_their_server() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as problem:
        pytest.skip(f"no IPv6 loopback: {problem}")

    async def exchange() -> HttpAnswer | HttpFailure:
        client = OutgoingHttp(allow_private_targets=True)
        async with peer(host="::1") as here:
            outcome = await get(client, here.url(host="[::1]"))
        await client.close()
        return outcome

    assert isinstance(asyncio.run(exchange()), HttpAnswer)
