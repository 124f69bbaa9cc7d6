"""Cursors come back as they were given, or are refused."""

import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.core.errors import ValidationError
from outrider.surfaces.developer_graphql import cursors
from outrider.surfaces.developer_graphql.cursors import CursorKind

KINDS = [cursors.EVENTS, cursors.DELIVERIES, cursors.USERS, cursors.PLATFORM_USERS]


@given(
    made=st.uuids(),
    moment=st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_a_cursor_says_where_its_row_stands(made: UUID, moment: datetime) -> None:
    microseconds = (
        (moment - datetime(1970, 1, 1, tzinfo=UTC)).days * 86_400_000_000
        + (moment - datetime(1970, 1, 1, tzinfo=UTC)).seconds * 1_000_000
        + moment.microsecond
    )
    text = base64.urlsafe_b64encode(b"U1\0" + microseconds.to_bytes(8) + made.bytes).decode()

    assert len(text) == cursors.USERS.length
    assert cursors.USERS.read_id(text) == made
    assert cursors.USERS.read_time(text) == moment


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.mark.decode())
@given(
    junk=st.one_of(st.text(), st.binary(max_size=40).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
)
def test_junk_is_no_cursor(kind: CursorKind, junk: str) -> None:
    with pytest.raises(ValidationError):
        kind.read_id(junk)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.mark.decode())
@pytest.mark.parametrize("other", KINDS, ids=lambda kind: kind.mark.decode())
def test_a_cursor_of_another_list_is_refused(kind: CursorKind, other: CursorKind) -> None:
    text = base64.urlsafe_b64encode(other.mark + bytes(8 if other.has_time else 0) + bytes(16)).decode()

    if kind is other:
        assert kind.read_id(text) == UUID(int=0)
    else:
        with pytest.raises(ValidationError):
            kind.read_id(text)


def test_a_time_beyond_all_times_is_refused() -> None:
    text = base64.urlsafe_b64encode(b"U1\0" + b"\x7f" * 8 + bytes(16)).decode()

    with pytest.raises(ValidationError):
        cursors.USERS.read_time(text)
