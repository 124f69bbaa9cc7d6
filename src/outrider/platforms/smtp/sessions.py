"""One conversation with a mail server, from its greeting to the answer after the final dot."""

import asyncio
import re
import socket
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, cast

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPNotSupported,
    SMTPResponseException,
)

from outrider.platforms.letters import Letter
from outrider.platforms.smtp.manifest import NONE, STARTTLS, TLS
from outrider.platforms.smtp.replies import Step, Trouble

_LINE_DOT = re.compile(rb"(?m)^\.")
_RESET_SECONDS = 3.0


class HostCheck(Protocol):
    """The guard before every outgoing connection: a host's address, if we may connect to it."""

    async def __call__(self, host: str, port: int, timeout_s: float) -> str | None:
        """The address to dial, None if it is refused or unknown."""
        ...


@dataclass(frozen=True, slots=True)
class Server:
    """How to reach and enter one mail server; two equal ones may share conversations."""

    host: str
    port: int
    security: str
    verifies_certificates: bool
    username: str | None
    password: str | None = field(repr=False)

    @classmethod
    def of(cls, config: Mapping[str, object]) -> "Server":
        """The server that a connection's config names."""
        port, username, password = config.get("port"), config.get("username"), config.get("password")
        return cls(
            host=str(config["host"]),
            port=port if isinstance(port, int) else 587,
            security=str(config.get("security") or STARTTLS),
            verifies_certificates=config.get("verify_certificates") is not False,
            username=str(username) if username else None,
            password=str(password) if password else None,
        )


class Session:
    """A conversation that has been greeted, encrypted and logged in; takes one mail after the other."""

    def __init__(self, smtp: SMTP) -> None:
        self._smtp = smtp

    @classmethod
    async def open(cls, server: Server, address: str, tls: ssl.SSLContext, give_up_at: float) -> "Session":
        """Connect to the checked address and log in; `Trouble` if that fails."""
        with _at(Step.CONNECT):
            connected = await _connect(address, server.port, give_up_at)
        try:
            smtp = SMTP(
                hostname=server.host,
                sock=connected,
                local_hostname=_our_name(connected),
                use_tls=server.security == TLS,
                start_tls=False,
                tls_context=None if server.security == NONE else tls,
            )
        except BaseException:
            connected.close()
            raise
        session = cls(smtp)
        try:
            # From here on the socket is the transport's to close: its descriptor may be in use for a while yet.
            await session._enter(server, give_up_at)
        except BaseException:
            smtp.close()
            raise
        return session

    async def _enter(self, server: Server, give_up_at: float) -> None:
        with _at(Step.CONNECT):
            await self._smtp.connect(timeout=_left(give_up_at))
            await self._smtp.ehlo(timeout=_left(give_up_at))
        if server.security == STARTTLS:
            with _at(Step.ENCRYPT):
                await self._smtp.starttls(timeout=_left(give_up_at))
                await self._smtp.ehlo(timeout=_left(give_up_at))
        if server.username is not None:
            with _at(Step.LOGIN):
                await self._log_in(server.username, server.password or "", give_up_at)

    async def _log_in(self, username: str, password: str, give_up_at: float) -> None:
        smtp = self._smtp
        ways = {"plain": smtp.auth_plain, "login": smtp.auth_login, "cram-md5": smtp.auth_crammd5}
        refusal: SMTPException | None = None
        for way in (way for name, way in ways.items() if name in smtp.server_auth_methods):
            try:
                await way(username, password, timeout=_left(give_up_at))
            except SMTPAuthenticationError as error:
                # A wrong password stays wrong: another way would only count as another failed login.
                if error.code == 535:
                    raise
                refusal = error
            else:
                return
        raise refusal or SMTPNotSupported("the server offers no login that we know")

    @property
    def is_open(self) -> bool:
        return self._smtp.is_connected

    @property
    def takes_smtputf8(self) -> bool:
        return self._smtp.supports_extension("smtputf8")

    async def is_fresh(self, give_up_at: float) -> bool:
        """Forget the mail before; False if the server has gone meanwhile."""
        if not self.is_open:
            return False
        try:
            answer = await self._smtp.execute_command(b"RSET", timeout=min(_RESET_SECONDS, _left(give_up_at)))
        except (SMTPException, OSError):
            return False
        return answer.code == 250

    async def ask_nothing(self, give_up_at: float) -> None:
        """See that the server goes on answering, else `Trouble`."""
        with _at(Step.LOGIN):
            answer = await self._smtp.execute_command(b"NOOP", timeout=_left(give_up_at))
            if answer.code != 250:
                raise SMTPResponseException(answer.code, answer.message)

    async def hand_over(self, letter: Letter, give_up_at: float) -> None:
        """Give the mail to the server; returns once it is the server's, else `Trouble`."""
        smtp = self._smtp
        encoding = "utf-8" if letter.needs_smtputf8 else "ascii"
        options = [f"SIZE={len(letter.body)}"] if smtp.supports_extension("size") else []
        options += ["SMTPUTF8"] if letter.needs_smtputf8 else []
        with _at(Step.SENDER):
            await smtp.mail(letter.sender, options=options, encoding=encoding, timeout=_left(give_up_at))
        with _at(Step.RECIPIENT):
            await smtp.rcpt(letter.recipient, encoding=encoding, timeout=_left(give_up_at))
        with _at(Step.CONTENT):
            await self._write_content(letter.body, give_up_at)
        with _at(Step.END_OF_CONTENT):
            await self._end_content(give_up_at)

    async def _write_content(self, body: bytes, give_up_at: float) -> None:
        answer = await self._smtp.execute_command(b"DATA", timeout=_left(give_up_at))
        if answer.code != 354:
            raise SMTPResponseException(answer.code, answer.message)
        if self._smtp.protocol is None:
            raise ConnectionResetError("the server hung up")
        self._smtp.protocol.write(_LINE_DOT.sub(b"..", body))
        # Only when the body has left may the dot follow: until then a lost connection means "not sent".
        while self._unwritten():
            _left(give_up_at)
            await asyncio.sleep(0.005)

    def _unwritten(self) -> int:
        transport = cast("asyncio.WriteTransport | None", self._smtp.transport)
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the server hung up")
        return transport.get_write_buffer_size()

    async def _end_content(self, give_up_at: float) -> None:
        protocol = self._smtp.protocol
        if protocol is None:
            raise ConnectionResetError("the server hung up")
        protocol.write(b".\r\n")
        answer = await protocol.read_response(timeout=_left(give_up_at))
        if answer.code != 250:
            raise SMTPResponseException(answer.code, answer.message)

    def close(self) -> None:
        """Say goodbye without waiting for the answer."""
        if self._smtp.protocol is not None and self.is_open:
            self._smtp.protocol.write(b"QUIT\r\n")
        self._smtp.close()


@contextmanager
def _at(step: Step) -> Generator[None]:
    try:
        yield
    except SMTPResponseException as refusal:
        code = refusal.code if 200 <= refusal.code < 600 else None
        raise Trouble(step, refusal.message, code) from None
    except (SMTPException, OSError, ValueError) as failure:
        is_certificate = isinstance(failure, ssl.SSLError) or isinstance(failure.__cause__, ssl.SSLError)
        # What is neither a network's nor a server's failure is a feature that the server lacks.
        is_lacking = isinstance(failure, SMTPException) and not isinstance(failure, OSError)
        raise Trouble(step, _words_for(failure), is_account=is_certificate or is_lacking) from None


def _words_for(failure: Exception) -> str:
    # The library's own words name a host and port that it did not dial: the cause says more.
    cause = failure.__cause__ if isinstance(failure, SMTPConnectError) else failure
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted: {cause.verify_message}"
    return str(cause or failure) or type(cause or failure).__name__


def _left(give_up_at: float) -> float:
    left = give_up_at - asyncio.get_running_loop().time()
    if left <= 0:
        raise TimeoutError("the attempt's time ran out")
    return left


async def _connect(address: str, port: int, give_up_at: float) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connecting = socket.socket(family, socket.SOCK_STREAM)
    connecting.setblocking(False)
    try:
        async with asyncio.timeout(_left(give_up_at)):
            await asyncio.get_running_loop().sock_connect(connecting, (address, port))
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connecting.close()
        raise
    return connecting


def _our_name(connected: socket.socket) -> str:
    # RFC 5321, 4.1.4: a client without a name of its own greets with its address.
    address = str(connected.getsockname()[0])
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
