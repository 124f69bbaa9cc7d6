"""Paging while rows are inserted, changed and deleted: nothing that was there throughout is missed or told twice."""

import asyncio
import random
from uuid import UUID

from tests.surfaces.outbound_rest.shelf import Reads

_MANY = 100_000


async def _many(reads: Reads, count: int) -> set[str]:
    """So many contacts, made within the last hours; their ids."""
    rows = await reads.client.server.runtime.database.system.fetch(
        """
        with made as (
          select uuidv7(-(interval '3 hours' * random())) as id, n from generate_series(1, $2::integer) n
        )
        insert into contacts (organisation_id, id, name, email, created_at, updated_at)
        select $1, id, 'Contact ' || n, n || '@example.com', uuid_extract_timestamp(id), now() from made
        returning id
        """,
        reads.organisation_id,
        count,
    )
    return {str(row["id"]) for row in rows}


async def _disturb(reads: Reads, stop: asyncio.Event) -> set[str]:
    """Insert, change and delete contacts until told to stop; what was inserted."""
    inserted: set[str] = set()
    gone: list[UUID] = []
    while not stop.is_set():
        new = await reads.contact("Late")
        inserted.add(str(new))
        gone.append(new)
        await reads.execute(
            """
            update contacts set updated_at = now(), qualification_status = 'customer'
            where organisation_id = $1 and id in (
              select id from contacts where organisation_id = $1 order by id desc offset $2 limit 20)
            """,
            reads.organisation_id,
            random.randrange(1_000),
        )
        if len(gone) > 3:
            old = gone.pop(0)
            for table, column in (("contact_addresses", "contact_id"), ("contacts", "id")):
                await reads.execute(
                    f"delete from {table} where organisation_id = $1 and {column} = $2",
                    reads.organisation_id,
                    old,
                )
    return inserted


async def test_a_hundred_thousand_contacts_are_paged_without_a_gap_or_a_repeat(reads: Reads) -> None:
    there = await _many(reads, _MANY)
    stop = asyncio.Event()
    disturbing = asyncio.create_task(_disturb(reads, stop))

    found = [one["id"] for one in await reads.walk("/contacts", limit=200)]
    stop.set()
    inserted = await disturbing

    assert len(found) == len(set(found))
    assert there <= set(found)
    assert set(found) - there <= inserted
    assert found == sorted(found, reverse=True)
    assert inserted


async def test_events_are_paged_without_a_gap_while_more_come(reads: Reads) -> None:
    create = 'mutation { createEvent(eventType: "order.paid", payload: {}) { id } }'
    there = {(await reads.client.data(create))["createEvent"]["id"] for _ in range(60)}

    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await reads.get("/events", eventType="order.paid", limit=7, **cursor)
        found += [one["id"] for one in page["data"]]
        await reads.client.data(create)
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}

    assert len(found) == len(set(found))
    assert there == set(found)
