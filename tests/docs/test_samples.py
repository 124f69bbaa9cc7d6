"""Samples in the documents work: queries are valid, JSON parses, signature code verifies what we send."""

import asyncio
import json
import re
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from graphql import parse, validate

from outrider.events.bodies import EdgeView, fragment, outbound_body, webhook_body
from outrider.surfaces.admin_graphql.schema import admin_schema
from outrider.surfaces.developer_graphql.cursors import FEED
from outrider.surfaces.developer_graphql.schema import SCHEMA
from outrider.webhooks.signing import new_secret, outbound_headers, signature_headers
from tests.clients import Client
from tests.docs.pages import PAGES, code_blocks, name_of, text_of

GUIDE = "docs/guides/receiving-webhooks.md"
ADMINS = "subscription { id }"
"""What only the administration answers with, on a page that is about the developer API."""
BODY = '{"event_type":"message.inbound","payload":{"text":"Grüße 👋"}}'.encode()
SECRETS = [new_secret(), "a secret of the customer's own, long enough"]
each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)
each_secret = pytest.mark.parametrize("secret", SECRETS, ids=["whsec", "text"])


def _delivery(secret: str, *, age: int = 0) -> dict[str, str]:
    sent = ([secret], "0198a3c2-5d6e-7f00-8a11-223344556677", int(time.time()) - age, BODY)
    headers = signature_headers(*sent) | outbound_headers(*sent)
    return {name.lower(): value for name, value in headers.items()}


@each_page
def test_queries_are_valid(page: Path) -> None:
    for block in code_blocks(page.read_text(), "graphql"):
        pages = {"administering.md", "contacts.md", "dossiers.md", "outreach.md", "templates.md"}
        is_admin = page.name in pages or ADMINS in block
        assert validate(admin_schema() if is_admin else SCHEMA, parse(block)) == [], block


def test_queries_in_the_readme_are_valid() -> None:
    queries = re.findall(r'"query": ("(?:[^"\\]|\\.)*")', text_of("README.md"))

    assert len(queries) == 2
    for query in queries:
        assert validate(SCHEMA, parse(json.loads(query))) == []


@each_page
def test_json_parses(page: Path) -> None:
    for block in code_blocks(page.read_text(), "json"):
        json.loads(block)


def test_the_sample_of_a_body_has_the_members_of_a_real_one() -> None:
    sample = json.loads(code_blocks(text_of(GUIDE), "json")[0])
    ids = [UUID(int=number) for number in range(5)]
    edges = [EdgeView("sent_by", "platform_user", ids[3], "4711", "Ada")]
    shared = fragment(
        application_id=ids[0],
        event_id=ids[1],
        event_type="message.inbound",
        payload="{}",
        edges=edges,
        created_at=datetime.fromtimestamp(0, UTC),
    )
    real = json.loads(webhook_body(ids[2], ids[4], shared, None))

    assert list(sample) == list(real)
    assert sample["edges"]["sent_by"].keys() == real["edges"]["sent_by"].keys()
    assert sample["edge_list"][0].keys() == real["edge_list"][0].keys()


def test_the_sample_of_an_outbound_body_has_the_members_of_a_real_one() -> None:
    sample = json.loads(code_blocks(text_of(GUIDE), "json")[1])
    shared = fragment(
        application_id=UUID(int=0),
        event_id=UUID(int=1),
        event_type="message.inbound",
        payload="{}",
        edges=(),
        created_at=datetime.fromtimestamp(0, UTC),
    )

    assert list(sample) == list(json.loads(outbound_body(UUID(int=2), None, shared)))


@each_secret
def test_the_python_sample_tells_right_from_wrong(secret: str) -> None:
    (code,) = code_blocks(text_of(GUIDE), "python")
    sample: dict[str, object] = {}
    exec(code, sample)  # noqa: S102  the page's own sample

    for name in ("is_standard_signature", "is_outeract_signature", "is_outbound_signature"):
        is_right = sample[name]
        assert callable(is_right)
        assert is_right(secret, _delivery(secret), BODY)
        assert not is_right(secret, _delivery(secret), BODY + b" ")
        assert not is_right(secret, _delivery(new_secret()), BODY)
        assert not is_right(secret, _delivery(secret, age=600), BODY)


@each_secret
def test_the_node_sample_tells_right_from_wrong(secret: str, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    (code,) = code_blocks(text_of(GUIDE), "javascript")
    cases = [
        [secret, _delivery(secret), BODY.decode()],
        [secret, _delivery(secret), BODY.decode() + " "],
        [secret, _delivery(new_secret()), BODY.decode()],
        [secret, _delivery(secret, age=600), BODY.decode()],
    ]
    script = tmp_path / "sample.js"
    script.write_text(
        f"{code}\nconst results = {json.dumps(cases)}.map(([secret, headers, text]) => {{"
        "const body = Buffer.from(text);"
        "return [isStandardSignature, isOuteractSignature, isOutboundSignature].map((is) => is(secret, headers, body));"
        "});console.log(JSON.stringify(results));"
    )
    finished = subprocess.run([node, script], check=True, capture_output=True, text=True, timeout=60)

    assert json.loads(finished.stdout) == [[True] * 3, [False] * 3, [False] * 3, [False] * 3]


async def test_the_sample_of_a_feed_follows_events(client: Client) -> None:
    (code,) = code_blocks(text_of("docs/guides/live-feed.md"), "python")
    query = code_blocks(text_of("docs/guides/live-feed.md"), "graphql")[0]
    sample: dict[str, Any] = {}
    exec(code, sample)  # noqa: S102  the page's own sample
    create = 'mutation { createEvent(eventType: "ferry.sailed", payload: {}) { id } }'
    created = [(await client.data(create))["createEvent"]["id"] for _ in range(3)]

    def follow(cursor: str, count: int) -> list[tuple[str, Any]]:
        following = sample["follow"](f"{client.base_url}/", client.key, query, cursor)
        try:
            return [next(following) for _ in range(count)]
        finally:
            following.close()

    found = await asyncio.to_thread(follow, FEED.write(0), 2)
    found += await asyncio.to_thread(follow, found[-1][0], 1)

    assert [event["id"] for _, event in found] == created
