"""The few commands of IMAP4rev1 (RFC 3501) that reading a mailbox takes: log in, open it read-only, search, fetch.

Every answer is bounded, and so is the time: a server that says too much, too slowly or nothing is left.
"""

import asyncio
import base64
import contextlib
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from outrider.platforms.smtp.manifest import STARTTLS, TLS

_LONGEST_LINE = 256 * 1024
_MOST_LINES = 20_000
_LITERAL = re.compile(rb"\{(\d{1,12})\}\r?\n$")
_CODE = re.compile(rb"\[(UIDVALIDITY|UIDNEXT) (\d{1,10})\]", re.IGNORECASE)
_SEARCHED = re.compile(rb"\* SEARCH((?: \d{1,10})*)\s*$", re.IGNORECASE)
_FETCHED_UID = re.compile(rb"\bUID (\d{1,10})", re.IGNORECASE)
_ARRIVED = re.compile(rb'\bINTERNALDATE "([ \w:+-]{20,30})"', re.IGNORECASE)
_FETCHED_SIZE = re.compile(rb"\bRFC822\.SIZE (\d{1,12})", re.IGNORECASE)


class MailboxTrouble(Exception):
    """The mailbox could not be read; the text says why and holds no secret.

    Raised and caught inside this package only: outside it is an outcome.
    """


@dataclass(frozen=True, slots=True)
class MailboxServer:
    """How to reach and open one mailbox."""

    host: str
    port: int
    security: str
    verifies_certificates: bool
    username: str
    folder: str
    password: str = field(repr=False)

    @property
    def identity(self) -> str:
        """What a cursor is valid for."""
        return f"{self.username}@{self.host}:{self.port}/{self.folder}"


@dataclass(frozen=True, slots=True)
class _Response:
    """One response of the server: its text, and the literals that stood in it."""

    text: bytes
    literals: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Folder:
    """An open mailbox: its ids are good for as long as `validity` is the same, and the next one will be `next_uid`."""

    validity: int
    next_uid: int


class ImapSession:
    """One conversation with an IMAP server; one command after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._number = 0

    @classmethod
    async def open(cls, server: MailboxServer, address: str, tls: ssl.SSLContext) -> "ImapSession":
        """Connect to the checked address and log in; the caller limits the time."""
        is_tls = server.security == TLS
        try:
            reader, writer = await asyncio.open_connection(
                address,
                server.port,
                limit=_LONGEST_LINE,
                ssl=tls if is_tls else None,
                server_hostname=server.host if is_tls else None,
            )
        except (OSError, ValueError) as fault:
            raise MailboxTrouble(_words_for(fault)) from None
        session = cls(reader, writer)
        try:
            await session._enter(server, tls)
        except BaseException:
            session.abort()
            raise
        return session

    async def _enter(self, server: MailboxServer, tls: ssl.SSLContext) -> None:
        greeting = await self._response(0)
        if not greeting.text.upper().startswith((b"* OK", b"* PREAUTH")):
            raise MailboxTrouble(f"the server does not want us: {_shown(greeting.text)}")
        if server.security == STARTTLS:
            await self._encrypt(server, tls)
        if not greeting.text.upper().startswith(b"* PREAUTH"):
            await self._log_in(server)

    async def _encrypt(self, server: MailboxServer, tls: ssl.SSLContext) -> None:
        await self._command(b"STARTTLS", what="encryption")
        # what came already was said by whoever stands between us and the server, and must not count as its answers
        early = asyncio.ensure_future(self._reader.read(1))
        await asyncio.sleep(0)
        if early.done():
            raise MailboxTrouble("the server answered before it was asked")
        early.cancel()
        await asyncio.gather(early, return_exceptions=True)
        try:
            await self._writer.start_tls(tls, server_hostname=server.host)
        except (OSError, ValueError) as fault:
            raise MailboxTrouble(_words_for(fault)) from None

    async def _log_in(self, server: MailboxServer) -> None:
        offered = b" ".join(one.text for one in await self._command(b"CAPABILITY", what="the server"))
        username, password = server.username.encode(), server.password.encode()
        if b"AUTH=PLAIN" in offered.upper():
            token = base64.b64encode(b"\0" + username + b"\0" + password)
            await self._command(b"AUTHENTICATE PLAIN", what="the login", more=token)
        else:
            await self._command(b"LOGIN %b %b" % (quoted(username), quoted(password)), what="the login")

    async def examine(self, folder: str) -> Folder:
        """Open a mailbox so that nothing in it changes."""
        said = await self._command(b"EXAMINE " + quoted(_utf7(folder)), what="the mailbox")
        codes = {
            found[1].upper(): int(found[2])
            for one in said
            for found in _CODE.finditer(one.text)
            if not one.literals
        }
        if b"UIDVALIDITY" not in codes:
            raise MailboxTrouble("the server has no lasting ids for its mails (UIDVALIDITY)")
        if b"UIDNEXT" in codes:
            return Folder(codes[b"UIDVALIDITY"], codes[b"UIDNEXT"])
        last = await self.search(b"UID *")
        return Folder(codes[b"UIDVALIDITY"], max(last, default=0) + 1)

    async def search(self, criteria: bytes) -> list[int]:
        """The ids of the mails that fit, ascending."""
        said = await self._command(b"UID SEARCH " + criteria, what="the search")
        found = {
            int(uid)
            for one in said
            if (listed := _SEARCHED.match(one.text)) is not None
            for uid in listed[1].split()
        }
        return sorted(found)

    async def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """How large mails are; one that has gone meanwhile is not among them."""
        listed = b",".join(b"%d" % uid for uid in uids)
        said = await self._command(b"UID FETCH %b (UID RFC822.SIZE)" % listed, what="the sizes")
        found: dict[int, int] = {}
        for one in said:
            uid, size = _FETCHED_UID.search(one.text), _FETCHED_SIZE.search(one.text)
            if uid is not None and size is not None:
                found[int(uid[1])] = int(size[1])
        return found

    async def arrivals(self, uids: Sequence[int]) -> dict[int, datetime]:
        """When mails came into the mailbox; one that has gone meanwhile is not among them."""
        listed = b",".join(b"%d" % uid for uid in uids)
        said = await self._command(b"UID FETCH %b (UID INTERNALDATE)" % listed, what="the times")
        found: dict[int, datetime] = {}
        for one in said:
            uid, told = _FETCHED_UID.search(one.text), _ARRIVED.search(one.text)
            if uid is not None and told is not None:
                with contextlib.suppress(ValueError):
                    found[int(uid[1])] = datetime.strptime(told[1].decode().strip(), "%d-%b-%Y %H:%M:%S %z")
        return found

    async def fetch(self, uid: int, most: int) -> bytes | None:
        """The first `most` bytes of a mail, None if it has gone."""
        said = await self._command(
            b"UID FETCH %d (UID BODY.PEEK[]<0.%d>)" % (uid, most), what="the mail", most=most + 1024
        )
        for one in said:
            found = _FETCHED_UID.search(one.text)
            if found is not None and int(found[1]) == uid and one.literals:
                return one.literals[0]
        return None

    async def close(self) -> None:
        """Say goodbye; what goes wrong with that does not matter."""
        with contextlib.suppress(MailboxTrouble):
            await self._command(b"LOGOUT", what="the goodbye")
        self.abort()

    def abort(self) -> None:
        """Hang up."""
        self._writer.transport.abort()

    async def _command(
        self, command: bytes, *, what: str, more: bytes | None = None, most: int = 64 * 1024
    ) -> list[_Response]:
        self._number += 1
        tag = b"o%d" % self._number
        await self._send(tag + b" " + command)
        said: list[_Response] = []
        while len(said) < _MOST_LINES:
            one = await self._response(most)
            if one.text.startswith(b"+"):
                # what a command goes on with is sent once; a server that asks for more gets the end of it
                await self._send(b"*" if more is None else more)
                more = None
            elif one.text.startswith(tag + b" "):
                if not one.text[len(tag) + 1 :].upper().startswith(b"OK"):
                    raise MailboxTrouble(f"{what} was refused: {_shown(one.text[len(tag) + 1 :])}")
                return said
            else:
                said.append(one)
        raise MailboxTrouble("the server says too much")

    async def _send(self, line: bytes) -> None:
        self._writer.write(line + b"\r\n")
        try:
            await self._writer.drain()
        except OSError as fault:
            raise MailboxTrouble(_words_for(fault)) from None

    async def _response(self, most: int) -> _Response:
        """One line, with the literals that it announces; `most` bytes of them in all."""
        text, literals = b"", list[bytes]()
        try:
            while True:
                line = await self._reader.readuntil(b"\n")
                text += line
                announced = _LITERAL.search(line)
                if announced is None:
                    return _Response(text.rstrip(b"\r\n"), tuple(literals))
                most -= int(announced[1]) + len(line)
                if most < 0:
                    raise MailboxTrouble("the server says too much")
                literals.append(await self._reader.readexactly(int(announced[1])))
        except asyncio.LimitOverrunError:
            raise MailboxTrouble("the server says too much") from None
        except (asyncio.IncompleteReadError, OSError) as fault:
            raise MailboxTrouble(_words_for(fault)) from None


def quoted(text: bytes) -> bytes:
    """A string of IMAP; what a quoted string cannot hold is refused."""
    if any(byte in text for byte in (b"\r", b"\n", b"\0")):
        raise MailboxTrouble("user name, password and mailbox must be one line")
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _utf7(name: str) -> bytes:
    """A mailbox's name as RFC 3501, 5.1.3 spells it."""

    def spelt(found: re.Match[str]) -> str:
        if found[0] == "&":
            return "&-"
        base = base64.b64encode(found[0].encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
        return f"&{base.decode()}-"

    return re.sub(r"&|[^\x20-\x7e]+", spelt, name).encode()


def _words_for(fault: BaseException) -> str:
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted: {fault.verify_message}"
    if isinstance(fault, asyncio.IncompleteReadError):
        return "the server hung up"
    return str(fault) or type(fault).__name__


def _shown(text: bytes) -> str:
    return text.decode("utf-8", "replace")[:200]
