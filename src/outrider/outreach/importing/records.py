"""A file read record by record, as a stream: CSV with a header, or JSON Lines. Each record knows where it ends.

What cannot be read costs one record: whoever reads goes on behind it. Lines and records are bounded, and so is memory.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, Final, Protocol, cast

import msgspec

from outrider.core.errors import ValidationError

LONGEST_RECORD: Final = 64 * 1024
MOST_COLUMNS: Final = 200
_BOM: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS: Final = (",", ";", "\t")
_QUOTED: Final = re.compile(r'"(?:[^"]|"")*"?')
_TOO_LONG: Final = f"it has more than {LONGEST_RECORD // 1024} KB"
_SKIPPED_AT_ONCE: Final = 256 * 1024


class FileFormat(StrEnum):
    """How the rows of a file are written."""

    CSV = "csv"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a file: its number there, and its texts by column, or what is wrong with it."""

    number: int
    cells: Mapping[str, str]
    flaw: str | None = None
    column: str | None = None


class Records(Protocol):
    """A file that is read; `position` and `number` are of what was read last."""

    @property
    def header(self) -> Sequence[str] | None:
        """The columns, where they are the same for all records."""
        ...

    @property
    def position(self) -> int:
        """Everything before this byte was read."""
        ...

    @property
    def number(self) -> int:
        """The number of the last row, from 1 on; a header is a row."""
        ...

    def read(self) -> Record | None:
        """The next record, None at the end."""
        ...


def open_records(stream: BinaryIO, kind: FileFormat, *, position: int = 0, number: int = 0) -> Records:
    """Begin to read a file, or go on behind a position; raises `ValidationError` for what is no such file."""
    lines = _Lines(stream)
    if kind is FileFormat.JSONL:
        return _JsonRecords(lines, position, number)
    return _CsvRecords(lines, position, number)


class _LineTooLong(Exception):
    """A line that nobody wants in memory; it was passed over."""


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    size: int
    is_utf8: bool


class _Lines(Iterator[str]):
    """The lines of a file, their ends included; some can be given back. `taken` are those since it was cleared."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._again: deque[_Line] = deque()
        self.taken: list[_Line] = []
        self.taken_size = 0
        self.position = 0
        start = stream.read(4)
        if start.startswith(_UTF_16) or b"\0" in start:
            raise ValidationError("The file is not UTF-8 but probably UTF-16: save it as UTF-8.", path="file")
        self.seek(len(_BOM) if start.startswith(_BOM) else 0)

    def seek(self, position: int) -> None:
        """Go on there."""
        self._stream.seek(position)
        self._again.clear()
        self.forget()
        self.position = position

    def forget(self) -> None:
        """Begin a new record."""
        self.taken = []
        self.taken_size = 0

    def give_back(self) -> None:
        """Read everything but the first line of this record again."""
        again = self.taken[1:]
        self._again.extendleft(reversed(again))
        self.position -= sum(line.size for line in again)
        self.forget()

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._read()
        self.position += line.size
        self.taken.append(line)
        self.taken_size += line.size
        if self.taken_size > LONGEST_RECORD:
            raise _LineTooLong
        return line.text

    def _read(self) -> _Line:
        raw = self._stream.readline(LONGEST_RECORD + 1)
        if not raw:
            raise StopIteration
        size = len(raw)
        if size > LONGEST_RECORD:
            while raw and not raw.endswith(b"\n"):
                raw = self._stream.readline(_SKIPPED_AT_ONCE)
                size += len(raw)
            return _Line("", size, is_utf8=True)
        try:
            return _Line(raw.decode(), size, is_utf8=True)
        except UnicodeDecodeError:
            return _Line(raw.decode("utf-8", "replace"), size, is_utf8=False)


class _CsvRecords:
    """Rows of cells under a header, which also tells what stands between the cells."""

    def __init__(self, lines: _Lines, position: int, number: int) -> None:
        self._lines = lines
        self.number = 0
        self._delimiter = _delimiter_of(self._peeked())
        self._reader = self._new_reader()
        record = self._cells()
        if record is None or isinstance(record, str):
            why = "the file is empty" if record is None else record
            raise ValidationError(f"The header cannot be read: {why}.", path="file")
        self.header: Sequence[str] = _checked_header(record)
        if position > 0:
            lines.seek(position)
            self._reader = self._new_reader()
            self.number = number

    @property
    def position(self) -> int:
        return self._lines.position

    def read(self) -> Record | None:
        """The next row that is not empty."""
        while (cells := self._cells()) is not None:
            if isinstance(cells, str):
                return Record(self.number, {}, cells)
            if not any(cells):
                continue
            if len(cells) > len(self.header) and any(cells[len(self.header) :]):
                return Record(self.number, {}, "it has more cells than the header")
            return Record(self.number, dict(zip(self.header, cells, strict=False)))
        return None

    def _cells(self) -> list[str] | str | None:
        """The next row, also an empty one; or why it cannot be read."""
        self._lines.forget()
        self.number += 1
        try:
            cells = next(self._reader, None)
        except _LineTooLong:
            return self._recovered(_TOO_LONG)
        except csv.Error as error:
            return self._recovered(_why(error))
        if cells is None:
            self.number -= 1
            return None
        if not all(line.is_utf8 for line in self._lines.taken):
            return "it is not UTF-8"
        return cells

    def _recovered(self, why: str) -> str:
        """Go on behind the first line of what could not be read."""
        if len(self._lines.taken) > 1:
            why = "a quote that begins here does not end, or ends within a cell"
        self._lines.give_back()
        self._reader = self._new_reader()
        return why

    def _new_reader(self) -> Iterator[list[str]]:
        return csv.reader(self._lines, delimiter=self._delimiter, strict=True)

    def _peeked(self) -> str:
        position = self._lines.position
        try:
            return next(self._lines, "")
        except _LineTooLong:
            return ""
        finally:
            self._lines.seek(position)


class _JsonRecords:
    """An object on each line."""

    header = None

    def __init__(self, lines: _Lines, position: int, number: int) -> None:
        self._lines = lines
        self.number = number
        if position > 0:
            lines.seek(position)

    @property
    def position(self) -> int:
        return self._lines.position

    def read(self) -> Record | None:
        """The object of the next line that is not empty."""
        while True:
            self._lines.forget()
            self.number += 1
            try:
                text = next(self._lines)
            except StopIteration:
                self.number -= 1
                return None
            except _LineTooLong:
                return Record(self.number, {}, _TOO_LONG)
            if not self._lines.taken[0].is_utf8:
                return Record(self.number, {}, "it is not UTF-8")
            if text.strip():
                return self._record(text)

    def _record(self, text: str) -> Record:
        try:
            value = msgspec.json.decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return Record(self.number, {}, "it is not JSON")
        if not isinstance(value, dict):
            return Record(self.number, {}, "it is not a JSON object")
        cells: dict[str, str] = {}
        for column, cell in cast("dict[str, object]", value).items():
            if isinstance(cell, str):
                cells[column] = cell
            elif isinstance(cell, int | float) and not isinstance(cell, bool):
                cells[column] = str(cell)
            elif cell is not None:
                return Record(self.number, {}, "it must be text, a number or null", column[:100])
        return Record(self.number, cells)


def _delimiter_of(line: str) -> str:
    bare = _QUOTED.sub("", line)
    return max(_DELIMITERS, key=bare.count)


def _checked_header(cells: Sequence[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names or len(names) > MOST_COLUMNS:
        raise ValidationError(f"The first row must name 1 to {MOST_COLUMNS} columns.", path="file")
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise ValidationError(f"The header names the column {twice[:100]!r} twice.", path="file")
    return names


def _why(error: csv.Error) -> str:
    words = str(error)
    if "expected after" in words:
        return "a quote ends within a cell"
    if "unexpected end" in words:
        return "a quote that begins here does not end"
    return f"it cannot be read ({words.partition(' - ')[0]})"
