"""The small reads that operations on events need before they append."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from outrider.core.database.pools import Pool

SELECT_PEOPLE = """
select p.id, p.external_id, p.name from platform_users p where p.application_id = $1 and p.id = any ($2::uuid[])
"""
# The sequence stands at or behind every position that was ever given out.
SELECT_PLACES = """
select coalesce((
    select e.position from events e where e.application_id = $1 order by e.position desc limit 1), 0) as newest,
  (select e.position from events e where e.application_id = $1 and e.id = $2) as position,
  (select last_value from event_position) as last
"""


@dataclass(frozen=True, slots=True)
class Places:
    """Places in the order of commit: of an application's newest event, of one event of it, and of the last of all."""

    newest: int
    position: int | None
    last: int


async def select_places(pool: Pool, application_id: UUID, event_id: UUID | None) -> Places:
    """Tell where a reader of an application's log can begin."""
    row = await pool.fetchrow(SELECT_PLACES, application_id, event_id)
    assert row is not None
    return Places(row["newest"], row["position"], row["last"])


async def select_people(
    pool: Pool, application_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, tuple[str, str | None]]:
    """External id and name of platform users; who is missing is left out."""
    rows = await pool.fetch(SELECT_PEOPLE, application_id, list(ids))
    return {row["id"]: (row["external_id"], row["name"]) for row in rows}
