"""`outrider contacts`: imports a file of contacts, and lists contacts. Only tables go to standard output."""

import csv
import sys
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import BinaryIO, Final, TextIO
from uuid import UUID

from outrider.cli.arguments import Arguments
from outrider.cli.opening import chosen_organisation, load_settings, opened_tenancy
from outrider.cli.tables import print_table
from outrider.core.errors import NotFound, ValidationError
from outrider.core.ids import parse_id
from outrider.outreach import imports, lists
from outrider.outreach.contacts import ContactFilters, list_contacts
from outrider.outreach.importing.planning import OnDuplicate
from outrider.outreach.importing.records import FileFormat
from outrider.outreach.importing.rows import RowFlaw
from outrider.outreach.importing.running import open_batches, run_batches
from outrider.outreach.importing.values import Progress
from outrider.outreach.imports import MOST_ERRORS, ImportOptions, begin_command, job_of, passing_job
from outrider.outreach.lists import NewList, find_list, missing_list
from outrider.outreach.values import Contact, SourceType
from outrider.tenancy.context import TenancyContext

_ENDINGS: Final = {
    ".csv": FileFormat.CSV,
    ".tsv": FileFormat.CSV,
    ".txt": FileFormat.CSV,
    ".jsonl": FileFormat.JSONL,
    ".ndjson": FileFormat.JSONL,
}
_TOLD_EVERY_S: Final = 1.0
_FLAWS_TOLD: Final = 10


async def run(arguments: Arguments) -> int:
    """Do what the action says, for the organisation that was named or the only one there is."""
    if arguments.action == "list":
        async with opened_tenancy(load_settings()) as context:
            await _list(context, await chosen_organisation(context, arguments.organisation), arguments)
        return 0
    with _opened(arguments.file) as stream:
        async with opened_tenancy(load_settings()) as context:
            await _import(
                context, await chosen_organisation(context, arguments.organisation), arguments, stream
            )
    return 0


async def _import(
    context: TenancyContext, organisation_id: UUID, arguments: Arguments, stream: BinaryIO
) -> None:
    kind = _format(arguments)
    options = ImportOptions(
        format=kind,
        mapping=_mapping(arguments.mapped or ()),
        on_duplicate=OnDuplicate(arguments.on_duplicate),
        is_dry_run=arguments.dry_run,
    )
    # before anything is written: whether it can be read, and the errors be told
    open_batches(stream, passing_job(organisation_id, options), Progress())
    if arguments.errors is not None:
        _errors_file(arguments.errors).close()
    options = replace(options, list_id=await _list_id(context, organisation_id, arguments, kind))
    if arguments.dry_run:
        await _try(context, organisation_id, options, arguments, stream)
        return
    begun, is_resumed = await begin_command(context, organisation_id, options, stream)
    if is_resumed:
        _tell(f"Going on behind row {begun.progress.row_number:,}.")
    stream.seek(0)
    job = job_of(organisation_id, begun)
    batches = open_batches(stream, job, begun.progress)
    progress, meter = begun.progress, _Meter(begun.size)
    async for step in run_batches(context, job, batches, progress, by=None):
        progress = step.progress
        meter.tell(progress)
    _tell_end(progress, "Imported")
    if arguments.errors is not None:
        with _errors_file(arguments.errors) as file:
            async for flaws in _all_flaws(context, organisation_id, begun.id):
                _write_flaws(file, flaws)
    elif progress.failed:
        flaws = await imports.list_errors(context, organisation_id, begun.id, first=_FLAWS_TOLD, by=None)
        _tell_flaws(flaws or ())


async def _try(
    context: TenancyContext,
    organisation_id: UUID,
    options: ImportOptions,
    arguments: Arguments,
    stream: BinaryIO,
) -> None:
    """Go through the file and write nothing but the file of errors."""
    job = passing_job(organisation_id, options)
    stream.seek(0)
    batches = open_batches(stream, job, Progress())
    told: list[RowFlaw] = []
    progress, meter = Progress(), _Meter(Path(arguments.file).stat().st_size)
    with _errors_file(arguments.errors or "/dev/null") as file:
        async for step in run_batches(context, job, batches, progress, by=None):
            progress = step.progress
            _write_flaws(file, step.flaws)
            told = [*told, *step.flaws][:_FLAWS_TOLD]
            meter.tell(progress)
    _tell_end(progress, "Would import")
    if arguments.errors is None:
        _tell_flaws(told)


async def _list(context: TenancyContext, organisation_id: UUID, arguments: Arguments) -> None:
    list_id = None
    if arguments.contact_list is not None:
        list_id = await _known_list(context, organisation_id, arguments.contact_list)
        if list_id is None:
            raise NotFound(f"There is no list {arguments.contact_list!r}.")
    filters = ContactFilters(q=arguments.q, list_id=list_id)
    page = await list_contacts(context, organisation_id, filters, first=arguments.most, by=None)
    columns: tuple[tuple[str, Callable[[Contact], str]], ...] = (
        ("id", lambda one: str(one.id)),
        ("status", lambda one: one.qualification_status.value),
        ("email", lambda one: one.email),
        ("company", lambda one: (one.company.name or one.company.domain or "") if one.company else "-"),
        ("list", lambda one: one.list.name if one.list else "-"),
        ("name", lambda one: one.name),
    )
    print_table(page.items, columns)
    if page.has_next:
        _tell("There are more.")


async def _list_id(
    context: TenancyContext, organisation_id: UUID, arguments: Arguments, kind: FileFormat
) -> UUID | None:
    """The list that was named; one that is not there is made, unless nothing is to be written."""
    named = arguments.contact_list
    if named is None:
        return None
    found = await _known_list(context, organisation_id, named)
    if found is not None or arguments.dry_run:
        return found
    new = NewList(name=named, source_type=SourceType(kind.value))
    made = await lists.create_list(context, organisation_id, new, by=None)
    _tell(f"Made the list {made.name!r}.")
    return made.id


async def _known_list(context: TenancyContext, organisation_id: UUID, named: str) -> UUID | None:
    try:
        list_id = parse_id(named)
    except ValidationError:
        found = await find_list(context, organisation_id, named)
        return found.id if found else None
    if await lists.get_list(context, organisation_id, list_id, by=None) is None:
        raise missing_list(list_id)
    return list_id


def _opened(name: str) -> BinaryIO:
    try:
        return Path(name).open("rb")
    except OSError as problem:
        raise ValidationError(f"{name} cannot be read: {problem.strerror}.") from None


def _format(arguments: Arguments) -> FileFormat:
    if arguments.file_format is not None:
        return FileFormat(arguments.file_format)
    kind = _ENDINGS.get(Path(arguments.file).suffix.lower())
    if kind is None:
        raise ValidationError(f"{arguments.file}: say --format csv or --format jsonl.")
    return kind


def _mapping(mapped: Iterable[str]) -> dict[str, object]:
    pairs: dict[str, object] = {}
    for one in mapped:
        field, separator, column = one.partition("=")
        if not separator:
            raise ValidationError(f"--map {one!r}: FIELD=COLUMN is expected.")
        pairs[field.strip()] = column
    return pairs


async def _all_flaws(
    context: TenancyContext, organisation_id: UUID, import_id: UUID
) -> AsyncGenerator[Sequence[RowFlaw]]:
    after = 0
    while flaws := await imports.list_errors(context, organisation_id, import_id, after=after, by=None):
        yield flaws
        if len(flaws) < MOST_ERRORS:
            return
        after = flaws[-1].number


class _Meter:
    """Tells now and then how far an import is."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._told_at = monotonic()

    def tell(self, progress: Progress) -> None:
        if monotonic() - self._told_at >= _TOLD_EVERY_S:
            self._told_at = monotonic()
            _tell(f"{progress.rows:,} rows, {100 * progress.position // max(self._size, 1)} %")


def _errors_file(name: str) -> TextIO:
    """A file for rows that were left out, with its header."""
    try:
        file = Path(name).open("w", encoding="utf-8", newline="")  # noqa: SIM115 -- the caller's
    except OSError as problem:
        raise ValidationError(f"{name} cannot be written: {problem.strerror}.") from None
    csv.writer(file).writerow(("row", "column", "reason"))
    return file


def _write_flaws(file: TextIO, flaws: Iterable[RowFlaw]) -> None:
    csv.writer(file).writerows((flaw.number, flaw.column or "", flaw.reason) for flaw in flaws)


def _tell_end(progress: Progress, done: str) -> None:
    _tell(
        f"{done} {progress.created:,} new contacts; {progress.updated:,} updated, {progress.skipped:,} skipped, "
        f"{progress.failed:,} left out."
    )


def _tell_flaws(flaws: Iterable[RowFlaw]) -> None:
    for flaw in flaws:
        where = f", {flaw.column}" if flaw.column else ""
        _tell(f"  row {flaw.number}{where}: {flaw.reason}")


def _tell(words: str) -> None:
    print(words, file=sys.stderr)
