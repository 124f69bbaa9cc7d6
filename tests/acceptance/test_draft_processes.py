"""Real servers that are killed again and again while they send drafts: each is sent, and none twice."""

import asyncio
import random
from collections.abc import AsyncGenerator
from uuid import UUID

import aiohttp
import asyncpg
import pytest

from tests.clients import Listener, listener
from tests.installations import Installation, new_installation
from tests.outreach.written import IDS, new_contact

DRAFTS = 300


@pytest.fixture
async def installation() -> AsyncGenerator[Installation]:
    async with new_installation() as made:
        await made.bootstrap()
        yield made


@pytest.fixture
async def sink() -> AsyncGenerator[Listener]:
    """Where the mails arrive."""
    async with listener() as made:
        yield made


async def _pool(installation: Installation) -> "asyncpg.Pool[asyncpg.Record]":
    folder = (installation.data_dir / "postgres.socket").read_text().strip()
    return await asyncpg.create_pool(
        host=folder, port=5432, user="outrider", database="outrider", min_size=1, max_size=2
    )


async def _write(installation: Installation, connection_id: str) -> list[UUID]:
    """Drafts to somebody each, sent through the account of a connection."""
    async with await _pool(installation) as pool:
        row = await pool.fetchrow(
            "select organisation_id, application_id, account_id from connections where id = $1",
            UUID(connection_id),
        )
        assert row is not None
        ids = [IDS.new() for _ in range(DRAFTS)]
        for number, draft_id in enumerate(ids):
            contact = await new_contact(pool, row["organisation_id"], email=f"person-{number}@example.com")
            await pool.execute(
                """insert into drafts (organisation_id, id, application_id, contact_id, account_id, subject, body_text,
                  created_at, updated_at) values ($1, $2, $3, $4, $5, 'Your crossing', 'At 7:40?', now(), now())""",
                row["organisation_id"],
                draft_id,
                row["application_id"],
                contact,
                row["account_id"],
            )
    return ids


async def _is_all_sent(installation: Installation) -> bool:
    connection = await installation.connect()
    try:
        return int(await connection.fetchval("select count(*) from drafts where status = 'sent'")) == DRAFTS
    finally:
        await connection.close()


async def test_servers_that_are_killed_while_they_send_drafts_send_each_once(
    installation: Installation, sink: Listener
) -> None:
    async with aiohttp.ClientSession() as session, installation.serving() as served:
        caller = await installation.caller(served, session)
        connection = await caller.connect("EMAIL", "sandbox", {"api_base_url": sink.url})
        ids = await _write(installation, connection["id"])
        approved = await installation.run("drafts", "approve", *map(str, ids))
        assert approved.status == 0, approved.err
        await sink.wait_for(1)
        await served.kill()
    for _ in range(3):
        async with installation.serving() as served:
            # what is claimed by the dead is anybody's at once, so that the next is killed in the middle, too
            async with await _pool(installation) as pool:
                await pool.execute("update drafts set due_at = now() where due_at is not null")
            await asyncio.sleep(random.uniform(0.05, 0.6))
            await served.kill()
    async with installation.serving(), await _pool(installation) as pool:
        await pool.execute("update drafts set due_at = now() where due_at is not null")
        async with asyncio.timeout(60):
            while not await _is_all_sent(installation):
                await asyncio.sleep(0.1)
        rows = await pool.fetch(
            """select payload ->> 'draft_id' as draft_id, count(*) as count from events
            where event_type = 'message.outbound' group by 1"""
        )
        verified = await installation.run("verify")

    assert {row["draft_id"]: row["count"] for row in rows} == {str(one): 1 for one in ids}
    assert verified.out == "Everything agrees.\n"
    # an attempt that was killed may be made again, under the same key
    assert len({headers["Idempotency-Key"] for headers, _ in sink.received}) == DRAFTS
    assert {body["to"] for body in sink.bodies} == {
        f"person-{number}@example.com" for number in range(DRAFTS)
    }
