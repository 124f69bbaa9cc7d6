"""The load of the drill: clients that repeat what was not acknowledged, and remember what was.

A conversation belongs to one client, which sends its next message only when the one before is acknowledged; so the
order of its numbers is the order in which they were accepted.
"""

import asyncio
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from bench.api import Api, SandboxConnection, inbound_message, one_message
from bench.http_client import Address, HttpConnection, Response, connect

_ANSWER_SECONDS = 20.0
_PAUSE_SECONDS = 0.1
_TEMPORARY = {429, 502, 503, 504}
_TEMPORARY_CODES = {"UNAVAILABLE", "RATE_LIMITED"}


class Unacceptable(Exception):
    """An answer that a correct client cannot expect to this request."""


@dataclass
class Acknowledged:
    """What was acknowledged: the text of each item and the id of its event (inbound: none is given)."""

    messages: dict[str, str] = field(default_factory=dict)
    inbound: set[str] = field(default_factory=set)
    repeats: int = 0
    retries: int = 0

    @property
    def count(self) -> int:
        """How many items."""
        return len(self.messages) + len(self.inbound)


@dataclass(frozen=True)
class Traffic:
    """What all clients share. Each item needs a permit, so that the load lasts as long as the kills."""

    servers: tuple[Address, ...]
    api: Api
    connections: tuple[SandboxConnection, ...]
    seed: int
    message_permits: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    inbound_permits: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    acknowledged: Acknowledged = field(default_factory=Acknowledged)


class _Client:
    """One client: asks one server until it fails, then the next."""

    def __init__(self, traffic: Traffic, number: int) -> None:
        self._acknowledged = traffic.acknowledged
        self._addresses = itertools.cycle(traffic.servers[number % 2 :] + traffic.servers[: number % 2])
        self._connection: HttpConnection | None = None

    async def ask(self, encoded: bytes, read: Callable[[Response], object | None]) -> None:
        """Repeat a request until `read` takes the answer."""
        while True:
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    if self._connection is None:
                        self._connection = await connect(next(self._addresses))
                    response = await self._connection.request(encoded)
            except (OSError, TimeoutError):
                self.close()
            else:
                if read(response) is not None:
                    return
            self._acknowledged.retries += 1
            await asyncio.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


async def send_messages(traffic: Traffic, number: int, conversations: list[str], each: int) -> None:
    """Client `number`: odd ones send one message a request, even ones one to each of their conversations."""
    client = _Client(traffic, number)
    connection = traffic.connections[number % len(traffic.connections)]
    size = 1 if number % 2 else len(conversations)
    for turn in range(each):
        for batch in (conversations[at : at + size] for at in range(0, len(conversations), size)):
            for _ in batch:
                await traffic.message_permits.acquire()
            await _send(traffic, client, connection, [(to, f"{to} n{turn:05}") for to in batch])
    client.close()


async def _send(
    traffic: Traffic, client: _Client, connection: SandboxConnection, batch: list[tuple[str, str]]
) -> None:
    if len(batch) == 1:
        ((to, text),) = batch
        request = traffic.api.send(connection.id, to, text, key=text)
    else:
        request = traffic.api.send_many(
            [one_message(connection.id, to, text, idempotencyKey=text) for to, text in batch]
        )

    def read(response: Response) -> object | None:
        event_ids = _answers(response)
        for (_, text), event_id in zip(batch, event_ids or (), strict=event_ids is not None):
            traffic.acknowledged.messages[text] = event_id
        return event_ids

    await client.ask(request, read)


def _answers(response: Response) -> list[str] | None:
    """The ids that a send was answered with, or None when it must be repeated."""
    if response.status in _TEMPORARY:
        return None
    answer = orjson.loads(response.body)
    data: dict[str, Any] = answer.get("data") or {}
    errors: list[dict[str, Any]] = answer.get("errors") or []
    batch: list[dict[str, Any]] = data.get("sendMessages") or []
    codes = {str(error["extensions"]["code"]) for error in errors}
    codes |= {str(one["error"]["code"]) for one in batch if one["error"]}
    if codes and _TEMPORARY_CODES.issuperset(codes):
        return None
    if codes or response.status != 200:
        raise Unacceptable(f"HTTP {response.status}: {response.body.decode()[:2000]}")
    if "sendMessage" in data:
        return [data["sendMessage"]["id"]]
    return [one["message"]["id"] for one in batch]


async def receive_webhooks(traffic: Traffic, number: int, senders: list[str], each: int) -> None:
    """A platform that posts until it gets its 200, and now and then posts again what was taken."""
    client = _Client(traffic, number)
    connection = traffic.connections[number % len(traffic.connections)]
    chance = random.Random(f"{traffic.seed} {number}")
    for turn, sender in itertools.product(range(each), senders):
        await traffic.inbound_permits.acquire()
        text = f"{sender} n{turn:05}"
        request = inbound_message(connection.webhook_path, text.replace(" ", "-"), sender, text)
        await client.ask(request, _taken)
        traffic.acknowledged.inbound.add(text)
        if chance.random() < 0.2:
            await client.ask(request, _taken)
            traffic.acknowledged.repeats += 1
    client.close()


def _taken(response: Response) -> object | None:
    if response.status == 200:
        return response
    if response.status in _TEMPORARY:
        return None
    raise Unacceptable(f"webhook: HTTP {response.status}: {response.body.decode()[:2000]}")
