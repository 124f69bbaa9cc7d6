"""Whatever is submitted or asked for: it is never our fault, and what is refused leaves nothing behind."""

import asyncio
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outrider.surfaces.outkit_rest.openapi import written_openapi
from tests.clients import Answered, Server, new_client
from tests.surfaces.outkit_rest.submitting import PATH, Submitter, ask, new_submitter

DOCUMENT: dict[str, Any] = json.loads(written_openapi())
FIELDS: dict[str, dict[str, Any]] = DOCUMENT["components"]["schemas"]["NewMessage"]["properties"]
CODES: set[str] = set(
    DOCUMENT["components"]["responses"]["Refusal"]["content"]["application/json"]["schema"]["properties"][
        "error"
    ]["properties"]["code"]["enum"]
)
QUICKLY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
_TABLES = ("events", "submissions", "once_keys", "files", "messages", "delivery_queue", "connections")
_COUNT = (
    " union all ".join(
        f"select '{table}' as name, count(*) from {table} where application_id = any ($1::uuid[])"
        for table in _TABLES
        if table != "submissions"
    )
    + " union all select 'submissions', count(*) from submissions where organisation_id = $2"
)
_TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "\0",
            "\r\nBcc: eve@example.com",
            "\u202e\ufeff\u2028",
            "🌊" * 90,
            "x" * 300,
            "{{#if x}}",
            "{{> nowhere}}",
            "{{{{raw}}}}",
            "{{#*inline 'p'}}{{> p}}{{/inline}}{{> p}}",
            "{{#each data}}{{this}}{{/each}}",
            "</style><script>alert(1)</script>",
            "<p style='x'><b",
            "a{b:c} @media x { a { b: c",
            "ada@example.com",
            "Ada <ada@example.com>",
            "ädä@bücher.example",
            "@",
            "<>",
            '"a b"@[127.0.0.1]',
            "+14155550100",
            "00000000-0000-7000-8000-000000000000",
            "\ud800",
        ]
    ),
    st.text(max_size=20),
)
_JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), _TEXTS
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(st.sampled_from(["data", "x", "__proto__", "length"]), _TEXTS), inner, max_size=3
        ),
    ),
    max_leaves=6,
)


def values(name: str, schema: dict[str, Any], submitter: Submitter) -> st.SearchStrategy[Any]:
    """Values for a member of a message: some fit it."""
    known: dict[str, list[Any]] = {
        "type": ["email", "sms", "telegram"],
        "to": ["ada@example.com", "Ada <ada+rejected@example.com>", "ädä@bücher.example"],
        "project": [submitter.project],
        "backend": ["post-office"],
    }
    if "boolean" in schema.get("type", ()):
        return st.sampled_from([True, False, None, "true", 1])
    if "object" in schema.get("type", ()):
        return st.one_of(st.dictionaries(_TEXTS, _JSON, max_size=3), _JSON)
    if name in known:
        return st.one_of(st.sampled_from(known[name]), st.sampled_from(known[name]), _TEXTS, _JSON)
    return st.one_of(_TEXTS, _TEXTS, st.none(), _JSON)


def messages(submitter: Submitter) -> st.SearchStrategy[dict[str, Any]]:
    """Messages of which one or a few members are junk."""
    sound = submitter.message()
    junk = {name: values(name, schema, submitter) for name, schema in FIELDS.items()}
    few = st.lists(st.sampled_from([*junk, "no_send", "unknown"]), max_size=4, unique=True)
    chosen = few.flatmap(lambda names: st.fixed_dictionaries({name: junk.get(name, _JSON) for name in names}))
    return st.one_of(chosen.map(lambda given_: {**sound, **given_}), st.fixed_dictionaries({}, optional=junk))


@pytest.fixture(scope="module")
async def submitter(server: Server) -> Submitter:
    """An organisation of its own, with a connection that exists: its first use would make it."""
    found = await new_submitter(await new_client(server))
    await found.submit(sync=True)
    return found


async def count(submitter: Submitter) -> dict[str, int]:
    tenant = submitter.client.tenant
    rows = await submitter.client.server.runtime.database.system.fetch(
        _COUNT, [tenant.application_id, tenant.hidden_application_id], tenant.organisation_id
    )
    return {row["name"]: row["count"] for row in rows}


async def settled(submitter: Submitter) -> dict[str, int]:
    """The counts once what was accepted earlier has ended: its end writes too."""
    async with asyncio.timeout(30):
        while (before := await count(submitter))["delivery_queue"]:
            await asyncio.sleep(0.005)
    return before


def check(answered: Answered, statuses: set[str], sent: object) -> bool:
    """Whether it was accepted; that the answer is one of the documented ones."""
    assert str(answered.status) in statuses - {"401", "403", "500", "503"}, (
        answered.status,
        answered.body,
        sent,
    )
    assert answered.headers["Content-Type"] == "application/json"
    found = answered.json()
    if answered.status < 300:
        assert "error" not in found
        assert "data" in found
        return True
    assert found.keys() == {"error"}
    assert found["error"]["code"] in CODES - {"internal_error", "unauthorized"}
    assert found["error"]["message"]
    assert ".py" not in found["error"]["message"]
    return False


@QUICKLY
@given(data=st.data())
async def test_no_message_breaks(submitter: Submitter, data: st.DataObject) -> None:
    message = data.draw(messages(submitter))
    wrapped = data.draw(st.sampled_from([{"message": message}] * 9 + [message]))
    body = json.dumps(wrapped).encode()
    before = await settled(submitter)

    answered = await ask(submitter, "POST", PATH, body, body, "application/json")

    if not check(answered, set(DOCUMENT["paths"][PATH]["post"]["responses"]), body):
        assert await count(submitter) == before, (answered.body, body)


@QUICKLY
@given(body=st.one_of(st.binary(max_size=40), _JSON.map(lambda one: json.dumps(one).encode())))
async def test_no_body_breaks(submitter: Submitter, body: bytes) -> None:
    before = await settled(submitter)

    answered = await ask(submitter, "POST", PATH, body, body, "application/json")

    assert not check(answered, {"422"}, body)
    assert await count(submitter) == before


_NAMES = st.one_of(
    st.sampled_from(
        [
            b'"a.txt"',
            b"a.txt",
            b'""',
            b'"../../etc/passwd"',
            b'"\xff\xfe"',
            b'"a\r b"',
            '"Fähre.pdf"'.encode(),
            b'"' + b"x" * 3_000 + b'"',
        ]
    ),
    st.binary(max_size=12).map(lambda raw: b'"' + raw.replace(b'"', b"").replace(b"\r\n", b"") + b'"'),
)
_ENCODED = st.sampled_from(
    [b"utf-8''a%0d%0aBcc:%20x", b"nothing''x", b"utf-16''%ff", b"utf-8'a", b"utf-8''%00", b"us-ascii''%ff"]
)
_TYPES = st.sampled_from([b"", b"text/plain", b"junk", b"text/plain; charset=\xff", b"a/b\x00", b"x" * 400])


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A part with a file, or with something else."""
    field = draw(st.sampled_from([b"attachments[]", b"attachments", b"disposition", b"other", b""]))
    head = b'Content-Disposition: form-data; name="' + field + b'"'
    match draw(st.integers(0, 3)):
        case 0:
            head += b"; filename=" + draw(_NAMES)
        case 1:
            head += b"; filename*=" + draw(_ENCODED)
        case _:
            head += b'; filename="a.txt"'
    kind = draw(_TYPES)
    if kind:
        head += b"\r\nContent-Type: " + kind
    content = draw(st.one_of(st.just(b"inline"), st.just(b"Attachment"), st.binary(max_size=20)))
    return head + b"\r\n\r\n" + content


@QUICKLY
@given(data=st.data())
async def test_no_form_breaks(submitter: Submitter, data: st.DataObject) -> None:
    message = json.dumps(
        data.draw(st.one_of(st.just(submitter.message()), messages(submitter), _JSON))
    ).encode()
    parts = data.draw(st.lists(files(), max_size=3))
    part = b'Content-Disposition: form-data; name="message"\r\n\r\n' + message
    for _ in range(data.draw(st.sampled_from([1, 1, 1, 1, 0, 2]))):
        parts.insert(data.draw(st.integers(0, len(parts))), part)
    body = b"".join(b"--b0\r\n" + one + b"\r\n" for one in parts) + data.draw(
        st.sampled_from([b"--b0--\r\n", b"--b0--\r\n", b"--b0--\r\n", b"", b"--b0"])
    )
    before = await settled(submitter)

    signed = message if body else b""
    answered = await ask(submitter, "POST", PATH, body, signed, "multipart/form-data; boundary=b0")

    if not check(answered, set(DOCUMENT["paths"][PATH]["post"]["responses"]), body):
        assert await count(submitter) == before, (answered.body, body)


@QUICKLY
@given(data=st.data())
async def test_no_search_breaks(submitter: Submitter, data: st.DataObject) -> None:
    documented = DOCUMENT["paths"][PATH]["get"]
    names = [one["name"] for one in documented["parameters"]]
    words = st.one_of(st.sampled_from(["1", "0", "-1", "201", "1e3", "²", "delivered", "ferry-desk"]), _TEXTS)
    asked = data.draw(st.lists(st.tuples(st.one_of(st.sampled_from(names), _TEXTS), words), max_size=4))
    query = urlencode(asked, errors="surrogatepass")
    query = data.draw(st.sampled_from([query, query, query, query + "&%", query + "&limit=%ff"]))
    before = await settled(submitter)

    answered = await ask(submitter, "GET", f"{PATH}?{query}" if query else PATH, b"", b"")

    check(answered, set(documented["responses"]), query)
    assert await count(submitter) == before


@QUICKLY
@given(text=st.one_of(_TEXTS, st.uuids().map(str)).filter(lambda one: one not in {"", ".", ".."}))
async def test_no_id_breaks(submitter: Submitter, text: str) -> None:
    before = await settled(submitter)

    answered = await ask(submitter, "GET", f"{PATH}/{quote(text, safe='', errors='surrogatepass')}", b"", b"")

    assert not check(answered, {"404"}, text)
    assert await count(submitter) == before
