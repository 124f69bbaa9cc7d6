"""Signed requests: the vectors of the contract and our own, and what clients that exist really send."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import pytest

from outrider.surfaces.outkit_rest.signing import is_signed, is_timely, signature_of
from tests.surfaces.outkit_rest.submitting import PATH, Submitter, fresh_stamp, refusal

SECRET = "sk_conformance_0001"
VECTORS = [
    (
        "1496837645",
        "GET",
        "/v1/messages/6dc5b9a6-863a-4be2-bd58-8540f2d9120a",
        "",
        "5jIOYfYp67l5LR8DCNi0lNs5yuqnCknYKnpIR+r/s/U=",
    ),
    ("1496837645", "GET", "/v1/messages", "", "P7uVgxcVLvt8FiBtLmNo3ynHqNUjfxlPh7JYkM2Bars="),
    (
        "1496837645",
        "GET",
        "/v1/messages?limit=2&x=%C3%A9",
        "",
        "4L837AhqByTMumEhrgP9sO8nyuWctohXm9xyVdfuYCQ=",
    ),
    (
        "1496837645",
        "POST",
        "/v1/messages",
        '{"message":{"type":"email","project":"outkit","to":"some.email@example.com"}}',
        "tZgVdMPpODBGTDhbmMftmEEXzLAYhp2L1s5FotJgTfQ=",
    ),
    (
        "1496837645.12",
        "POST",
        "/v1/messages",
        '{"message":{"type":"sms","to":"+15551112222","text_body":"Hé"}}',
        "neiF1lH/MCZZb93wF3oWSMeb+tLhbENnthV11KOehNw=",
    ),
]
BODIES = [
    "",
    "{}",
    '{"message":{}}',
    '{"message":{"text_body":"\\u0048\\u00e9 \\/ \\u003C"}}',
    '{"message":{"text_body":"Hé 🦊"}}',
    ' {"message" :\n{ } }\n',
    "x" * 70_000,
]
TARGETS = ["/v1/messages", "/v1/messages?to=%2B1&a=b", "/v1/messages/x%20y", "/v1/messages?"]


@pytest.mark.parametrize(("timestamp", "method", "target", "body", "signature"), VECTORS)
def test_the_vectors_of_the_contract(
    timestamp: str, method: str, target: str, body: str, signature: str
) -> None:
    assert signature_of(SECRET, timestamp.encode(), method, target.encode(), body.encode()) == signature


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("timestamp", ["1700000000", "1700000000.93"])
def test_a_signature_holds_for_what_was_signed_and_nothing_else(
    timestamp: str, target: str, body: str
) -> None:
    # computed as the contract words it, apart from our code
    text = f"{timestamp}POST{target}{body}"
    signature = base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest())
    given: dict[str, Any] = {
        "timestamp": timestamp.encode(),
        "method": "post",
        "target": target.encode(),
        "body": body.encode(),
    }

    assert is_signed(SECRET, signature, **given)
    others: list[dict[str, Any]] = [
        {"timestamp": timestamp.encode() + b"0"},
        {"method": "GET"},
        {"target": target.encode() + b"/"},
        {"body": body.encode() + b" "},
    ]
    for other in others:
        assert not is_signed(SECRET, signature, **{**given, **other})
    assert not is_signed(SECRET + "x", signature, **given)
    assert not is_signed(SECRET, signature.rstrip(b"="), **given)
    assert not is_signed(SECRET, b"", **given)


@pytest.mark.parametrize(
    ("timestamp", "is_good"),
    [
        (b"1000", True),
        (b"1300", True),
        (b"1300.0", True),
        (b"1300.001", False),
        (b"700", True),
        (b"699.999", False),
        (b"1000.123456", True),
        (b"", False),
        (b"-1000", False),
        (b"1e3", False),
        (b" 1000", False),
        (b"1000.", False),
        (b"0x3e8", False),
        ("\u0661\u0660\u0660\u0660".encode(), False),
        (b"nan", False),
        (b"1" * 500, False),
    ],
)
def test_the_window_is_five_minutes_on_both_sides(timestamp: bytes, is_good: bool) -> None:
    assert is_timely(timestamp, 1000.0) is is_good


async def test_a_request_must_be_signed_right(submitter: Submitter) -> None:
    body = json.dumps({"message": submitter.message()}).encode()
    right = submitter.signed("POST", PATH, body)
    wrong: list[dict[str, str]] = [
        {},
        {name: text for name, text in right.items() if name != "Outkit-Access-Signature"},
        {name: text for name, text in right.items() if name != "Outkit-Access-Timestamp"},
        {name: text for name, text in right.items() if name != "Outkit-Access-Passphrase"},
        {name: text for name, text in right.items() if name != "Outkit-Access-Key"},
        {**right, "Outkit-Access-Passphrase": "x" * 30},
        {**right, "Outkit-Access-Key": "x" * 48},
        {**right, "Outkit-Access-Signature": right["Outkit-Access-Signature"].lower()},
        {**right, "Outkit-Access-Timestamp": right["Outkit-Access-Timestamp"] + ".5"},
        submitter.signed("GET", PATH, body),
        submitter.signed("POST", PATH + "?a=b", body),
        submitter.signed("POST", PATH, body + b" "),
        submitter.signed("POST", PATH, body, str(int(time.time()) - 400)),
        submitter.signed("POST", PATH, body, str(int(time.time()) + 400)),
    ]
    for headers in wrong:
        shown = {"Outkit-Access-Anything": "1", **headers}
        assert refusal(await submitter.raw("POST", PATH, body, shown))[:2] == (401, "unauthorized"), headers
    assert (await submitter.raw("POST", PATH, body, right)).status == 201


async def test_a_secret_beside_a_signature_is_ignored(submitter: Submitter) -> None:
    body = json.dumps({"message": submitter.message()}).encode()
    headers = {**submitter.signed("POST", PATH, body), "Outkit-Access-Secret": "wrong"}
    assert (await submitter.raw("POST", PATH, body, headers)).status == 201
    broken = {
        **headers,
        "Outkit-Access-Secret": submitter.key.secret,
        "Outkit-Access-Signature": "bm8=",
    }
    assert refusal(await submitter.raw("POST", PATH, body, broken))[0] == 401


async def test_a_key_that_need_not_sign_sends_its_secret_unless_that_is_waived(submitter: Submitter) -> None:
    unsigned = await submitter.with_key(is_signing_required=False)
    waived = await submitter.with_key(is_signing_required=False, is_secret_waived=True)

    def headers(one: Submitter, **more: str) -> dict[str, str]:
        plain = {
            "Outkit-Access-Key": one.key.key,
            "Outkit-Access-Passphrase": one.key.passphrase,
        }
        return plain | {f"Outkit-Access-{name}": text for name, text in more.items()}

    assert refusal(await unsigned.raw("GET", PATH, b"", headers(unsigned)))[0] == 401
    assert refusal(await unsigned.raw("GET", PATH, b"", headers(unsigned, Secret="no")))[0] == 401
    right = headers(unsigned, Secret=unsigned.key.secret)
    assert (await unsigned.raw("GET", PATH, b"", right)).status == 200
    # the C# client: a signature that nobody can verify, and no secret
    junk = {"Timestamp": "1", "Signature": "bm8="}
    assert refusal(await unsigned.raw("GET", PATH, b"", headers(unsigned, **junk)))[0] == 401
    assert (await waived.raw("GET", PATH, b"", headers(waived, **junk))).status == 200
    assert (await waived.raw("GET", PATH, b"", headers(waived))).status == 200
    assert (await unsigned.call("GET", PATH)).status == 200


async def test_the_same_request_again_sends_nothing(submitter: Submitter) -> None:
    stamp = fresh_stamp()
    first = await submitter.post(timestamp=stamp)
    again = await submitter.post(timestamp=stamp)
    later = await submitter.post(timestamp=fresh_stamp())

    assert again.status == 201
    assert again.json()["data"]["id"] == first.json()["data"]["id"] != later.json()["data"]["id"]
    assert len(await submitter.list()) == 2


async def test_any_access_header_selects_this_contract(submitter: Submitter) -> None:
    developer = await submitter.client.request(b"", method="GET", path=PATH)
    assert developer.status == 200
    mixed = await submitter.client.request(
        b"", method="GET", path=PATH, headers={"outkit-access-key": submitter.key.key}
    )
    assert refusal(mixed)[:2] == (401, "unauthorized")


async def test_a_revoked_key_is_refused_within_a_second(submitter: Submitter) -> None:
    from outrider.tenancy.message_keys import revoke_message_key  # noqa: PLC0415

    assert (await submitter.call("GET", PATH)).status == 200
    tenancy = submitter.client.server.runtime.tenancy
    await revoke_message_key(tenancy, submitter.client.tenant.organisation_id, submitter.key.id)
    began = time.monotonic()
    while (await submitter.call("GET", PATH)).status != 401:
        assert time.monotonic() - began < 1.0


# What clients that exist send: recorded exchanges, with our credentials in place of theirs.


def float_stamp() -> str:
    """As JavaScript writes milliseconds: trailing zeros dropped."""
    return repr(round(datetime.now(UTC).timestamp(), 3))


async def test_the_javascript_client(submitter: Submitter) -> None:
    body = json.dumps({"message": submitter.message(text_body="Hé")}, ensure_ascii=False).encode()
    headers = {
        **submitter.signed("POST", PATH, body, float_stamp()),
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": "outkit-javascript-client",
    }
    answered = await submitter.raw("POST", PATH, body, headers)
    assert answered.headers["Content-Type"] == "application/json"
    data: dict[str, Any] = answered.json()["data"]
    assert "error" not in answered.json()
    assert data["text_body"] == "Hé"
    target = f"{PATH}/{data['id']}"
    got = await submitter.raw(
        "GET",
        target,
        b"",
        {**submitter.signed("GET", target, b"", float_stamp()), "Content-Type": "application/json"},
    )
    assert got.json()["data"]["id"] == data["id"]


async def test_the_newer_javascript_client_sends_chunked_forms_with_lower_case_headers(
    submitter: Submitter,
) -> None:
    message = json.dumps({**submitter.message(), "attachments": ["a.txt"], "disposition": "inline"}).encode()
    line = b"----------------------------123456789012345678901234\r\n"
    pieces = [
        line + b'Content-Disposition: form-data; name="disposition"\r\n\r\ninline\r\n',
        line + b'Content-Disposition: form-data; name="message"\r\n\r\n' + message[:20],
        message[20:] + b"\r\n",
        line + b'Content-Disposition: form-data; name="attachments[]"; filename="a.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\nfile\r\n",
        line.rstrip(b"\r\n") + b"--\r\n",
    ]

    async def chunks() -> AsyncGenerator[bytes]:
        for piece in pieces:
            yield piece

    signed = submitter.signed("POST", PATH, message, float_stamp())
    headers = {name.lower(): text for name, text in signed.items()}
    boundary = line[2:].strip().decode()
    headers["content-type"] = f"multipart/form-data; boundary={boundary}"
    answered = await submitter.raw("POST", PATH, chunks(), headers)
    assert answered.status == 201, answered.body


async def test_the_php_client(submitter: Submitter) -> None:
    body = json.dumps({"message": submitter.message(text_body="Hé a/b")}).replace("/", "\\/").encode()
    odd = {"Accept": "*/*; q=0.5, text/plain; q=0.8, text/html;level=3;", "User-Agent": "outkit-php-client"}
    headers = {**submitter.signed("POST", PATH, body), "Content-Type": "application/json", **odd}
    answered = await submitter.raw("POST", PATH, body, headers)
    assert answered.json()["data"]["text_body"] == "Hé a/b"
    target = f"{PATH}/{answered.json()['data']['id']}"
    got = await submitter.raw(
        "GET", target, b"", {**submitter.signed("GET", target, b""), "Content-Length": "0", **odd}
    )
    assert got.status == 200


async def test_the_elixir_client_sends_every_key_it_knows(submitter: Submitter) -> None:
    names = [
        "backend",
        "data",
        "from",
        "html_body",
        "id_from_submitter",
        "no_send",
        "project",
        "render_only",
        "subject",
        "sync",
        "template",
        "test",
        "text_body",
        "to",
        "type",
    ]
    message = {name: submitter.message().get(name) for name in names}
    body = json.dumps({"message": message}).encode()
    headers = {**submitter.signed("POST", PATH, body), "Content-Type": "application/json"}
    data = (await submitter.raw("POST", PATH, body, headers)).json()["data"]
    assert data["public_id"] == data["id"]
    target = f"{PATH}/{data['id']}"
    headers = {**submitter.signed("GET", target, b""), "Content-Type": "application/json"}
    assert (await submitter.raw("GET", target, b"", headers)).status == 200


async def test_the_csharp_client_with_a_waived_secret(submitter: Submitter) -> None:
    client = await submitter.with_key(is_signing_required=False, is_secret_waived=True)
    names = [
        "text_template_body",
        "template_styles",
        "template_id",
        "template",
        "project_id",
        "id_from_submitter",
        "html_template_body",
        "html_body",
        "from",
        "backend_id",
        "backend",
    ]
    message = {**client.message(text_body="<Hé>"), "test": False, "sync": True, "render_only": False}
    message |= {name: None for name in names if name not in message}
    escaped = json.dumps({"message": message}).replace("<", "\\u003C").replace(">", "\\u003E")
    headers = {
        "Outkit-Access-Key": client.key.key,
        "Outkit-Access-Passphrase": client.key.passphrase,
        "Outkit-Access-Timestamp": str(int(time.time())),
        "Outkit-Access-Signature": "bm90IHZhbGlk",
        "Content-Type": "Application/Json; charset=utf-8",
        "User-Agent": "outkit-c#-client",
    }
    answered = await client.raw("POST", PATH, escaped.encode(), headers)
    data: dict[str, Any] = answered.json()["data"]
    assert (data["text_body"], data["status"]) == ("<Hé>", "delivered")
    assert all(isinstance(text, str | None) for name, text in data.items() if name.endswith(("_id", "_at")))
    form = (
        b"--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=message\r\n\r\n"
        + json.dumps(message).encode()
        + b"\r\n--x\r\nContent-Type: text/plain\r\nContent-Disposition: form-data; name=disposition\r\n\r\nAttachment"
        b"\r\n--x\r\nContent-Type: application/octet-stream\r\n"
        b'Content-Disposition: form-data; name="attachments[]"; filename=a.txt\r\n\r\nfile\r\n--x--\r\n'
    )
    headers["Content-Type"] = 'multipart/form-data; boundary="x"'
    assert (await client.raw("POST", PATH, form, headers)).status == 201
    assert len((await client.raw("GET", PATH, b"", headers)).json()["data"]) == 2
