"""A mail server on loopback that keeps what it took and refuses, hangs or hangs up as told.

aiosmtpd is the server of the ordinary cases; the hard ends (a hang, a connection dropped after the final dot)
need a conversation that can stop anywhere, so this one speaks the few commands itself.
"""

import asyncio
import contextlib
import email
import email.policy
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage

from outrider.platforms.conformance_case import Mood

_REPLIES = {
    Mood.REFUSES: ("RCPT", "550 5.1.1 no such user"),
    Mood.LIMITS: ("MAIL", "451 4.7.1 too many mails, try again later"),
    Mood.FAILS: ("DATA", "421 4.3.0 shutting down"),
}


@dataclass(frozen=True, slots=True)
class Taken:
    """One mail as it came over the wire."""

    sender: str
    recipient: str
    body: bytes

    @property
    def mail(self) -> EmailMessage:
        parsed = email.message_from_bytes(self.body, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


class SmtpVendor:
    """`replies` overrides the answer to a command; `stops` says where it hangs up ("." is the final dot)."""

    def __init__(self) -> None:
        self.replies: dict[str, str] = {}
        self.stops: set[str] = set()
        self.hangs: set[str] = set()
        self.taken: list[Taken] = []
        self.commands: list[str] = []
        self.connections = self.most_at_once = self.port = 0
        self.extensions = ["SIZE 1000000", "8BITMIME", "SMTPUTF8"]
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    async def set_mood(self, mood: Mood) -> None:
        self.replies = dict([_REPLIES[mood]]) if mood in _REPLIES else {}
        self.stops = {"."} if mood is Mood.HANGS_UP else set()
        self.hangs = {"."} if mood is Mood.HANGS else set()
        self.taken.clear()
        if mood is Mood.IS_AWAY:
            await self.stop()
        elif self._server is None:
            await self.start()

    def idempotency_ids(self) -> list[str]:
        return [str(taken.mail["Message-ID"]) for taken in self.taken]

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**22)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        self.hang_up()
        await self._server.wait_closed()
        await asyncio.gather(*self._serving)
        self._server = None

    def hang_up(self) -> None:
        """Close every conversation without a word."""
        for writer in tuple(self._writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        self._writers.add(writer)
        self.connections += 1
        self.most_at_once = max(self.most_at_once, len(self._writers))
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await _Conversation(self, reader, writer).run()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        self._writers.discard(writer)


class _Conversation:
    def __init__(
        self, vendor: SmtpVendor, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._vendor, self._reader, self._writer = vendor, reader, writer
        self._sender = self._recipient = ""

    async def run(self) -> None:
        if not await self._answer("CONNECT", lambda: "220 mx.vendor.test ESMTP"):
            return
        while line := await self._reader.readline():
            self._vendor.commands.append(line.decode().strip())
            verb, _, argument = line.decode().strip().partition(" ")
            if not await self._obey(verb.upper(), argument):
                return

    async def _obey(self, verb: str, argument: str) -> bool:
        match verb:
            case "EHLO":
                lines = ["mx.vendor.test", *self._vendor.extensions]
                said = "".join(f"250-{line}\r\n" for line in lines[:-1]) + f"250 {lines[-1]}"
                return await self._answer(verb, lambda: said)
            case "MAIL":
                self._sender = _address_in(argument)
            case "RCPT":
                self._recipient = _address_in(argument)
            case "DATA":
                return await self._take_content()
            case "QUIT":
                await self._answer(verb, lambda: "221 2.0.0 bye")
                return False
            case "AUTH":
                return await self._answer(verb, lambda: "235 2.7.0 welcome")
            case _:
                pass
        return await self._answer(verb, lambda: "250 2.0.0 ok")

    async def _take_content(self) -> bool:
        if not await self._answer("DATA", lambda: "354 go on") or "DATA" in self._vendor.replies:
            return "DATA" in self._vendor.replies
        content = (await self._reader.readuntil(b"\r\n.\r\n"))[:-3].replace(b"\r\n..", b"\r\n.")
        taken = Taken(self._sender, self._recipient, content)

        def accept() -> str:
            self._vendor.taken.append(taken)
            return "250 2.0.0 queued as 4711"

        return await self._answer(".", accept)

    async def _answer(self, step: str, usual: Callable[[], str]) -> bool:
        if step in self._vendor.hangs:
            await self._reader.read()
        if step in self._vendor.stops | self._vendor.hangs:
            return False
        said = self._vendor.replies.get(step) or usual()
        self._writer.write(f"{said}\r\n".encode())
        await self._writer.drain()
        return not said.startswith("421")


def _address_in(argument: str) -> str:
    return argument[argument.index("<") + 1 : argument.index(">")]


@asynccontextmanager
async def smtp_vendor() -> AsyncGenerator[SmtpVendor]:
    """A mail server that listens for as long as the block runs."""
    vendor = SmtpVendor()
    await vendor.start()
    try:
        yield vendor
    finally:
        await vendor.stop()
