"""Statements of webhook delivery over many tenants at once: the dispatcher loads whatever its shards hold."""

from collections.abc import Sequence
from uuid import UUID

from outrider.core.database.pools import Pool

LOAD_FROZEN = """
select w.n, f.fragment, e.origin_event_id
from unnest($1::uuid[], $2::uuid[]) with ordinality w(application_id, event_id, n)
join frozen_bodies f on f.application_id = w.application_id and f.event_id = w.event_id
  and octet_length(f.fragment) <= $3
left join events e on e.application_id = w.application_id and e.id = w.event_id
"""


async def load_frozen(
    pool: Pool, keys: Sequence[tuple[UUID, UUID]], longest: int
) -> list[tuple[str, UUID | None] | None]:
    """Frozen fragment and origin of (application, event) pairs, None for what is gone or longer than that."""
    rows = await pool.fetch(LOAD_FROZEN, [key[0] for key in keys], [key[1] for key in keys], longest)
    found = {row["n"] - 1: (row["fragment"], row["origin_event_id"]) for row in rows}
    return [found.get(number) for number in range(len(keys))]
