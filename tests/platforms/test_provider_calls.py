"""What providers share when they call out: pauses that vendors ask for, calls without an answer, checked hosts."""

import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from outrider.core.outgoing import FailureKind, HttpFailure
from outrider.platforms.base import Deferred, InDoubt
from outrider.platforms.host_check import PublicHosts
from outrider.platforms.mail_addresses import read_mail_address
from outrider.platforms.vendor_http import outcome_of_failure, retry_after_of
from outrider.platforms.vendor_json import as_id, as_name, as_short_id, read, write


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0.5 ", 0.5),
        ("-3", 0.0),
        ("99999999", 86400.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("nan", 0.0),
        ("inf", 86400.0),
        ("", None),
        ("Thu, 45 Foo 1970", None),
    ],
)
def test_a_pause_is_read_in_seconds_and_kept_within_a_day(value: str, seconds: float | None) -> None:
    assert retry_after_of({"Retry-After": value}) == seconds


def test_a_pause_can_be_a_date() -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)

    assert retry_after_of({"retry-after": in_a_minute}) == pytest.approx(60, abs=3)


def test_no_header_asks_for_no_pause() -> None:
    assert retry_after_of({}) is None


@pytest.mark.parametrize(("may_have_been_sent", "kind"), [(True, InDoubt), (False, Deferred)])
def test_a_call_without_an_answer_tells_no_url(may_have_been_sent: bool, kind: type) -> None:
    failure = HttpFailure(FailureKind.CONNECTION_LOST, "POST https://x/botSECRET", may_have_been_sent, 1.0)

    outcome = outcome_of_failure(failure)

    assert isinstance(outcome, kind)
    assert "SECRET" not in outcome.detail


async def test_public_hosts_are_dialled_by_their_checked_address() -> None:
    assert await PublicHosts()("9.9.9.9", 25, 1.0) == "9.9.9.9"
    assert await PublicHosts(allow_private_targets=True)("127.0.0.1", 25, 1.0) == "127.0.0.1"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "localhost",
        "10.0.0.1",
        "169.254.169.254",
        "::1",
        "::ffff:10.0.0.1",
    ],
)
async def test_private_hosts_are_refused_however_they_are_spelled(host: str) -> None:
    assert await PublicHosts()(host, 25, 5.0) is None


async def test_a_host_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", ("9.9.9.9", 25)), (2, 1, 6, "", ("10.0.0.1", 25))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    assert await PublicHosts()("two-faced.example", 25, 5.0) is None
    assert await PublicHosts(allow_private_targets=True)("two-faced.example", 25, 5.0) == "9.9.9.9"


@pytest.mark.parametrize("host", ["", "a..b", "ü" * 300, "no-such-name.invalid", "-", "a b"])
async def test_names_that_cannot_be_are_unknown(host: str) -> None:
    assert await PublicHosts(allow_private_targets=True)(host, 25, 5.0) is None


def test_identifiers_are_texts_or_whole_numbers() -> None:
    assert [as_id(value) for value in ("a", 7, "", None, True, 1.5, [])] == [
        "a",
        "7",
        None,
        None,
        None,
        None,
        None,
    ]
    assert as_short_id("x" * 255) is not None
    assert as_short_id("x" * 256) is None


def test_names_are_trimmed_and_shortened() -> None:
    assert [as_name(value) for value in (" Ada ", " ", 5, "x" * 300)] == ["Ada", None, None, "x" * 255]


def test_json_goes_out_whatever_it_holds() -> None:
    assert write({"a": "ü"}) == '{"a":"ü"}'.encode()
    assert read(write({"a": "half \ud800", "b": 2**80})) == {"a": "half \ufffd", "b": str(2**80)}


def test_a_mail_address_has_three_spellings() -> None:
    address = read_mail_address(" Jörg@MÜNCHEN.de ")

    assert address is not None
    assert (address.shown, address.wire) == ("Jörg@münchen.de", "Jörg@xn--mnchen-3ya.de")
    assert address.needs_smtputf8
