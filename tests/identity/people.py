"""What tests of identities share: people of a connection, their events, and what they write."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson

from outrider.identity.platform_users import create_platform_user, get_platform_user
from outrider.identity.values import NewPlatformUser, PlatformUser
from outrider.platforms.base import InboundRequest
from outrider.runtime.cross_tenant import select_broken
from outrider.runtime.parts import Runtime
from outrider.webhooks.receiving import receive_for
from tests.running import connect_sandbox
from tests.tenants import Tenant


@dataclass(frozen=True)
class Town:
    """A tenant with two connections, and what can be done there."""

    runtime: Runtime
    tenant: Tenant
    here: UUID
    there: UUID
    database: "asyncpg.Connection[asyncpg.Record]"

    async def person(
        self, name: str, *, connection: UUID | None = None, user_id: UUID | None = None
    ) -> PlatformUser:
        """Somebody new on a connection."""
        new = NewPlatformUser(
            connection_id=connection or self.here, external_id=name, name=name, user_id=user_id
        )
        return await create_platform_user(self.runtime.identity, self.tenant.actor, new)

    async def owner_of(self, person: PlatformUser) -> UUID:
        """The user that a platform user belongs to now."""
        found = await get_platform_user(self.runtime.identity, self.tenant.actor, person.id)
        return found.user_id

    async def detect(self, *, is_wanted: bool = True) -> None:
        """Switch the search for link codes in messages."""
        await self.database.execute(
            "update applications set config = $2 where id = $1",
            self.tenant.application_id,
            orjson.dumps({"link_code_auto_detect": "enabled" if is_wanted else "disabled"}).decode(),
        )

    async def write(
        self, sender: str, *texts: str, connection: UUID | None = None, message_id: str | None = None
    ) -> None:
        """Somebody writes, as the platform tells it."""
        entry = await self.runtime.directories.connections.get(
            self.tenant.application_id, connection or self.there
        )
        assert entry is not None
        messages = [{"from": sender, "text": text, "id": message_id or str(uuid4())} for text in texts]
        request = InboundRequest({}, orjson.dumps({"messages": messages}))
        adapter = self.runtime.registry.get("sandbox")
        await receive_for(self.runtime.receiving, entry, adapter, request)

    async def events(self, *types: str) -> list[dict[str, Any]]:
        """Events of these types in the order of the log, with payload, origin and edges."""
        rows = await self.database.fetch(
            """select e.id, e.event_type, e.payload, e.origin_event_id, array(select g.edge_type || ' ' || g.target_id
              from edges g where g.application_id = e.application_id and g.event_id = e.id order by g.id) as edges
            from events e where e.application_id = $1 and e.event_type = any ($2) order by e.position""",
            self.tenant.application_id,
            list(types),
        )
        return [{**row, "payload": json.loads(row["payload"])} for row in rows]

    async def flaws(self) -> dict[str, list[str]]:
        """What `verify` finds here; other tests leave in their applications what no append would."""
        found = await select_broken(self.database)
        own = {
            what: [one for one in where if one.startswith(str(self.tenant.application_id))]
            for what, where in found.items()
        }
        return {what: where for what, where in own.items() if where}

    async def count(self) -> int:
        """How many events the application has."""
        found: int = await self.database.fetchval(
            "select count(*) from events where application_id = $1", self.tenant.application_id
        )
        return found


@asynccontextmanager
async def town_of(runtime: Runtime, tenant: Tenant, dsn: str) -> AsyncGenerator[Town]:
    """Two sandbox connections of a tenant."""
    here = await connect_sandbox(runtime, tenant)
    there = await connect_sandbox(runtime, tenant)
    database = await asyncpg.connect(dsn)
    try:
        yield Town(runtime, tenant, here.id, there.id, database)
    finally:
        await database.close()
