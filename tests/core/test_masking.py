import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.core.masking import MASK, is_secret_name, mask_text, mask_value, register_secret_names

BOT_SECRET = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key otr_live_AbC123.x= here", "key otr_live_*** here"),
        ("otr_test_AbC123", "otr_test_***"),
        ("a otr_refresh_AbC123 and otr_invite_AbC123", "a otr_refresh_*** and otr_invite_***"),
        ("token eyJhbGciOiJI.eyJpc3MiOiJv-_.c2lnbmF0dXJl end", "token eyJ*** end"),
        ("'obk_live_0123456789abcdef'", "'obk_live_***'"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw/+==", "whsec_***"),
        (f"123456789:{BOT_SECRET}", "123456789:***"),
        (
            f"POST https://api.telegram.org/bot123456789:{BOT_SECRET}/sendMessage",
            "POST https://api.telegram.org/bot123456789:***/sendMessage",
        ),
        ("POST /webhooks/0198f1c2/s3cr3t-part?x=1", "POST /webhooks/0198f1c2/***?x=1"),
        ("Authorization: Bearer abcdef.ghijkl", "Authorization: Bearer ***"),
        ("authorization: Basic dXNlcjpwYXNz", "authorization: Basic ***"),
        ("Authorization: opaque-value", "Authorization: ***"),
        ("postgresql://outrider:hunter2@db:5432/outrider", "postgresql://outrider:***@db:5432/outrider"),
        ("smtp://:hunter2@mail", "smtp://:***@mail"),
        ("GET /x?access_token=abc&page=2", "GET /x?access_token=***&page=2"),
        ('{"password": "hunter2", "user": "me"}', '{"password": "***", "user": "me"}'),
        ("{'client_secret': 'hunter2'}", "{'client_secret': '***'}"),
        ("api-key=abc, next", "api-key=***, next"),
    ],
)
def test_secrets_in_texts_are_masked_and_the_rest_stays(text: str, shown: str) -> None:
    assert mask_text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "message.accepted",
        "0198f1c2-0000-7000-8000-000000000000",
        "2026-11-20T04:56:13.141Z",
        "/v1/messages",
        "https://hooks.example.com/a/b?x=1",
        "the token has expired",
        "passed 3 of 4",
        "Basic and Bearer are schemes",
        "[2001:db8::1]:443",
        "ratio 12:30",
    ],
)
def test_ordinary_texts_stay_as_they_are(text: str) -> None:
    assert mask_text(text) == text


@given(st.text(st.characters(categories=["L", "N", "P", "Z"])), st.text(st.characters(categories=["L", "Z"])))
def test_a_bot_token_is_masked_wherever_it_stands(before: str, after: str) -> None:
    assert BOT_SECRET not in mask_text(f"{before} 123456789:{BOT_SECRET} {after}")


@given(st.text())
def test_masking_twice_changes_nothing_more(text: str) -> None:
    assert mask_text(mask_text(text)) == mask_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 200_000 + "://",
        "1" * 200_000 + ":",
        "1:" * 100_000,
        "/webhooks/" * 20_000,
        "://" * 60_000,
        "bearer " * 30_000,
        "token" * 40_000,
        "token=" * 40_000,
    ],
)
def test_masking_takes_time_in_proportion_to_the_text(text: str) -> None:
    started = time.process_time()
    mask_text(text)

    assert time.process_time() - started < 2


def test_members_with_secret_names_are_masked_at_every_depth() -> None:
    value = {
        "Authorization": "opaque",
        "config": [
            {"bot_token": "short", "X-Signing-Secret": ["a"], "password": None, "idempotency_key": "k-1"}
        ],
        "note": "Bearer abcdefgh12345",
        "raw": b"\x00\x01",
        5: "x",
    }

    assert mask_value(value) == {
        "Authorization": MASK,
        "config": [
            {"bot_token": MASK, "X-Signing-Secret": MASK, "password": None, "idempotency_key": "k-1"},
        ],
        "note": "Bearer ***",
        "raw": "<2 bytes>",
        "5": "x",
    }


def test_fields_of_manifests_become_secret_by_registration() -> None:
    assert not is_secret_name("smtp_login_code")

    register_secret_names(["SMTP-Login-Code"])

    assert is_secret_name("smtp_login_code")


def test_keys_that_only_name_something_are_shown() -> None:
    assert not any(
        map(is_secret_name, ["key", "key_id", "idempotency_key", "ordering_key", "dedupe_key", "event"])
    )
