"""Removes what imports leave behind when they have ended long ago: the rows that they left out, and their files."""

from dataclasses import dataclass

import asyncpg

from outrider.core.database.pools import Pool
from outrider.files.cross_tenant import delete_unused
from outrider.outreach.importing import cross_tenant
from outrider.outreach.importing.values import KEPT_DAYS


@dataclass(frozen=True, slots=True)
class Swept:
    """How much went."""

    errors: int
    files: int


async def sweep(pool: Pool) -> Swept:
    """Sweep behind imports that ended more than `KEPT_DAYS` ago; one that is interrupted is done again."""
    before = await cross_tenant.select_swept_until(pool, KEPT_DAYS)
    errors = await cross_tenant.delete_errors(pool, before)
    try:
        files = await delete_unused(pool, await cross_tenant.select_old_files(pool, before))
    except asyncpg.LockNotAvailableError:
        # the next round comes back to them
        return Swept(errors, 0)
    await cross_tenant.mark_swept(pool, before)
    return Swept(errors, files)
