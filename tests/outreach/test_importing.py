"""Imports: what becomes of rows, what is told, and that whoever goes on after a stop imports nothing twice."""

import asyncio
import io
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from outrider.files.storage import ContentStorage
from outrider.files.storing import store_file
from outrider.outreach.contacts import NewContact, create_contact
from outrider.outreach.errors import ImportTaken
from outrider.outreach.importing.cross_tenant import claim_import
from outrider.outreach.importing.planning import OnDuplicate
from outrider.outreach.importing.records import FileFormat
from outrider.outreach.importing.rows import MOST_ROWS
from outrider.outreach.importing.running import open_batches, run_batches
from outrider.outreach.importing.values import Progress
from outrider.outreach.importing.working import carry_out
from outrider.outreach.imports import ImportOptions, begin_command, job_of, passing_job
from outrider.runtime.parts import Runtime
from outrider.tenancy.context import TenancyContext
from tests.administrators import Administrator
from tests.clients import Server
from tests.outreach.people import contacts_of, imported
from tests.outreach.test_contacts import FIELDS
from tests.running import new_database
from tests.tenants import Tenant, new_tenant, open_tenancy

START = """mutation($format: ContactFileFormat!, $content: String, $application: UUID, $file: UUID, $list: UUID,
    $mapping: JSON, $duplicates: ContactDuplicates, $dry: Boolean) {
  importContacts(format: $format, content: $content, applicationId: $application, fileId: $file, listId: $list,
    mapping: $mapping, onDuplicate: $duplicates, dryRun: $dry) { id status } }"""
WATCH = """query($id: UUID!) { contactImport(id: $id) { status progress rows created updated skipped failed failure
  dryRun listId finishedAt errors { row column reason } } }"""


@pytest.fixture
async def apart(dsn: str) -> AsyncGenerator[TenancyContext]:
    """A database that no worker looks at."""
    async with new_database(dsn, "importing") as own, open_tenancy(own) as context:
        yield context


async def ended(owner: Administrator, import_id: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            found = (await owner.data(WATCH, id=import_id))["contactImport"]
            if found["finishedAt"] is not None:
                return found
            await asyncio.sleep(0.05)


async def test_a_text_is_imported_in_the_background(owner: Administrator) -> None:
    made = await owner.data('mutation { createContactList(name: "Fair", sourceType: CSV) { id } }')
    list_id = made["createContactList"]["id"]
    content = (
        "Who;Mail;Firma\r\nAda;ada@engines.example;Engines\r\nBob;bob;Engines\r\n;ADA@engines.example;\r\n"
    )

    started = await owner.data(
        START, format="CSV", content=content, list=list_id, mapping={"name": "Who", "company": "Firma"}
    )
    found = await ended(owner, started["importContacts"]["id"])

    assert started["importContacts"]["status"] == "WAITING"
    assert found | {"finishedAt": None} == {
        "status": "FINISHED",
        "progress": 1.0,
        "rows": 3,
        "created": 1,
        "updated": 0,
        "skipped": 1,
        "failed": 1,
        "failure": None,
        "dryRun": False,
        "listId": list_id,
        "finishedAt": None,
        "errors": [{"row": 3, "column": "Mail", "reason": "'bob' is not a mail address."}],
    }
    contacts = await owner.data(f"{{ contacts {{ edges {{ node {{ {FIELDS} }} }} }} }}")
    node = contacts["contacts"]["edges"][0]["node"]
    assert (node["name"], node["company"]["name"], node["list"]["id"]) == ("Ada", "Engines", list_id)
    log = await owner.data("{ auditLog(first: 2) { edges { node { eventType payload by { id } } } } }")
    first, second = (edge["node"] for edge in log["auditLog"]["edges"])
    assert [first["eventType"], second["eventType"]] == ["system.import.finished", "system.import.started"]
    assert first["by"] == second["by"] == {"id": owner.member_id}
    assert (first["payload"]["created"], first["payload"]["failed"]) == (1, 1)


async def test_a_stored_file_is_imported(server: Server, owner: Administrator) -> None:
    rows = "".join(f'{{"email": "p{number}@x.example"}}\n' for number in range(1_200))
    stored = await store_file(
        server.runtime.files, owner.tenant.actor, rows.encode(), filename="people.jsonl"
    )

    started = await owner.data(
        START, format="JSONL", application=str(owner.tenant.application_id), file=str(stored.id)
    )

    assert (await ended(owner, started["importContacts"]["id"]))["created"] == 1_200


async def test_a_dry_run_tells_and_writes_nothing(owner: Administrator) -> None:
    content = "email,company\na@x.example,X\nA@x.example,X\nnobody,X\n"

    started = await owner.data(START, format="CSV", content=content, dry=True)
    found = await ended(owner, started["importContacts"]["id"])

    assert (found["created"], found["skipped"], found["failed"]) == (1, 1, 1)
    left = await owner.data("{ contacts { edges { cursor } } companies { edges { cursor } } }")
    assert left == {"contacts": {"edges": []}, "companies": {"edges": []}}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"format": "CSV", "content": "name\nAda\n"}, "mapping"),
        ({"format": "CSV", "content": "email\n", "mapping": {"shoe": "email"}}, "mapping"),
        ({"format": "CSV", "content": "email\n", "mapping": {"name": "Who"}}, "mapping"),
        ({"format": "CSV", "content": "email\n", "mapping": {"name": 1}}, "mapping"),
        ({"format": "CSV", "content": "email\n", "mapping": {"name": " "}}, "mapping"),
        ({"format": "CSV", "content": "email\n", "mapping": [1]}, "mapping"),
        ({"format": "CSV", "content": ""}, "file"),
        ({"format": "CSV"}, "content"),
    ],
)
async def test_what_cannot_be_imported_is_refused_at_once(
    owner: Administrator, given: dict[str, Any], path: str
) -> None:
    refused = await owner.refused(START, **given)

    assert (refused["code"], refused["details"]) == ("VALIDATION_ERROR", {"path": path})
    assert (await owner.data("{ contactImports { edges { cursor } } }"))["contactImports"]["edges"] == []


async def test_duplicates_are_skipped_or_updated(runtime: Runtime, tenant: Tenant) -> None:
    tenancy, pool = runtime.tenancy, runtime.database.system
    new = NewContact(email="ada@x.example", name="Ada", fit_score=1, company_name="Engines")
    before = await create_contact(tenancy, tenant.organisation_id, new, by=None)
    text = "email,name,fit_score,phone\nADA@x.example,Ada King,,+4930123456\nb@x.example,Ben,5,\nb@x.example,,6,\n"

    skipped = await imported(tenancy, tenant, text)
    assert (skipped.created, skipped.skipped) == (1, 2)
    assert await contacts_of(pool, tenant) == {"ada@x.example": "Ada", "b@x.example": "Ben"}

    update = ImportOptions(format=FileFormat.CSV, on_duplicate=OnDuplicate.UPDATE)
    updated = await imported(tenancy, tenant, text, options=update)

    assert (updated.created, updated.updated, updated.failed) == (0, 3, 0)
    row = await pool.fetchrow(
        "select name, fit_score, company_id from contacts where organisation_id = $1 and id = $2",
        tenant.organisation_id,
        before.id,
    )
    # what the row does not say stays
    assert tuple(row or ()) == ("Ada King", 1, before.company.id if before.company else None)
    owner = await pool.fetchval(
        "select contact_id from contact_addresses where organisation_id = $1 and address = '+4930123456'",
        tenant.organisation_id,
    )
    assert owner == before.id
    scores = await pool.fetch(
        "select name, fit_score from contacts where organisation_id = $1 and email = 'b@x.example'",
        tenant.organisation_id,
    )
    assert [tuple(one) for one in scores] == [("Ben", 6)]


async def test_one_row_of_two_contacts_is_left_out(runtime: Runtime, tenant: Tenant) -> None:
    text = "email,phone\na@x.example,+4930123451\nb@x.example,+4930123452\na@x.example,+4930123452\n"

    progress = await imported(runtime.tenancy, tenant, text)

    assert (progress.created, progress.failed) == (2, 1)


async def test_other_organisations_contacts_are_no_duplicates(runtime: Runtime, tenant: Tenant) -> None:
    other = await new_tenant(runtime.tenancy)
    await imported(runtime.tenancy, other, "email,company\na@x.example,X\n")

    progress = await imported(runtime.tenancy, tenant, "email,company\na@x.example,X\n")

    assert progress.created == 1


async def test_a_dry_run_of_a_command_keeps_nothing_at_all(runtime: Runtime, tenant: Tenant) -> None:
    job = passing_job(tenant.organisation_id, ImportOptions(format=FileFormat.CSV, is_dry_run=True))
    batches = open_batches(io.BytesIO(b"email\na@x.example\nnobody\n"), job, Progress())

    steps = [step async for step in run_batches(runtime.tenancy, job, batches, Progress(), by=None)]

    assert [(step.progress.created, step.progress.failed, step.is_last) for step in steps] == [(1, 1, True)]
    for table in ("contacts", "contact_imports", "contact_import_errors"):
        count = f"select count(*) from {table} where organisation_id = $1"
        assert await runtime.database.system.fetchval(count, tenant.organisation_id) == 0


async def test_a_command_goes_on_where_it_stopped(runtime: Runtime, tenant: Tenant) -> None:
    tenancy, options = runtime.tenancy, ImportOptions(format=FileFormat.CSV)
    rows = MOST_ROWS * 2 + 10
    stream = io.BytesIO(("email\n" + "".join(f"p{n}@x.example\n" for n in range(rows)) + "bad\n").encode())
    begun, is_resumed = await begin_command(tenancy, tenant.organisation_id, options, stream)
    assert not is_resumed
    first = run_batches(
        tenancy,
        job_of(tenant.organisation_id, begun),
        open_batches(stream, job_of(tenant.organisation_id, begun), begun.progress),
        begun.progress,
        by=None,
    )
    step = await anext(first)
    await first.aclose()

    again, is_resumed = await begin_command(tenancy, tenant.organisation_id, options, stream)
    job = job_of(tenant.organisation_id, again)
    steps = [
        one
        async for one in run_batches(
            tenancy, job, open_batches(stream, job, again.progress), again.progress, by=None
        )
    ]

    assert is_resumed
    assert (again.id, again.progress) == (begun.id, step.progress)
    assert steps[-1].progress.created == rows
    assert (steps[-1].progress.skipped, steps[-1].progress.failed) == (0, 1)
    assert len(await contacts_of(runtime.database.system, tenant)) == rows
    # it has ended: the same command is a new import
    third, is_resumed = await begin_command(tenancy, tenant.organisation_id, options, stream)
    assert (third.id != begun.id, is_resumed) == (True, False)


async def test_whoever_was_overtaken_writes_nothing(runtime: Runtime, tenant: Tenant) -> None:
    tenancy, options = runtime.tenancy, ImportOptions(format=FileFormat.CSV)
    content = ("email\n" + "".join(f"p{n}@x.example\n" for n in range(MOST_ROWS + 1))).encode()
    begun, _ = await begin_command(tenancy, tenant.organisation_id, options, io.BytesIO(content))
    job = job_of(tenant.organisation_id, begun)
    slow = open_batches(io.BytesIO(content), job, begun.progress)
    await imported(tenancy, tenant, content, options=options)

    with pytest.raises(ImportTaken):
        async for _ in run_batches(tenancy, job, slow, begun.progress, by=None):
            pass

    assert len(await contacts_of(runtime.database.system, tenant)) == MOST_ROWS + 1


async def test_a_worker_goes_on_where_another_was_killed(apart: TenancyContext, tmp_path: Path) -> None:
    tenant, pool, storage = await new_tenant(apart), apart.database.system, ContentStorage(tmp_path)
    rows = MOST_ROWS + 7
    content = ("email\n" + "".join(f"p{n}@x.example\n" for n in range(rows))).encode()
    begun, _ = await begin_command(
        apart, tenant.organisation_id, ImportOptions(format=FileFormat.CSV), io.BytesIO(content)
    )
    await pool.execute(
        """update contact_imports set content = $2, command_key = null, status = 'waiting', due_at = now()
        where organisation_id = $1""",
        tenant.organisation_id,
        content,
    )
    killed = await claim_import(pool, apart.ids.new())
    assert killed is not None
    assert await claim_import(pool, apart.ids.new()) is None
    job = job_of(tenant.organisation_id, killed.found, killed.claim)
    running = run_batches(
        apart,
        job,
        open_batches(io.BytesIO(content), job, killed.found.progress),
        killed.found.progress,
        by=None,
    )
    await anext(running)
    # its claim runs out
    await pool.execute(
        "update contact_imports set due_at = now() where organisation_id = $1", tenant.organisation_id
    )
    taken = await claim_import(pool, apart.ids.new())
    assert taken is not None

    await carry_out(apart, storage, taken)

    with pytest.raises(ImportTaken):
        await anext(running)
    row = await pool.fetchrow(
        "select status, created_count, skipped_count, content, due_at from contact_imports where id = $1",
        begun.id,
    )
    assert tuple(row or ()) == ("finished", rows, 0, None, None)
    assert len(await contacts_of(pool, tenant)) == rows


async def test_an_import_whose_file_is_gone_fails_and_says_so(apart: TenancyContext, tmp_path: Path) -> None:
    tenant, pool = await new_tenant(apart), apart.database.system
    begun, _ = await begin_command(
        apart, tenant.organisation_id, ImportOptions(format=FileFormat.CSV), io.BytesIO(b"email\n")
    )
    await pool.execute(
        "update contact_imports set stored_sha256 = $2, due_at = now() where id = $1", begun.id, bytes(32)
    )
    claimed = await claim_import(pool, apart.ids.new())
    assert claimed is not None

    await carry_out(apart, ContentStorage(tmp_path), claimed)

    row = await pool.fetchrow("select status, failure from contact_imports where id = $1", begun.id)
    assert tuple(row or ()) == ("failed", "The file's content is gone.")


async def test_a_cancelled_import_ends_where_it_is(server: Server, owner: Administrator) -> None:
    tenancy, tenant = server.runtime.tenancy, owner.tenant
    content = ("email\n" + "".join(f"p{n}@x.example\n" for n in range(MOST_ROWS + 1))).encode()
    begun, _ = await begin_command(
        tenancy, tenant.organisation_id, ImportOptions(format=FileFormat.CSV), io.BytesIO(content)
    )
    job = job_of(tenant.organisation_id, begun)
    running = run_batches(
        tenancy, job, open_batches(io.BytesIO(content), job, begun.progress), begun.progress, by=None
    )
    await anext(running)

    cancelled = await owner.data(
        "mutation($id: UUID!) { cancelContactImport(id: $id) { status created } }", id=str(begun.id)
    )

    assert cancelled["cancelContactImport"] == {"status": "CANCELLED", "created": MOST_ROWS}
    with pytest.raises(ImportTaken):
        await anext(running)
    assert len(await contacts_of(server.runtime.database.system, tenant)) == MOST_ROWS


async def test_a_list_that_is_archived_takes_no_import(owner: Administrator) -> None:
    made = await owner.data('mutation { createContactList(name: "Old") { id } }')
    list_id = made["createContactList"]["id"]
    await owner.data("mutation($id: UUID!) { archiveContactList(id: $id) { id } }", id=list_id)

    refused = await owner.refused(START, format="CSV", content="email\n", list=list_id)

    assert refused["details"] == {"path": "listId"}
