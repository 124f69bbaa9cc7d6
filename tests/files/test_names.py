"""Filenames that are safe anywhere, and types that a header can carry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.core.errors import ValidationError
from outrider.files.names import (
    LONGEST_FILENAME,
    OCTETS,
    checked_mime_type,
    ending_for,
    guessed_mime_type,
    safe_filename,
    told_mime_type,
)


@pytest.mark.parametrize(
    ("given_name", "safe"),
    [
        ("menu.pdf", "menu.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/", "file"),
        ("..", "file"),
        ("", "file"),
        (None, "file"),
        ("a\x00b\n\x1b[31m.txt", "a\ufffdb[31m.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ('a"b:c|d?.txt', "a_b_c_d_.txt"),
        ("half a pair \ud800.png", "half a pair \ufffd.png"),
        ("Grüße 👋.png", "Grüße 👋.png"),
        ("x" * 400 + ".png", "x" * (LONGEST_FILENAME - 4) + ".png"),
        ("ä" * 400, "ä" * (LONGEST_FILENAME // 2)),
    ],
)
def test_names_keep_what_is_safe_of_them(given_name: str | None, safe: str) -> None:
    assert safe_filename(given_name) == safe


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_every_name_becomes_one_that_can_be_stored_and_shown(given_name: str) -> None:
    name = safe_filename(given_name)

    assert 0 < len(name.encode()) <= LONGEST_FILENAME
    assert not set(name) & set('/\\\x00\r\n"')
    assert name not in {".", ".."}
    assert safe_filename(name) == name


@pytest.mark.parametrize(
    ("given_type", "filename", "expected"),
    [
        ("image/PNG", "x", "image/png"),
        ("text/plain; charset=utf-8", "x", "text/plain"),
        (None, "a.png", "image/png"),
        (" ", "a.webp", "image/webp"),
        (None, "a.unknown", OCTETS),
        (None, "a", OCTETS),
        (None, "a.tar.gz", OCTETS),
    ],
)
def test_types_are_those_given_or_those_of_the_name(
    given_type: str | None, filename: str, expected: str
) -> None:
    assert checked_mime_type(given_type, filename) == expected


@pytest.mark.parametrize(
    "given_type", ["png", "image/", "a/b\r\nx: y", "image/png\x00", "a/" + "b" * 200, "ä/ö"]
)
def test_types_that_no_header_can_carry_are_refused(given_type: str) -> None:
    with pytest.raises(ValidationError) as refused:
        checked_mime_type(given_type, "x")

    assert refused.value.details["path"] == "mimeType"
    assert told_mime_type(given_type, "x.png") == "image/png"


def test_a_type_that_says_nothing_is_as_good_as_none() -> None:
    assert told_mime_type("application/octet-stream", "x.pdf") == "application/pdf"


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "audio/ogg", "application/pdf", "video/mp4"])
def test_a_type_and_its_ending_belong_together(kind: str) -> None:
    assert guessed_mime_type(f"x{ending_for(kind)}") == kind
