"""A browser that opens the API's address gets a page that needs nothing from anywhere else."""

import base64
import hashlib
import re

import pytest

from outrider.surfaces.developer_graphql import playground
from tests.surfaces.developer_graphql.door import Door

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


async def test_a_browser_gets_the_page(door: Door) -> None:
    got = await door.knock(b"", method="GET", accept=BROWSER, authorization=None)

    assert got.status == 200
    assert got.headers[b"content-type"] == b"text/html; charset=utf-8"
    assert got.body == playground.PAGE
    assert got.line["outcome"] == "ok"


@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
async def test_a_program_does_not(door: Door, accept: str | None) -> None:
    got = await door.knock(b"", method="GET", accept=accept)

    assert (got.status, got.headers[b"allow"]) == (405, b"POST")


def test_the_page_loads_nothing() -> None:
    page = playground.PAGE.decode()

    assert not re.findall(r"https?://|//[a-z]+\.|<link[^>]*stylesheet|<script[^>]+src|@import|url\(", page)


def test_the_browser_is_told_to_run_what_we_wrote_and_nothing_else() -> None:
    policy = dict(playground.HEADERS)[b"content-security-policy"].decode()

    for element in ("script", "style"):
        (inline,) = re.findall(rf"<{element}>(.*?)</{element}>", playground.PAGE.decode(), re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}';" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


async def test_what_the_page_asks_for_its_reference_is_answered(door: Door) -> None:
    page = playground.PAGE.decode()
    kind, value, schema = (
        re.search(rf"const {name} = ([\"`])(.*?)\1;", page, re.DOTALL) for name in ("TYPE", "VALUE", "SCHEMA")
    )
    assert kind is not None
    assert value is not None
    assert schema is not None
    asked = schema[2].replace("${VALUE}", value[2]).replace("${TYPE}", kind[2])

    found = await door.data(asked)

    assert "Event" in {one["name"] for one in found["__schema"]["types"]}


async def test_the_first_query_of_the_page_is_answered(door: Door) -> None:
    first = re.search(r'const FIRST = "(.*?)";', playground.PAGE.decode())
    assert first

    found = await door.data(first[1].replace("\\n", "\n"))

    assert set(found["events"]) == {"edges", "pageInfo"}
