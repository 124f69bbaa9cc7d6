"""Files read record by record: whatever they hold, a bad record costs itself, and any can be gone on behind."""

import csv
import io
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.core.errors import ValidationError
from outrider.outreach.importing.records import LONGEST_RECORD, FileFormat, Record, open_records

_CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=12)
_TABLES = st.lists(st.lists(_CELLS, min_size=2, max_size=2).filter(any), max_size=12)


def all_of(content: bytes, kind: FileFormat = FileFormat.CSV) -> list[Record]:
    records = open_records(io.BytesIO(content), kind)
    return list(iter(records.read, None))


def written(rows: Iterable[Iterable[str]], delimiter: str, end: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    writer.writerow(["email", "full name"])
    writer.writerows(rows)
    return text.getvalue().encode()


@given(
    rows=_TABLES,
    delimiter=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n"]),
    bom=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    data=st.data(),
)
def test_what_was_written_is_read_from_any_place_on(
    rows: list[list[str]], delimiter: str, end: str, bom: bytes, data: st.DataObject
) -> None:
    content = bom + written(rows, delimiter, end)
    records = open_records(io.BytesIO(content), FileFormat.CSV)
    places = [(records.position, records.number)]
    read: list[Record] = []
    while (record := records.read()) is not None:
        read.append(record)
        places.append((records.position, records.number))

    assert [list(record.cells.values()) for record in read] == rows
    assert all(record.flaw is None for record in read)
    assert records.position == len(content)
    at = data.draw(st.integers(0, len(places) - 1))
    position, number = places[at]
    again = open_records(io.BytesIO(content), FileFormat.CSV, position=position, number=number)
    assert list(iter(again.read, None)) == read[at:]


@given(content=st.binary(max_size=300), kind=st.sampled_from(list(FileFormat)))
def test_any_bytes_are_read_or_refused(content: bytes, kind: FileFormat) -> None:
    for start in (b"", b"email,name\n"):
        try:
            records = open_records(io.BytesIO(start + content), kind)
        except ValidationError:
            continue
        before = -1
        while records.read() is not None:
            assert records.position > before
            before = records.position
        assert records.position == len(start + content)


def test_a_bad_row_costs_itself_alone() -> None:
    rows = all_of(
        b"email,name\n"
        b'a@x.example,"Ann\n'  # a quote that nobody ends
        b"b@x.example,Ben\n"
        b'c@x.example,"C"ora\n'
        b"d@x.example,D\xe9\n"
        b"\n"
        b"e@x.example,Eve,too,much\n"
        b"f@x.example\n"
    )

    assert [(row.number, row.flaw is None) for row in rows] == [
        (2, False),
        (3, True),
        (4, False),
        (5, False),
        (7, False),
        (8, True),
    ]
    assert rows[0].flaw == "a quote that begins here does not end, or ends within a cell"
    assert rows[3].flaw == "it is not UTF-8"
    assert rows[5].cells == {"email": "f@x.example"}


def test_what_is_too_long_is_passed_over() -> None:
    endless = b"x" * (LONGEST_RECORD * 5)
    quoted = b'"' + b"line\n" * (LONGEST_RECORD // 4) + b'"'

    rows = all_of(b"email\n" + endless + b"\n" + b"a@x.example\n")
    lines = all_of(b"email\n" + quoted + b"\na@x.example\n")
    objects = all_of(endless + b'\n{"email": "a@x.example"}\n', FileFormat.JSONL)

    assert [row.flaw is None for row in rows] == [False, True]
    assert lines[0].flaw is not None
    assert lines[-1].cells == {"email": "a@x.example"}
    assert [row.flaw is None for row in objects] == [False, True]


def test_objects_are_read_line_by_line() -> None:
    rows = all_of(
        b'{"email": "a@x.example", "fit": 7, "name": null}\n\n[1]\n{"email"\n{"email": {"at": 1}}\n{"email": true}',
        FileFormat.JSONL,
    )

    assert rows == [
        Record(1, {"email": "a@x.example", "fit": "7"}),
        Record(3, {}, "it is not a JSON object"),
        Record(4, {}, "it is not JSON"),
        Record(5, {}, "it must be text, a number or null", "email"),
        Record(6, {}, "it must be text, a number or null", "email"),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("email,name\na@x.example,A\n".encode("utf-16"), "UTF-16"),
        ("email,name\na@x.example,A\n".encode("utf-16-le"), "UTF-16"),
        (b"", "empty"),
        (b"\n", "columns"),
        (b"email,email\n", "twice"),
        (b"email," + b"x" * LONGEST_RECORD + b"\n", "KB"),
        (b"e\xff\n", "not UTF-8"),
        ((",".join(f"c{n}" for n in range(300)) + "\n").encode(), "columns"),
    ],
)
def test_what_is_no_table_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        open_records(io.BytesIO(content), FileFormat.CSV)
