"""The drill of the live feed: twenty writers, one append held open, and a subscriber that is killed a hundred times."""

import asyncio
import contextlib
import random
from collections import Counter
from uuid import UUID

import asyncpg

from outrider.core.errors import Unavailable
from outrider.events.creating import NewCustomEvent, create_event
from outrider.events.cross_tenant import append_batch
from outrider.runtime.parts import Runtime
from tests.clients import Client
from tests.events.appends import new_event
from tests.feeds import following

WRITERS = 20
KILLS = 100
HELD_SECONDS = 5.0
_CREATE = """mutation($key: String!) {
  createEvent(eventType: "ferry.sailed", payload: {}, idempotencyKey: $key) { id } }"""
_FILTERS = {"eventType": {"equals": "ferry.sailed"}}


class Writers:
    """Writes until it is told to stop: half of them over HTTP, half in another process."""

    def __init__(self, client: Client, elsewhere: Runtime) -> None:
        self._client = client
        self._elsewhere = elsewhere
        self._is_over = asyncio.Event()
        self._tasks = [asyncio.create_task(self._write(number)) for number in range(WRITERS - 1)]

    async def stop(self) -> None:
        """Let each finish what it is about."""
        self._is_over.set()
        await asyncio.gather(*self._tasks)

    async def _write(self, number: int) -> None:
        count = 0
        while not self._is_over.is_set():
            count += 1
            while not await self._written(number, f"{number} {count}"):
                pass  # an append that is held open keeps others waiting for longer than they may
            await asyncio.sleep(random.random() * 0.1)

    async def _written(self, number: int, key: str) -> bool:
        if number % 2:
            answer = await self._client.graphql(_CREATE, key=key)
            codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
            assert codes in ([], ["UNAVAILABLE"])
            return not codes
        new = NewCustomEvent(event_type="ferry.sailed", payload={}, idempotency_key=key)
        try:
            await create_event(self._elsewhere.creating, self._client.tenant.actor, new)
        except Unavailable:
            return False
        return True


async def hold_an_append_open(dsn: str, application_id: UUID) -> None:
    """The twentieth writer: everything of its append is done but the commit."""
    connection = await asyncpg.connect(dsn)
    item = new_event(application_id)
    async with connection.transaction():
        await append_batch(
            connection,
            [item],
            is_replay=False,
            notify=None,
            is_known_identity=lambda _: False,
            new_types=[(application_id, "ferry.sailed")],
            patterns=[],
            timeout=20,
        )
        await asyncio.sleep(HELD_SECONDS)
    await connection.close()


class Subscriber:
    """Remembers the last cursor that it got, and what it has seen."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._cursor: str | None = None
        self.seen: list[str] = []
        self.kills = 0

    async def begin(self) -> None:
        """Open the feed, and know where it stands before anything is written."""
        async with following(self._client, filters=_FILTERS) as feed:
            self._cursor = await feed.place()

    async def live(self, seconds: float, most: int) -> None:
        """Follow for a while, then be killed, wherever in the stream that is."""
        async with following(self._client, after=self._cursor, filters=_FILTERS) as feed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    for _ in range(most):
                        edge = await feed.edge()
                        self.seen.append(edge["node"]["id"])
                        self._cursor = edge["cursor"]
        self.kills += 1


async def test_a_subscriber_that_is_killed_a_hundred_times_sees_every_event_once(
    client: Client, runtime: Runtime, dsn: str
) -> None:
    application_id = client.tenant.application_id
    subscriber = Subscriber(client)
    await subscriber.begin()
    writers = Writers(client, runtime)
    await subscriber.live(0.3, 10)

    holding = asyncio.create_task(hold_an_append_open(dsn, application_id))
    while subscriber.kills < KILLS or not holding.done():
        await subscriber.live(0.01 + random.random() * 0.15, random.randrange(1, 40))
    await holding
    await writers.stop()
    stored = [
        str(row["id"])
        for row in await runtime.database.system.fetch(
            "select id from events where application_id = $1 and event_type = 'ferry.sailed' order by position",
            application_id,
        )
    ]
    while len(subscriber.seen) < len(stored):
        before = len(subscriber.seen)
        await subscriber.live(2, 1_000)
        assert len(subscriber.seen) > before, "events are missing"

    assert not [one for one, count in Counter(subscriber.seen).items() if count > 1]
    assert subscriber.seen == stored
    assert subscriber.kills > KILLS
    assert len(stored) > 500
