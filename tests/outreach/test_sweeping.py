"""What imports leave behind goes when they have ended long ago, and the API says that it is gone."""

import io
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from outrider.core.metrics import Metrics
from outrider.files.storage import ContentStorage
from outrider.outreach.importing.records import FileFormat
from outrider.outreach.importing.sweeping import sweep
from outrider.outreach.imports import ImportOptions, begin_command
from outrider.runtime.maintaining import Maintenance
from outrider.runtime.parts import Runtime
from tests.administrators import Administrator
from tests.clients import Server
from tests.outreach.people import imported
from tests.outreach.test_importing import START, ended
from tests.tenants import Tenant, new_tenant

TEXT = "email\nada@x.example\nnobody\nnor I\n"
READ = "query($id: UUID!) { contactImport(id: $id) { failed finishedAt errorsUntil errors { row } } }"


async def age(runtime: Runtime, tenant: Tenant, *, days: int, import_id: str | None = None) -> None:
    """Let imports, or one, have ended so long ago."""
    await runtime.database.system.execute(
        """update contact_imports set finished_at = finished_at - make_interval(days => $2)
        where organisation_id = $1 and ($3::uuid is null or id = $3)""",
        tenant.organisation_id,
        days,
        import_id,
    )


async def errors_of(runtime: Runtime, tenant: Tenant) -> int:
    count = "select count(*) from contact_import_errors where organisation_id = $1"
    return await runtime.database.system.fetchval(count, tenant.organisation_id)


async def test_what_was_left_out_goes_a_month_after_the_end(runtime: Runtime) -> None:
    old, newer, unfinished = [await new_tenant(runtime.tenancy) for _ in range(3)]
    await imported(runtime.tenancy, old, TEXT)
    await imported(runtime.tenancy, newer, TEXT)
    await age(runtime, old, days=31)
    await age(runtime, newer, days=29)
    options = ImportOptions(format=FileFormat.CSV)
    begun, _ = await begin_command(
        runtime.tenancy, unfinished.organisation_id, options, io.BytesIO(TEXT.encode())
    )
    # it was begun long ago, and has left out a row
    await runtime.database.system.execute(
        """with aged as (update contact_imports set created_at = now() - interval '90 days',
          updated_at = now() - interval '90 days' where id = $2)
        insert into contact_import_errors (organisation_id, import_id, row_number, reason) values ($1, $2, 3, 'x')""",
        unfinished.organisation_id,
        begun.id,
    )

    assert await sweep(runtime.database.system) == 2

    assert [await errors_of(runtime, tenant) for tenant in (old, newer, unfinished)] == [0, 2, 1]
    assert await sweep(runtime.database.system) == 0


async def test_more_than_goes_in_one_step_is_swept(runtime: Runtime, tenant: Tenant) -> None:
    await imported(runtime.tenancy, tenant, "email\n" + "nobody\n" * 5_001)
    await age(runtime, tenant, days=31)

    assert await sweep(runtime.database.system) == 5_001


async def test_the_chores_of_a_server_sweep_behind_imports(
    runtime: Runtime, tenant: Tenant, tmp_path: Path
) -> None:
    await imported(runtime.tenancy, tenant, TEXT)
    await age(runtime, tenant, days=31)

    await Maintenance(runtime.database.system, Metrics(), 30, ContentStorage(tmp_path))._do_chores()

    assert await errors_of(runtime, tenant) == 0


async def test_the_api_says_when_errors_go_and_that_they_are_gone(
    server: Server, owner: Administrator
) -> None:
    started = await owner.data(START, format="CSV", content=TEXT)
    import_id = started["importContacts"]["id"]
    await ended(owner, import_id)

    async def told() -> dict[str, Any]:
        found: dict[str, Any] = (await owner.data(READ, id=import_id))["contactImport"]
        return found

    before = await told()
    # not yet swept, and gone all the same
    await age(server.runtime, owner.tenant, days=31)
    after = await told()
    await sweep(server.runtime.database.system)
    swept = await told()

    assert (before["failed"], [error["row"] for error in before["errors"]]) == (2, [3, 4])
    assert days_between(before["finishedAt"], before["errorsUntil"]) == 30
    assert (after["failed"], after["errors"]) == (2, None)
    assert swept == after


async def test_an_import_that_goes_on_has_no_time_at_which_its_errors_go(
    server: Server, owner: Administrator
) -> None:
    options = ImportOptions(format=FileFormat.CSV)
    begun, _ = await begin_command(
        server.runtime.tenancy, owner.tenant.organisation_id, options, io.BytesIO(TEXT.encode())
    )

    found = await owner.data(READ, id=str(begun.id))

    assert found["contactImport"] == {"failed": 0, "finishedAt": None, "errorsUntil": None, "errors": []}


def days_between(first: str, second: str) -> float:
    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)) / timedelta(days=1)
