import base64
import hashlib
import hmac
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.core.errors import ValidationError
from outrider.webhooks.signing import (
    checked_secret,
    new_secret,
    outbound_headers,
    signature_headers,
    verify_outbound,
    verify_outeract,
    verify_standard,
)

PLAIN = "a-secret-that-has-at-least-32-characters"
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRETS = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=32, max_size=80).filter(
        lambda text: not text.startswith("whsec_")
    ),
    st.binary(min_size=24, max_size=64).map(lambda raw: "whsec_" + base64.b64encode(raw).decode()),
)


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def test_standard_webhooks_signs_id_time_and_body_with_the_decoded_key() -> None:
    body = b'{"id":"1"}'
    key = base64.b64decode(STANDARD.removeprefix("whsec_"))
    expected = hmac.new(key, b"d-1.1763600000." + body, hashlib.sha256).digest()

    headers = signature_headers([STANDARD], "d-1", 1763600000, body)

    assert headers["webhook-id"] == "d-1"
    assert headers["webhook-timestamp"] == "1763600000"
    assert headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()


def test_standard_webhooks_takes_another_secret_as_its_characters() -> None:
    expected = hmac.new(PLAIN.encode(), b"d-1.1763600000.{}", hashlib.sha256).digest()

    headers = signature_headers([PLAIN], "d-1", 1763600000, b"{}")

    assert headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()


@pytest.mark.parametrize("secret", [PLAIN, STANDARD])
def test_outeract_signs_time_and_body_with_the_whole_secret(secret: str) -> None:
    expected = hmac.new(secret.encode(), b"1763600000.{}", hashlib.sha256).hexdigest()

    headers = signature_headers([secret], "d-1", 1763600000, b"{}")

    assert headers["X-Outeract-Signature"] == f"sha256={expected}"
    assert headers["X-Outeract-Timestamp"] == "1763600000"


@pytest.mark.parametrize(
    ("secret", "timestamp", "body", "signature"),
    [
        (
            "a-secret-that-has-at-least-32-characters",
            1763600000,
            b"{}",
            "1e00ac093d96f9252e6562b8aaac3721029322820100eade2211abdb6bd9a9ba",
        ),
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            1763600001,
            b'{"id":"1"}',
            "c34ddde9f07dff98306fdc73e02199cfb48feebf6d612a27a1f2ac3e59f36422",
        ),
        (
            "Schlüssel mit Umlauten, lang genug!",
            0,
            '{"text":"Grüße ☀"}'.encode(),
            "3010db408a81645b404f149ffcc333a2707ef36a03f3c470ef9db55b121bbb76",
        ),
    ],
)
def test_outbound_signs_time_and_body_in_lower_case_hex(
    secret: str, timestamp: int, body: bytes, signature: str
) -> None:
    headers = outbound_headers([secret, new_secret()], "d-1", timestamp, body)

    assert headers["X-Outbound-Signature"] == signature
    assert headers["X-Outbound-Timestamp"] == str(timestamp)
    assert verify_outbound(secret, lower(headers), body)
    assert verify_standard(secret, lower(headers), body)
    assert not [name for name in headers if "Outeract" in name]


def test_during_a_rotation_both_secrets_sign_and_the_new_one_is_first() -> None:
    old, new = new_secret(), new_secret()

    headers = signature_headers([new, old], "d-1", 1763600000, b"{}")
    signatures = headers["webhook-signature"].split(" ")

    assert [part[:3] for part in signatures] == ["v1,", "v1,"]
    assert signatures[0] == signature_headers([new], "d-1", 1763600000, b"{}")["webhook-signature"]
    assert verify_standard(old, lower(headers), b"{}")
    assert verify_standard(new, lower(headers), b"{}")
    assert verify_outeract(new, lower(headers), b"{}")
    assert not verify_outeract(old, lower(headers), b"{}")


@given(SECRETS, st.binary(max_size=200), st.integers(0, 4_000_000_000))
def test_what_was_signed_verifies_and_nothing_else_does(secret: str, body: bytes, timestamp: int) -> None:
    headers = lower(signature_headers([secret], "d-1", timestamp, body))

    assert verify_standard(secret, headers, body)
    assert verify_outeract(secret, headers, body)
    for changed in (
        {**headers, "webhook-id": "d-2"},
        {**headers, "webhook-timestamp": str(timestamp + 1)},
        {**headers, "webhook-signature": "v1,"},
        {**headers, "webhook-signature": "é"},
        {**headers, "webhook-signature": "v1,\udce9"},
    ):
        assert not verify_standard(secret, changed, body)
    outbound = lower(outbound_headers([secret], "d-1", timestamp, body))
    assert verify_outbound(secret, outbound, body)
    assert not verify_outbound(secret, {**outbound, "x-outbound-timestamp": str(timestamp + 1)}, body)
    assert not verify_outbound(secret, {**outbound, "x-outbound-signature": "\udce9"}, body)
    assert not verify_outbound(secret, outbound, body + b" ")
    assert not verify_outbound(new_secret(), outbound, body)
    assert not verify_outeract(secret, {**headers, "x-outeract-timestamp": str(timestamp + 1)}, body)
    assert not verify_standard(secret, headers, body + b" ")
    assert not verify_outeract(secret, headers, body + b" ")
    assert not verify_standard(new_secret(), headers, body)
    assert not verify_outeract(new_secret(), headers, body)


@pytest.mark.parametrize("verify", [verify_standard, verify_outeract, verify_outbound])
def test_a_request_without_signatures_does_not_verify(verify: object) -> None:
    assert callable(verify)
    assert not verify(PLAIN, {}, b"{}")


def test_a_new_secret_is_long_enough_and_its_own_key() -> None:
    secret = new_secret()

    assert checked_secret(secret) == secret
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert new_secret() != secret


@pytest.mark.parametrize(
    "secret",
    ["", "a" * 31, "a" * 256, "whsec_" + "!" * 32, "whsec_" + "a" * 33, "whsec_" + "ä" * 32, "\ud800" * 32],
)
def test_a_bad_secret_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(ValidationError) as refused:
        checked_secret(secret)

    assert not secret or secret not in repr(refused.value)


@pytest.mark.skipif("OUTRIDER_SHARED" not in os.environ, reason="the vectors lie in OUTRIDER_SHARED")
def test_published_vectors_of_standard_webhooks() -> None:
    vectors = json.loads((Path(os.environ["OUTRIDER_SHARED"]) / "samples/vectors.json").read_text())
    ours = [vector for vector in vectors if vector["scheme"] == "standard_webhooks"]

    assert ours
    for vector in ours:
        headers, body = vector["headers"], vector["body"].encode()
        assert verify_standard(vector["secret"], headers, body) is vector["valid"]
        made = signature_headers(
            [vector["secret"]], headers["webhook-id"], int(headers["webhook-timestamp"]), body
        )
        assert (made["webhook-signature"] == headers["webhook-signature"]) is vector["valid"]
