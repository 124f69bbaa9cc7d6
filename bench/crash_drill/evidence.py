"""What is left when the dust has settled: the log, the records of deliveries, and what came to the sink."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from bench.crash_drill.sink import read_arrivals
from bench.databases import Database

_EVENTS = """
select id, event_type, payload->'message'->>'text' as text from events
where event_type in ('message.outbound', 'message.inbound') order by position"""
_DELIVERIES = "select id, state, finished_at from deliveries"
_UNFINISHED = "select count(*) from delivery_queue"


@dataclass(frozen=True)
class Record:
    """How a delivery ended, by the database."""

    state: str
    finished_at: datetime


@dataclass(frozen=True)
class Log:
    """The database's side: ids of events by their text, in order of acceptance."""

    outbound: dict[str, list[str]]
    inbound: dict[str, list[str]]
    deliveries: dict[str, Record]
    unfinished: int


@dataclass(frozen=True)
class Arrivals:
    """The sink's side: for each text the arrivals' times and their idempotency ids, texts by first arrival."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    ids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, text: str, at: float, idempotency_id: str) -> None:
        """Note one arrival."""
        self.times[text].append(at)
        self.ids[text].add(idempotency_id)

    @property
    def repeats(self) -> int:
        """How many arrivals were not the first."""
        return sum(len(times) - 1 for times in self.times.values())


@dataclass(frozen=True)
class Evidence:
    """Both sides. `platform` are messages at the platform, the others webhooks at the endpoint."""

    log: Log
    platform: Arrivals
    outbound_hooks: Arrivals
    inbound_hooks: Arrivals

    @property
    def arrivals(self) -> dict[str, Arrivals]:
        """What came to the sink, by what it was."""
        return {
            "message": self.platform,
            "message.outbound webhook": self.outbound_hooks,
            "message.inbound webhook": self.inbound_hooks,
        }


async def gather(database: Database, sink_file: Path) -> Evidence:
    """Read both sides; nothing may be under way."""
    platform, outbound, inbound = Arrivals(), Arrivals(), Arrivals()
    for arrival in read_arrivals(sink_file):
        if arrival.path.endswith("/messages"):
            arrived, text = platform, arrival.body["content"]["text"]
        else:
            is_outbound = arrival.body["event_type"] == "message.outbound"
            arrived = outbound if is_outbound else inbound
            text = arrival.body["payload"]["message"]["text"]
        arrived.add(text, arrival.at, arrival.idempotency_id)
    return Evidence(await _read_log(database), platform, outbound, inbound)


async def _read_log(database: Database) -> Log:
    connection = await database.connect()
    try:
        outbound: dict[str, list[str]] = defaultdict(list)
        inbound: dict[str, list[str]] = defaultdict(list)
        for row in await connection.fetch(_EVENTS):
            side = outbound if row["event_type"] == "message.outbound" else inbound
            side[row["text"]].append(str(row["id"]))
        records = {
            str(row["id"]): Record(row["state"], row["finished_at"])
            for row in await connection.fetch(_DELIVERIES)
        }
        return Log(outbound, inbound, records, int(await connection.fetchval(_UNFINISHED)))
    finally:
        await connection.close()
