"""Removes the rows that imports left out when they have ended long ago."""

from outrider.core.database.pools import Pool
from outrider.outreach.importing import cross_tenant
from outrider.outreach.importing.values import KEPT_DAYS


async def sweep(pool: Pool) -> int:
    """Sweep behind imports that ended more than `KEPT_DAYS` ago; returns how many rows went.

    A sweep that is interrupted is done again.
    """
    before = await cross_tenant.select_swept_until(pool, KEPT_DAYS)
    count = await cross_tenant.delete_errors(pool, before)
    await cross_tenant.mark_swept(pool, before)
    return count
