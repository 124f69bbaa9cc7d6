"""A vendor's HTTP API on loopback: keeps what it was asked and answers, hangs or hangs up as told."""

import asyncio
import contextlib
import email
import email.policy
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from outrider.platforms.conformance_case import Mood


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the vendor read it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, object]:
        """The fields, whether they came as JSON or as a form; of files their bytes."""
        kind = self.headers.get("content-type", "")
        if kind == "application/x-www-form-urlencoded":
            return dict(self.pairs)
        if not kind.startswith("multipart/"):
            return self.json
        parsed = email.message_from_bytes(
            f"Content-Type: {kind}\r\n\r\n".encode() + self.body, policy=email.policy.HTTP
        )
        return {
            str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
            if part.get_filename()
            else _value(part.get_payload(decode=True))
            for part in parsed.iter_parts()  # type: ignore[attr-defined]
        }

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The fields of an urlencoded form, in their order."""
        return parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True)

    @property
    def json(self) -> dict[str, object]:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the vendor answers."""

    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


def _value(raw: bytes) -> object:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode()


Answer = Callable[[Asked], Reply]


class HttpVendor:
    """Speaks enough HTTP/1.1 to be called by any client, and can stop in the middle of an exchange."""

    def __init__(self, taking: Answer, moods: Mapping[Mood, Answer]) -> None:
        self.asked: list[Asked] = []
        self.answer = taking
        self._answers = {Mood.TAKES: taking, **moods}
        self._mood = Mood.TAKES
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def set_mood(self, mood: Mood) -> None:
        self._mood = mood
        self.answer = self._answers.get(mood, self.answer)
        self.asked.clear()
        if mood is Mood.IS_AWAY:
            await self.stop()
        elif self._server is None:
            await self.start()

    def reply_with(self, *replies: Reply) -> None:
        """Answer the next requests with these, the last one again and again."""
        left = list(replies)
        self.answer = lambda _: left.pop(0) if len(left) > 1 else left[0]
        self.asked.clear()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for writer in tuple(self._writers):
            writer.close()
        await self._server.wait_closed()
        await asyncio.gather(*self._serving)
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        self._writers.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self._writers.discard(writer)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.asked.append(Asked(method, path, headers, body))
        if self._mood is Mood.HANGS:
            await reader.read()
        if self._mood in {Mood.HANGS, Mood.HANGS_UP}:
            return False
        reply = self.answer(self.asked[-1])
        content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        lines = {"content-length": str(len(content)), "content-type": "application/json", **reply.headers}
        written = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"HTTP/1.1 {reply.status} Told\r\n{written}\r\n".encode() + content)
        await writer.drain()
        return True


@asynccontextmanager
async def http_vendor(
    taking: Answer, moods: Mapping[Mood, Answer] | None = None
) -> AsyncGenerator[HttpVendor]:
    """A vendor that listens for as long as the block runs."""
    vendor = HttpVendor(taking, moods or {})
    await vendor.start()
    try:
        yield vendor
    finally:
        await vendor.stop()
