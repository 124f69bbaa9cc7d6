"""The small reads that operations on events need before they append."""

from collections.abc import Sequence
from uuid import UUID

from outrider.core.database.pools import Pool

SELECT_PEOPLE = """
select p.id, p.external_id, p.name from platform_users p where p.application_id = $1 and p.id = any ($2::uuid[])
"""


async def select_people(
    pool: Pool, application_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, tuple[str, str | None]]:
    """External id and name of platform users; who is missing is left out."""
    rows = await pool.fetch(SELECT_PEOPLE, application_id, list(ids))
    return {row["id"]: (row["external_id"], row["name"]) for row in rows}
