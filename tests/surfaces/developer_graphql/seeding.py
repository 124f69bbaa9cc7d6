"""A small world of one tenant, with every kind of row and every state that reads can show."""

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from outrider.core.database.pools import Connection
from outrider.core.ids import first_id_at
from outrider.files.media_payloads import media_message
from tests.tenants import Tenant

TYPES = (
    "message.inbound",
    "message.outbound",
    "message.delivered",
    "user.merged",
    "system.webhook.unrecognised",
    "link_code.generated",
    "file.inbound",
    "order.created",
    "custom.thing",
    "purchase",
    "messages",
    "system.conversation.read",
)
NAMES = ("Ann", 'Quo"te', "Zoë 🌊", "back\\slash", "line\nbreak", "", None)
_CREATED = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """All rows of all tenants as they stand in the database, each with its columns."""

    tables: dict[str, list[dict[str, Any]]] = field(repr=False)

    def rows(self, table: str, tenant: Tenant) -> list[dict[str, Any]]:
        """The rows of one tenant."""
        rows = self.tables[table]
        if table == "applications":
            return [row for row in rows if row["id"] == tenant.application_id]
        if table == "accounts":
            return [row for row in rows if row["organisation_id"] == tenant.organisation_id]
        return [row for row in rows if row["application_id"] == tenant.application_id]

    def ids(self, table: str, tenant: Tenant) -> list[str]:
        """The ids of one tenant's rows."""
        return [str(row["id"]) for row in self.rows(table, tenant)]


TABLES = (
    "applications",
    "accounts",
    "connections",
    "users",
    "platform_users",
    "events",
    "edges",
    "raw_bodies",
    "messages",
    "external_messages",
    "subscriptions",
    "delivery_queue",
    "fan_outs",
    "deliveries",
    "attempts",
    "event_schemas",
    "event_schema_versions",
    "logs",
    "files",
    "message_parts",
)


async def load_world(connection: Connection) -> World:
    """Read everything."""
    return World(
        {table: [dict(row) for row in await connection.fetch(f"select * from {table}")] for table in TABLES}
    )


class Seeding:
    """Fills one tenant; the same seed makes the same world but for the ids."""

    def __init__(self, connection: Connection, tenant: Tenant, seed: int) -> None:
        self.connection = connection
        self.tenant = tenant
        self.random = random.Random(seed)
        self.position = seed * 1_000_000
        self.connections: list[UUID] = []
        self.users: list[UUID] = []
        self.people: list[UUID] = []
        self.files: list[UUID] = []
        self.events: list[tuple[UUID, str]] = []
        self.subscriptions: list[UUID] = []

    async def fill(self) -> None:
        """Insert every kind of row."""
        await self._connections()
        await self._people()
        await self._files()
        await self._events()
        await self._edges()
        await self._messages()
        await self._subscriptions()
        await self._deliveries()
        await self._schemas()
        await self._logs()

    async def insert(self, table: str, rows: Iterable[dict[str, object]]) -> None:
        """Insert rows that all have the same columns."""
        rows = list(rows)
        columns = list(rows[0])
        values = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
        await self.connection.executemany(
            f"insert into {table} ({', '.join(columns)}) values ({values})",
            [tuple(row[column] for column in columns) for row in rows],
        )

    def uuid(self, moment: datetime | None = None) -> UUID:
        """A random UUIDv7 of a moment."""
        start = first_id_at(moment or _CREATED)
        return UUID(int=start.int | self.random.getrandbits(60))

    async def _connections(self) -> None:
        organisation_id, application_id = self.tenant.organisation_id, self.tenant.application_id
        await self.connection.execute(
            "update applications set config = $2 where id = $1", application_id, '{"auto": [1, 2.50, null]}'
        )
        for number, status in enumerate(("active", "disabled", "deleted")):
            account_id, connection_id = self.uuid(), self.uuid()
            await self.insert(
                "accounts",
                [
                    {
                        "organisation_id": organisation_id,
                        "id": account_id,
                        "provider": "sandbox",
                        "channel": "telegram",
                        "identifier": f"account-{number}",
                        "config": '{"api_base_url": "http://x", "token": "********"}',
                        "sealed_config": b"sealed",
                        "webhook_id": self.uuid(),
                        "webhook_secret_hash": b"hash",
                    }
                ],
            )
            await self.insert(
                "connections",
                [
                    {
                        "organisation_id": organisation_id,
                        "application_id": application_id,
                        "id": connection_id,
                        "account_id": account_id,
                        "identifier": f"connection-{number}",
                        "name": NAMES[number] or "",
                        "channel": "telegram",
                        "provider": "sandbox",
                        "in_doubt_policy": ("retry", "hold")[number % 2],
                        "status": status,
                        "system_platform_user_id": self.uuid(),
                        "created_at": _CREATED + timedelta(seconds=number),
                        "health_status": (None, "healthy", "unhealthy")[number],
                        "health_message": None if number == 0 else 'It "works".',
                        "health_checked_at": None if number == 0 else _CREATED,
                    }
                ],
            )
            self.connections.append(connection_id)

    async def _people(self) -> None:
        application_id = self.tenant.application_id
        # Two by two at the same moment: the id decides about their order.
        self.users = [self.uuid() for _ in range(9)]
        await self.insert(
            "users",
            [
                {
                    "application_id": application_id,
                    "id": user_id,
                    "name": NAMES[number % len(NAMES)],
                    "is_system": number % 4 == 0,
                    "created_at": _CREATED + timedelta(microseconds=1_500 * (number // 2)),
                }
                for number, user_id in enumerate(self.users)
            ],
        )
        # one of those whom edges lead to was merged into another
        await self.connection.execute(
            "update users set merged_into_id = $3, merged_by_event_id = $3 where application_id = $1 and id = $2",
            application_id,
            self.users[2],
            self.users[0],
        )
        self.people = [self.uuid() for _ in range(14)]
        await self.insert(
            "platform_users",
            [
                {
                    "application_id": application_id,
                    "id": person_id,
                    "user_id": self.users[number % 7],
                    "connection_id": self.connections[number % 3],
                    "external_id": f"+1415{number}",
                    "name": NAMES[number % len(NAMES)],
                    "profile_picture_url": None if number % 2 else f"https://x/{number}",
                    "created_at": _CREATED + timedelta(microseconds=1_500 * (number // 2)),
                }
                for number, person_id in enumerate(self.people)
            ],
        )

        await self.connection.execute(
            "update connections set system_platform_user_id = $2 where id = $1",
            self.connections[0],
            self.people[5],
        )

    async def _files(self) -> None:
        self.files = [self.uuid(_CREATED + timedelta(days=number)) for number in range(9)]
        await self.insert(
            "files",
            [
                {
                    "application_id": self.tenant.application_id,
                    "id": file_id,
                    "filename": f"{NAMES[number % len(NAMES)]}-{number}.png",
                    "mime_type": ("image/png", "application/pdf")[number % 2],
                    "size": number + 1 if number % 3 == 0 else None,
                    "sha256": bytes(32) if number % 3 == 0 else None,
                    "state": ("ready", "pending", "failed")[number % 3],
                    "source": ("upload", "platform", "platform")[number % 3],
                    "reference": '{"file_id": "x"}' if number % 3 == 1 else None,
                }
                for number, file_id in enumerate(self.files)
            ],
        )

    def _payload(self, number: int, event_type: str) -> str:
        said = {"n": number, "text": NAMES[number % len(NAMES)], "big": 10**17 + number}
        if event_type not in {"message.inbound", "message.outbound"} or number % 3:
            return json.dumps(said, ensure_ascii=bool(number % 2))
        message = media_message("image", self.files[number % 9], "image/png", None)
        whole = {"type": "message", "message": {**message, "caption": NAMES[number % len(NAMES)]}, **said}
        return json.dumps(whole, ensure_ascii=bool(number % 2), separators=(",", ":"))

    async def _events(self) -> None:
        application_id = self.tenant.application_id
        moment = datetime.now(UTC) - timedelta(days=25)
        for number in range(70):
            moment += timedelta(milliseconds=self.random.choice((0, 1, 500, 40_000_000)))
            self.events.append((self.uuid(moment), TYPES[number % len(TYPES)]))
        self.events.sort()
        await self.insert(
            "event_types",
            [{"application_id": application_id, "name": name} for name in (*TYPES, "never.used")],
        )
        await self.insert(
            "events",
            [
                {
                    "application_id": application_id,
                    "id": event_id,
                    "position": self.position + number,
                    "event_type": event_type,
                    "origin_event_id": self._origin(number),
                    "payload": self._payload(number, event_type),
                }
                for number, (event_id, event_type) in enumerate(self.events)
            ],
        )
        await self.insert(
            "raw_bodies",
            [
                {
                    "application_id": application_id,
                    "event_id": event_id,
                    "body": bytes(range(256)) * (number % 3),
                    "headers": '{"content-type": "text/plain"}',
                }
                for number, (event_id, _) in enumerate(self.events[::9])
            ],
        )

    def _origin(self, number: int) -> UUID | None:
        if number % 3 or number == 0:
            return None
        if number % 15 == 0:
            return self.uuid()  # retention took it
        return self.events[self.random.randrange(number)][0]

    async def _edges(self) -> None:
        rows: list[dict[str, object]] = []
        for event_id, event_type in self.events:
            for number in range(self.random.choice((0, 1, 2, 4))):
                kind = self.random.choice(("platform_user", "platform_user", "user", "event", "file"))
                targets = {
                    "platform_user": self.people[:4],
                    "user": self.users[:3],
                    "event": [known for known, _ in self.events[:3]],
                    "file": [UUID(int=5), *self.files[:4]],
                }[kind]
                rows.append(
                    {
                        "application_id": self.tenant.application_id,
                        "event_id": event_id,
                        "id": self.uuid(),
                        "edge_type": self.random.choice(("sent_by", "sent_to", "reply_to")),
                        "target_type": kind,
                        "target_id": self.random.choice(targets),
                    }
                )
                if number == 3:  # the same target twice
                    rows.append({**rows[-1], "id": self.uuid()})
            rows += self._marks(event_id, event_type)
        await self.insert("edges", self._with_one_counterpart(rows))

    def _marks(self, event_id: UUID, event_type: str) -> list[dict[str, object]]:
        """What marks a conversation as read: the person, and one of their messages."""
        if event_type != "system.conversation.read":
            return []
        inbound = [known for known, known_type in self.events if known_type == "message.inbound"]
        edge = {"application_id": self.tenant.application_id, "event_id": event_id}
        person, message = self.people[self.random.randrange(2)], self.random.choice(inbound)
        return [
            {
                **edge,
                "id": self.uuid(),
                "edge_type": "conversation",
                "target_type": "platform_user",
                "target_id": person,
            },
            {
                **edge,
                "id": self.uuid(),
                "edge_type": "read_up_to",
                "target_type": "event",
                "target_id": message,
            },
        ]

    def _with_one_counterpart(self, rows: list[dict[str, object]]) -> list[dict[str, object]]:
        """A message has one sender and one recipient."""
        messages = {event_id for event_id, event_type in self.events if event_type.startswith("message.")}
        seen: set[tuple[object, object]] = set()
        for row in rows:
            role = (row["event_id"], row["edge_type"])
            if row["event_id"] in messages and row["target_type"] == "platform_user":
                if role in seen:
                    row["edge_type"] = "reply_to"
                seen.add(role)
        return rows

    async def _messages(self) -> None:
        outbound = [event_id for event_id, event_type in self.events if event_type == "message.outbound"]
        now = datetime.now(UTC)
        await self.insert(
            "messages",
            [
                {
                    "application_id": self.tenant.application_id,
                    "id": event_id,
                    "connection_id": self.connections[0],
                    "platform_user_id": self.people[0],
                    "state": number % 5,
                    "external_id": None if number % 5 == 0 else f'wamid "{number}"',
                    "sent_at": now if number % 5 in {1, 3} else None,
                    "failed_at": now if number % 5 == 2 else None,
                    "delivered_at": now + timedelta(seconds=1) if number % 5 >= 3 else None,
                    "read_at": now + timedelta(seconds=2) if number % 5 == 4 else None,
                    "error": '{"code": "UNKNOWN"}' if number % 5 == 2 else None,
                }
                for number, event_id in enumerate(outbound[:-1])
            ],
        )
        inbound = [event_id for event_id, event_type in self.events if event_type == "message.inbound"]
        await self.insert(
            "external_messages",
            [
                {
                    "application_id": self.tenant.application_id,
                    "connection_id": self.connections[number % 2],
                    "external_id": f"wamid.{number // 2}",
                    "event_id": None if number == 6 else event_id,
                }
                for number, event_id in enumerate([*outbound[:4], *inbound[:4]])
            ],
        )
        await self.insert(
            "message_parts",
            [
                {
                    "application_id": self.tenant.application_id,
                    "message_id": outbound[number // 2],
                    "number": number % 2,
                    "external_id": f'part "{number}"',
                }
                for number in range(6)
            ],
        )
        await self.connection.execute(
            """update messages m set external_ids = (
              select json_agg(p.external_id order by p.number) from message_parts p
              where p.application_id = m.application_id and p.message_id = m.id)
            where m.application_id = $1""",
            self.tenant.application_id,
        )
        queued = outbound[0], outbound[5], outbound[-1]
        await self.insert(
            "delivery_queue",
            [
                self._queued(
                    event_id, event_id, self.connections[0], kind="message", state=state, attempts=attempts
                )
                for event_id, state, attempts in zip(
                    queued, ("ready", "started", "ready"), (0, 0, 2), strict=True
                )
            ],
        )

    def _queued(
        self, event_id: UUID, delivery_id: UUID, target_id: UUID, *, kind: str, state: str, attempts: int
    ) -> dict[str, object]:
        self.position += 1
        return {
            "application_id": self.tenant.application_id,
            "shard": target_id.bytes[-1] & 63,
            "position": self.position,
            "id": delivery_id,
            "kind": kind,
            "event_id": event_id,
            "target_id": target_id,
            "state": state,
            "attempts": attempts,
            "due_at": datetime.max.replace(tzinfo=UTC) if state == "held" else None,
        }

    async def _subscriptions(self) -> None:
        self.subscriptions = [self.uuid() for _ in range(4)]
        await self.insert(
            "subscriptions",
            [
                {
                    "organisation_id": self.tenant.organisation_id,
                    "application_id": self.tenant.application_id,
                    "id": subscription_id,
                    "name": NAMES[number] or "",
                    "target_url": f"https://x/{number}",
                    "patterns": ["message.*", "order.created"][: 1 + number % 2],
                    "sealed_secret": b"sealed",
                    "status": ("active", "paused", "disabled", "deleted")[number],
                    "status_reason": None if number != 2 else "five days of failures",
                    "from_position": 0,
                    "created_at": _CREATED + timedelta(seconds=number),
                }
                for number, subscription_id in enumerate(self.subscriptions)
            ],
        )

    async def _deliveries(self) -> None:
        inbound = [event for event in self.events if event[1] == "message.inbound"]
        now = datetime.now(UTC)
        finished: list[dict[str, object]] = []
        attempts: list[dict[str, object]] = []
        queued: list[dict[str, object]] = []
        for number, (event_id, _) in enumerate(inbound * 2):
            delivery_id, target_id = self.uuid(now - timedelta(hours=number)), self.subscriptions[number % 3]
            if number % 4 == 0:
                state, tries = ("ready", "held", "ready")[number // 4 % 3], number // 4 % 2
                queued.append(
                    self._queued(
                        event_id, delivery_id, target_id, kind="webhook", state=state, attempts=tries
                    )
                )
                continue
            state = ("succeeded", "failed", "dropped", "cancelled")[self.random.randrange(4)]
            finished.append(
                {
                    "application_id": self.tenant.application_id,
                    "id": delivery_id,
                    "kind": "webhook",
                    "event_id": event_id,
                    "target_id": target_id,
                    "state": state,
                    "reason": None if state == "succeeded" else 'the "reason"',
                    "attempts": number % 3,
                    "finished_at": now + timedelta(seconds=number),
                }
            )
            attempts += [self._attempt(delivery_id, one, now) for one in range(1, number % 3 + 1)]
        media = [event_id for event_id, _ in inbound[:2]]
        queued.append(
            self._queued(
                media[0], self.files[1], self.connections[0], kind="media", state="ready", attempts=1
            )
        )
        finished.append(
            {**finished[0], "id": self.files[2], "kind": "media", "event_id": media[1], "state": "failed"}
        )
        await self.insert("deliveries", finished)
        await self.insert("attempts", attempts)
        await self.insert("delivery_queue", queued)
        await self.connection.execute(
            "insert into fan_outs select application_id, position, id, event_type, null, false, $3 "
            "from events where application_id = $1 and id = $2",
            self.tenant.application_id,
            next(event_id for event_id, event_type in self.events if event_type == "purchase"),
            UUID(int=0),
        )

    async def _schemas(self) -> None:
        owner = {
            "organisation_id": self.tenant.organisation_id,
            "application_id": self.tenant.application_id,
        }
        schemas = {
            "order.created": '{"type": "object", "required": ["order_id", "total"]}',
            "purchase": "true",
            "custom.thing": '{"required": "no list"}',
        }
        ids = {name: uuid5(self.tenant.application_id, name) for name in schemas}
        await self.insert(
            "event_schemas",
            [
                {
                    **owner,
                    "id": ids[name],
                    "name": name,
                    "description": NAMES[number],
                    "version": number + 1,
                    "json_schema": schema,
                    "created_at": _CREATED + timedelta(seconds=number),
                }
                for number, (name, schema) in enumerate(schemas.items())
            ],
        )
        await self.insert(
            "event_schema_versions",
            [
                {
                    **owner,
                    "schema_id": ids[name],
                    "version": version,
                    "description": NAMES[version],
                    "json_schema": schema,
                    "created_at": _CREATED + timedelta(seconds=version),
                }
                for number, (name, schema) in enumerate(schemas.items())
                for version in range(1, number + 2)
            ],
        )

    async def _logs(self) -> None:
        now = datetime.now(UTC)
        await self.insert(
            "logs",
            [
                {
                    "application_id": self.tenant.application_id,
                    "id": self.uuid(now - timedelta(hours=number)),
                    "event_id": (None, self.events[number][0], self.uuid())[number % 3],
                    "level": ("info", "debug", "error", "warning")[number % 4],
                    "log_type": ("execution", "import")[number % 2],
                    "message": f'a "quoted" entry {number}',
                    "payload": None if number % 2 else json.dumps({"n": number}),
                }
                for number in range(25)
            ],
        )

    def _attempt(self, delivery_id: UUID, number: int, now: datetime) -> dict[str, object]:
        return {
            "application_id": self.tenant.application_id,
            "delivery_id": delivery_id,
            "number": number,
            "result": "refused",
            "started_at": now,
            "duration_ms": 12,
            "status_code": 500 if number == 1 else None,
            "detail": None if number == 1 else "no \\ answer",
            "retry_at": now if number == 1 else None,
        }


async def seed(connection: Connection, tenants: Iterable[Tenant]) -> None:
    """Fill tenants, each with a world of its own."""
    for number, tenant in enumerate(tenants, start=1):
        await Seeding(connection, tenant, number).fill()


def ids_of(world: World, tenant: Tenant) -> set[str]:
    """Every id that belongs to a tenant."""
    return {
        str(row[column])
        for table in TABLES
        for row in world.rows(table, tenant)
        for column in row
        if (column == "id" or column.endswith("_id")) and isinstance(row[column], UUID)
    } - {str(UUID(int=0)), str(UUID(int=5))}
