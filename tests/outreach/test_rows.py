"""What a row says of a contact, and what is said of a row that cannot be one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.core.errors import ValidationError
from outrider.outreach.checking import checked_domain, checked_mail
from outrider.outreach.importing.columns import columns_of, header_columns
from outrider.outreach.importing.records import Record
from outrider.outreach.importing.rows import ImportRow, RowFlaw, row_of
from outrider.outreach.values import Address, QualificationStatus
from outrider.platforms.mail_addresses import read_mail_address

_ALL = {
    "Vorname": "first_name",
    "E-Mail": "email",
    "Mobile Phone": "phone",
    "Website": "domain",
    "Company Name": "company",
    "Lead status": "qualification_status",
    "FIT": "fit_score",
}


def read(cells: dict[str, str], **mapping: str) -> ImportRow | RowFlaw:
    return row_of(Record(7, cells), columns_of(cells, mapping))


def test_columns_are_known_by_their_usual_names() -> None:
    columns = header_columns(_ALL, {"first_name": "Vorname"})

    assert columns == {field: column for column, field in _ALL.items()}


def test_a_column_that_is_mapped_is_read_for_nothing_else() -> None:
    assert columns_of(["Mail", "Email", "Name"], {"email": "Name"}) == {"email": "Name"} | {}


@pytest.mark.parametrize("mapping", [{"name": "Nobody"}, {}])
def test_a_header_without_what_is_needed_is_refused(mapping: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        header_columns(["Name", "Company"], mapping)


def test_a_row_is_read_whole() -> None:
    row = read(
        {
            "E-Mail": " Ada@Engines.example ",
            "first name": "Ada",
            "Surname": "Lovelace",
            "phone": "+49 30 123456",
            "telegram": "4711",
            "company": "Engines",
            "website": "http://engines.example:80/x",
            "status": "NURTURE",
            "fit": "100",
            "other": "ignored",
        }
    )

    assert isinstance(row, ImportRow)
    assert (row.email, row.name, row.fit_score) == ("Ada@engines.example", "Ada Lovelace", 100)
    assert row.status is QualificationStatus.NURTURE
    assert row.addresses == (
        Address("email", "ada@engines.example"),
        Address("phone", "+4930123456"),
        Address("telegram", "4711"),
    )
    assert row.company is not None
    assert (row.company.name, row.company.domain) == ("Engines", "engines.example")


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"Mail": "nobody"}, "Mail"),
        ({"Mail": ""}, "Mail"),
        ({"Mail": "a@x.example", "Tel": "030"}, "Tel"),
        ({"Mail": "a@x.example", "fit": "101"}, "fit"),
        ({"Mail": "a@x.example", "fit": "7.5"}, "fit"),
        ({"Mail": "a@x.example", "fit": "٣"}, "fit"),
        ({"Mail": "a@x.example", "status": "great"}, "status"),
        ({"Mail": "a@x.example", "url": "not a domain"}, "url"),
        ({"Mail": "a@x.example", "company": "C" * 201}, "company"),
        ({"Mail": "a@x.example", "name": "N" * 201}, "name"),
        ({"Mail": "a@x.example", "name": "N\0"}, "name"),
        ({"Mail": "a@x.example", "surname": "N\ud800"}, "surname"),
    ],
)
def test_a_flaw_names_the_column_as_the_file_does(cells: dict[str, str], column: str) -> None:
    flaw = read(cells)

    assert isinstance(flaw, RowFlaw)
    assert (flaw.number, flaw.column) == (7, column)
    assert flaw.reason


@given(
    st.dictionaries(st.sampled_from(["mail", "name", "phone", "url", "fit", "status", "company"]), st.text())
)
def test_any_texts_are_a_row_or_a_flaw(cells: dict[str, str]) -> None:
    assert isinstance(read(cells), ImportRow | RowFlaw)


@given(st.from_regex(r"[a-zA-Z0-9_+.-]{1,12}@([a-z0-9-]{1,9}\.){1,3}[a-z]{1,6}", fullmatch=True))
def test_the_short_way_reads_addresses_as_the_long_one_does(text: str) -> None:
    slow = read_mail_address(text)
    try:
        shown, address = checked_mail(text)
    except ValidationError:
        assert slow is None
        return

    assert slow is not None
    assert (shown, address.address) == (slow.shown, slow.shown.lower())
    assert checked_domain(text.partition("@")[2]) in {
        slow.ascii_domain,
        slow.ascii_domain.removeprefix("www."),
    }


@given(st.text(max_size=80))
def test_any_text_is_a_domain_or_refused(text: str) -> None:
    try:
        domain = checked_domain(text)
    except ValidationError:
        return
    assert domain.isascii()
    assert domain == domain.lower()
