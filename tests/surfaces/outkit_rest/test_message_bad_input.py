"""Bad input in earnest: templates that break or never end, smuggled headers, addresses in any script, hostile HTML."""

import asyncio
import json
import re
import time
import unicodedata
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest

from tests.surfaces.outkit_rest.submitting import PATH, Submitter, ask, fresh_stamp, refusal
from tests.surfaces.outkit_rest.test_messages import form, until_done

_EVE = "Bcc: eve@example.com"
QUICKLY = 10.0
"""Seconds, on a busy machine; without bounds these would take hours."""
_SLOW = "{{#each l}}{{#each @root.l}}{{#each @root.l}}{{/each}}{{/each}}{{/each}}"


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"text_template_body": "one\n {{#if x}}"}, (2, 2)),
        ({"text_template_body": "{{/if}}"}, (1, 1)),
        ({"text_template_body": "a\n\n{{a b=}}"}, (3, None)),
        ({"html_template_body": "<p>\n{{> nowhere}}"}, (2, 1)),
        ({"text_template_body": "{{shout a}}"}, (1, 3)),
        ({"text_template_body": "{{#*inline 'p'}}{{> p}}{{/inline}}\n{{> p}}"}, (None, None)),
        ({"text_template_body": "x\n" + _SLOW, "data": {"l": list(range(800))}}, (2, None)),
        ({"subject": "{{#if", "text_template_body": "x"}, (1, None)),
        ({"from": "{{}} <a@example.com>", "text_template_body": "x"}, (1, None)),
        ({"text_template_body": "{{#if a}}" * 500 + "{{/if}}" * 500}, (1, None)),
        ({"text_template_body": "{" * 200_000}, (1, None)),
    ],
    ids=lambda one: str(one)[:50],
)
async def test_what_cannot_be_rendered_says_where(
    submitter: Submitter, given: dict[str, object], place: tuple[int | None, int | None]
) -> None:
    began = time.monotonic()
    sent = await submitter.submit(text_body=None, **given)

    assert time.monotonic() - began < QUICKLY
    assert (sent["status"], sent["done"], sent["text_body"], sent["html_body"]) == (
        "render_error",
        True,
        None,
        None,
    )
    found = re.search(r"at line (\d+), column (\d+)\)$", sent["status_message"])
    assert found, sent["status_message"]
    for told, expected in zip(found.groups(), place, strict=True):
        assert expected is None or int(told) == expected, sent["status_message"]
    assert await submitter.get(sent["id"]) == sent


async def test_a_template_that_goes_on_for_ever_keeps_nobody_waiting(submitter: Submitter) -> None:
    slow = [
        asyncio.create_task(
            submitter.submit(text_body=None, text_template_body=_SLOW, data={"l": list(range(800))})
        )
        for _ in range(4)
    ]
    await submitter.submit(sync=True, id_from_submitter="fine")
    ended = await asyncio.gather(*slow)

    assert {one["status"] for one in ended} == {"render_error"}


@pytest.mark.parametrize("size", [1_100_000, 5_000_000, 9_000_000])
@pytest.mark.parametrize("body", [{"text_body": "x"}, {"text_body": None, "text_template_body": "{{a}}"}])
async def test_megabytes_of_locals_are_refused(
    submitter: Submitter, size: int, body: dict[str, object]
) -> None:
    answered = await submitter.post(data={"a": "x" * size}, **body)

    if answered.status == 201:
        assert answered.json()["data"]["status"] == "render_error"
    else:
        status, code, message = refusal(answered)
        assert (status, code) == (422, "bad_data")
        assert message
        assert await submitter.list() == []


async def test_many_small_locals_are_no_trouble(submitter: Submitter) -> None:
    deep: Any = 1
    for _ in range(40):
        deep = {"a": deep}
    wide = {f"k{number}": number for number in range(20_000)}

    sent = await submitter.submit(text_body=None, text_template_body="{{k7}}", data={**wide, "deep": deep})

    assert sent["text_body"] == "7"


@pytest.mark.parametrize(
    "end", ["\r\n", "\n", "\r", "\0", "\u2028", "\u2029", "\x0b", "\x0c", "\x85", "\x1b"]
)
@pytest.mark.parametrize(
    "given",
    [
        {"to": "ada@example.com¶"},
        {"to": "Ada¶ <ada@example.com>"},
        {"to": "ada¶@example.com"},
        {"from": "desk@example.com¶"},
        {"from": "Desk¶ <desk@example.com>"},
        {"subject": "Hello¶"},
        {
            "from": "{{v}} <desk@example.com>",
            "text_body": None,
            "text_template_body": "x",
            "data": {"v": "¶"},
        },
    ],
    ids=lambda one: str(one)[:60],
)
async def test_no_header_is_smuggled_in(submitter: Submitter, given: dict[str, Any], end: str) -> None:
    injected = json.loads(json.dumps(given, ensure_ascii=False).replace("¶", json.dumps(end + _EVE)[1:-1]))

    status, code, message = await submitter.refused(**injected)

    assert (status, code) == (422, "bad_data"), message
    assert await submitter.list() == []


@pytest.mark.parametrize("subject", ["Hello {{v}}", "Hello {{{v}}}", "{{#each l}}{{this}}{{/each}}"])
async def test_a_rendered_subject_is_one_line_whatever_locals_hold(
    submitter: Submitter, subject: str
) -> None:
    ends = "\r\n \n \r \u2028 \u2029 \x0b \x0c \x85 \x1b \t"
    data = {"v": f"{ends}{_EVE}", "l": [ends, _EVE]}
    sent = await submitter.submit(
        subject=subject, text_body=None, text_template_body="x", data=data, sync=True
    )

    assert sent["status"] == "delivered"
    assert _EVE in sent["subject"]
    assert not [one for one in sent["subject"] if unicodedata.category(one) in {"Cc", "Zl", "Zp"}]


@pytest.mark.parametrize(
    "filename",
    [
        b"filename*=utf-8''a%0d%0aBcc:%20eve@example.com",
        b"filename*=utf-8''a%0aContent-Type:%20text/html",
        b"filename*=utf-8''a%00.txt",
        b"filename*=utf-8''a%e2%80%a8b",
        b'filename="a\rb.txt"',
    ],
)
async def test_no_header_is_smuggled_in_by_the_name_of_a_file(submitter: Submitter, filename: bytes) -> None:
    message = json.dumps(submitter.message()).encode()
    body = form(
        "b0",
        b'Content-Disposition: form-data; name="message"\r\n\r\n' + message,
        b'Content-Disposition: form-data; name="attachments[]"; ' + filename + b"\r\n\r\nx",
    )
    headers = submitter.signed("POST", PATH, message, fresh_stamp())

    answered = await submitter.raw(
        "POST", PATH, body, {**headers, "content-type": "multipart/form-data; boundary=b0"}
    )

    if answered.status == 201:
        # it is kept under a name without them
        files = await submitter.client.data("{ files { edges { node { filename } } } }")
        (name,) = (edge["node"]["filename"] for edge in files["files"]["edges"])
        assert not re.search(r"[\x00-\x1f\x7f\u2028\u2029]", name)
    else:
        assert refusal(answered)[:2] == (422, "bad_data")
        assert await submitter.list() == []


@pytest.mark.parametrize(
    ("to", "known_as"),
    [
        ("ada@bücher.example", "ada@bücher.example"),
        ("ada@BÜCHER.example", "ada@bücher.example"),
        ("ada@xn--bcher-kva.example", "ada@bücher.example"),
        ("ädä@bücher.example", "ädä@bücher.example"),
        ("Ада <ада@пример.example>", "ада@пример.example"),
        ("用户@例子.广告", "用户@例子.广告"),
        ("Ада Лавлейс <ada@example.com>", "ada@example.com"),
        ('"Ada, Countess" <ada@EXAMPLE.com>', "ada@example.com"),
        ("Dr. Ada O'Neil-Löwe<ada@example.com>", "ada@example.com"),
    ],
)
async def test_domains_and_mailboxes_are_written_in_any_script(
    submitter: Submitter, to: str, known_as: str
) -> None:
    sender = "Fährbüro <büro@fähre.example>"
    sent = await submitter.submit(to=to, **{"from": sender}, sync=True)

    assert (sent["status"], sent["to"], sent["from"]) == ("delivered", to, sender)
    event = await submitter.client.event(sent["id"])
    (edge,) = (one for one in event["edges"] if one["edgeType"] == "sent_to")
    assert edge["targetPlatformUser"]["externalId"] == known_as
    for asked in (known_as, to):
        assert [one["id"] for one in await _found(submitter, asked)] == [sent["id"]]


async def _found(submitter: Submitter, to: str) -> list[dict[str, Any]]:
    answered = await ask(submitter, "GET", f"{PATH}?to={quote(to, safe='')}", b"", b"")
    assert answered.status == 200, answered.body
    found: list[dict[str, Any]] = answered.json()["data"]
    return found


@pytest.mark.parametrize(
    "to",
    [
        "ada@",
        "@example.com",
        "ada@example..com",
        "ada@-x.example",
        "ada example.com",
        "ada@example.com, eve@example.com",
        "Ada <ada@example.com>, Eve <eve@example.com>",
        "<ada@example.com",
        "ada@exa\u200bmple.com",
        "ada@xn--\u00fc.example",
        "ada@" + "x" * 64 + ".example",
        "Ada, Eve <ada@example.com>",
        "ada@example.com <eve@example.com>",
        "Ada: <ada@example.com>",
        "a" * 2_000 + "@example.com",
    ],
)
async def test_what_is_no_mailbox_is_refused(submitter: Submitter, to: str) -> None:
    assert (await submitter.refused(to=to))[:2] == (422, "bad_data")
    assert (await submitter.refused(**{"from": to}))[:2] == (422, "bad_data")
    assert await submitter.list() == []


@pytest.mark.parametrize(
    "html",
    [
        "<script>fetch('http://127.0.0.1:9/')</script><p>Hi",
        "<img src=x onerror=alert(1)><iframe src='file:///etc/passwd'></iframe>",
        "<p" * 50_000,
        "<div>" * 60_000,
        "<!--" * 100_000,
        "</style></head></body>" * 1_000,
        "<style>@import url('http://127.0.0.1:9/x.css'); p{background:url(file:///etc/passwd)}</style><p>Hi",
        "<link rel='stylesheet' href='http://127.0.0.1:9/x.css'><p>Hi",
        '<p style="' + "a:b;" * 20_000 + '">Hi</p>',
        "<![CDATA[<p>]]>&#0;&#xD800;&nosuch;<p>\u202e\ufeffHi",
        "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><p>&b;</p>",
    ],
    ids=lambda one: one[:30],
)
async def test_hostile_html_changes_nothing_here(submitter: Submitter, html: str) -> None:
    began = time.monotonic()
    sent = await submitter.submit(text_body=None, html_body=html)
    done = await until_done(submitter, sent["id"])

    assert time.monotonic() - began < QUICKLY
    assert done["status"] == "delivered"
    # ready bodies are sent as they are
    assert done["html_body"] == html
    assert done["text_body"]
    assert "{{" not in done["text_body"]


def tags_of(html: str) -> set[str]:
    """The elements of a document."""
    found: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            del attrs
            found.add(tag)

    Reader().feed(html)
    return found


@pytest.mark.parametrize(
    ("html", "styles"),
    [
        ("<p>{{v}}</p>", "p { color: red } </style><script>alert(1)</script>"),
        ("<p>{{v}}</p>", "@import url('http://127.0.0.1:9/x.css'); p { color: red }"),
        ("<p>{{v}}</p>", "p { color: red" + "}" * 1_000),
        ("<p>{{v}}</p>", "p, " * 20_000 + "p { a: b }"),
        ("<p>{{v}}</p>", ":is(" * 5_000 + "p" + ")" * 5_000 + "{a:b}"),
        ("<div>" * 60_000 + "{{v}}", "div { color: red }"),
        ("<p>{{v}}" * 5_000, "p p { color: red } " * 2_000),
        ("<style>p{color:red}</style><p title='{{v}}'>{{v}}</p>", None),
        ("<p>{{v}}</p>", "x" * 300_000),
    ],
    ids=lambda one: str(one)[:30],
)
async def test_hostile_html_and_styles_are_rendered_or_refused_in_time(
    submitter: Submitter, html: str, styles: str | None
) -> None:
    evil = "<script>alert(1)</script>'\"{{> nowhere}}"
    began = time.monotonic()
    sent = await submitter.submit(
        text_body="x", html_template_body=html, template_styles=styles, data={"v": evil}
    )

    assert time.monotonic() - began < QUICKLY
    if sent["status"] == "render_error":
        assert sent["status_message"]
    else:
        assert "script" not in tags_of(sent["html_body"])
        assert "{{&gt; nowhere}}" in sent["html_body"]
