"""What tests of outreach share: a context of their own database's, contacts by the dozen, imports of a text."""

import io

from outrider.core.database.pools import Pool
from outrider.outreach.importing.records import FileFormat
from outrider.outreach.importing.running import open_batches, run_batches
from outrider.outreach.importing.values import Progress
from outrider.outreach.imports import ImportOptions, begin_command, job_of
from outrider.tenancy.context import TenancyContext
from tests.tenants import Tenant


async def imported(
    context: TenancyContext,
    tenant: Tenant,
    text: str | bytes,
    *,
    options: ImportOptions | None = None,
) -> Progress:
    """Import a text to its end, as the command does; CSV unless the options say otherwise."""
    content = text.encode() if isinstance(text, str) else text
    chosen = options or ImportOptions(format=FileFormat.CSV)
    stream = io.BytesIO(content)
    begun, _ = await begin_command(context, tenant.organisation_id, chosen, stream)
    stream.seek(0)
    job, progress = job_of(tenant.organisation_id, begun), begun.progress
    async for step in run_batches(context, job, open_batches(stream, job, progress), progress, by=None):
        progress = step.progress
    return progress


async def contacts_of(pool: Pool, tenant: Tenant) -> dict[str, str]:
    """The names of an organisation's contacts by their addresses."""
    rows = await pool.fetch(
        "select email, name from contacts where organisation_id = $1 order by id", tenant.organisation_id
    )
    return {row["email"]: row["name"] for row in rows}
