"""A client of live feeds: opens one, reads its events, and breaks off whenever it likes."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from tests.clients import Caller

_LONGEST = 4 * 1024 * 1024
FEED = """subscription($after: String, $filters: EventFilters) {
  events(after: $after, filters: $filters) { cursor node { id eventType payload } } }"""


@dataclass(frozen=True)
class Told:
    """One event of the stream: its name, its data, and the id that a client would come back with."""

    name: str
    data: str
    id: str

    @property
    def json(self) -> Any:
        """The data as JSON."""
        return json.loads(self.data)

    @property
    def edge(self) -> Any:
        """The event that a feed gave, with its cursor."""
        answer = self.json
        assert "errors" not in answer, answer
        return answer["data"]["events"]

    @property
    def code(self) -> str:
        """Why the feed was ended."""
        return str(self.json["errors"][0]["extensions"]["code"])


@dataclass
class Following:
    """A feed that is open; `last_id` as an EventSource keeps it."""

    response: aiohttp.ClientResponse
    last_id: str = ""

    async def told(self) -> Told | None:
        """The next event of the stream; None at its end."""
        while (block := await self._block()) is not None:
            if isinstance(block, Told):
                return block
        return None

    async def place(self) -> str:
        """Where the feed stands, as it says when it begins and while it has nothing else to say."""
        block = await self._block()
        assert block == ":"
        return self.last_id

    async def _block(self) -> Told | str | None:
        """What stands before the next empty line: an event, or a comment."""
        fields: dict[str, str] = {}
        async for raw in self.response.content:
            line = raw.decode().removesuffix("\n")
            name, _, value = line.partition(":")
            if line:
                fields[name] = value.removeprefix(" ")
                continue
            self.last_id = fields.get("id", self.last_id)
            return Told(fields["event"], fields["data"], self.last_id) if "event" in fields else ":"
        return None

    async def edge(self) -> Any:
        """The next event that the feed gives, with its cursor."""
        told = await self.told()
        assert told is not None
        assert told.name == "next", told
        return told.edge

    async def edges(self, count: int) -> list[Any]:
        """The next events."""
        return [await self.edge() for _ in range(count)]

    def break_off(self) -> None:
        """Go without a word."""
        self.response.close()


@asynccontextmanager
async def following(
    caller: Caller,
    query: str = FEED,
    *,
    headers: Mapping[str, str] | None = None,
    method: str = "POST",
    **variables: object,
) -> AsyncGenerator[Following]:
    """Open a feed; the answer has begun, so that whatever is stored from now on comes."""
    sent = {"authorization": f"Bearer {caller.key}", "accept": "text/event-stream", **(headers or {})}
    address, body = f"{caller.base_url}/", {"query": query, "variables": variables}
    if method == "GET":
        address += "?" + urlencode({"query": query, "variables": json.dumps(variables)})
    asking = caller.session.request(
        method,
        address,
        json=body if method == "POST" else None,
        headers=sent,
        timeout=aiohttp.ClientTimeout(total=None, sock_read=30),
        read_bufsize=_LONGEST,
    )
    async with asking as response:
        try:
            yield Following(response)
        finally:
            response.close()
