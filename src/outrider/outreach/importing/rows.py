"""From a record of a file to a contact that is to be, or to what is wrong with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from outrider.core.errors import ValidationError
from outrider.core.storable import storable_text
from outrider.outreach.checking import (
    checked_address,
    checked_mail,
    checked_score,
    checked_status,
)
from outrider.outreach.companies import GivenCompany, checked_company
from outrider.outreach.importing.columns import CHANNELS, columns_of, header_columns
from outrider.outreach.importing.records import Record, Records
from outrider.outreach.values import Address, QualificationStatus
from outrider.tenancy.naming import LONGEST_NAME, checked_name

MOST_ROWS = 500
_MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRow:
    """A row that can be imported; None is what it does not say."""

    number: int
    email: str
    addresses: tuple[Address, ...]
    name: str | None
    company: GivenCompany | None
    status: QualificationStatus | None
    fit_score: int | None
    urgency_score: int | None


@dataclass(frozen=True, slots=True)
class RowFlaw:
    """Why a row was left out; `column` as the file calls it."""

    number: int
    column: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Some hundred rows that come one after another, and where they end."""

    rows: tuple[ImportRow, ...]
    flaws: tuple[RowFlaw, ...]
    position: int
    number: int
    is_last: bool


class Batches:
    """A file as batches. Reads and checks without waiting: call it in a thread."""

    def __init__(self, records: Records, mapping: Mapping[str, str]) -> None:
        """Raise `ValidationError` if the header does not have what is needed."""
        self._records = records
        self._mapping = mapping
        self._columns = None if records.header is None else header_columns(records.header, mapping)

    def read(self) -> Batch:
        """The next batch; the last one may be empty."""
        rows: list[ImportRow] = []
        flaws: list[RowFlaw] = []
        began = self._records.position
        is_last = False
        while len(rows) + len(flaws) < MOST_ROWS and self._records.position - began < _MOST_BYTES:
            record = self._records.read()
            if record is None:
                is_last = True
                break
            found = self._row(record)
            if isinstance(found, RowFlaw):
                flaws.append(found)
            else:
                rows.append(found)
        return Batch(tuple(rows), tuple(flaws), self._records.position, self._records.number, is_last)

    def _row(self, record: Record) -> ImportRow | RowFlaw:
        if record.flaw is not None:
            return RowFlaw(record.number, record.column, record.flaw)
        columns = self._columns or columns_of(record.cells, self._mapping)
        return row_of(record, columns)


def row_of(record: Record, columns: Mapping[str, str]) -> ImportRow | RowFlaw:
    """Read what a record says of a contact."""
    cells = {field: text.strip() for field, text in _said(record, columns)}
    try:
        for field, text in cells.items():
            storable_text(text, name=field)
        shown, mail = checked_mail(cells.get("email", ""))
        return ImportRow(
            number=record.number,
            email=shown,
            addresses=(mail, *_others(cells, mail)),
            name=_name(cells),
            company=_company(cells),
            status=checked_status(cells["qualification_status"], "qualification_status")
            if "qualification_status" in cells
            else None,
            fit_score=_score(cells, "fit_score"),
            urgency_score=_score(cells, "urgency_score"),
        )
    except ValidationError as problem:
        field = str(problem.details.get("path", ""))
        return RowFlaw(record.number, columns.get(field, field) or None, problem.message)


def _said(record: Record, columns: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for field, column in columns.items():
        text = record.cells.get(column)
        if text and not text.isspace():
            yield field, text


def _others(cells: Mapping[str, str], mail: Address) -> list[Address]:
    found = [
        checked_address(channel, cells[field], field) for field, channel in CHANNELS.items() if field in cells
    ]
    return [one for one in dict.fromkeys(found) if one != mail]


def _name(cells: Mapping[str, str]) -> str | None:
    name = cells.get("name")
    if name is not None:
        return checked_name(name)
    parts = [cells[field] for field in ("first_name", "last_name") if field in cells]
    return (
        checked_name(" ".join(parts), "last_name" if "last_name" in cells else "first_name")
        if parts
        else None
    )


def _company(cells: Mapping[str, str]) -> GivenCompany | None:
    name, domain = cells.get("company"), cells.get("domain")
    if name is None and domain is None:
        return None
    if name is not None and len(name) > LONGEST_NAME:
        raise ValidationError(f"company has more than {LONGEST_NAME} characters.", path="company")
    try:
        return checked_company(name, domain)
    except ValidationError as problem:
        path = "company" if problem.details.get("path") == "name" else "domain"
        raise ValidationError(problem.message, path=path) from None


def _score(cells: Mapping[str, str], field: str) -> int | None:
    text = cells.get(field)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 3:
        raise ValidationError(f"{text[:60]!a} is not a whole number from 0 to 100.", path=field)
    return checked_score(int(text), field)
