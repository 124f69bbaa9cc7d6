"""What passes the gate for stored JSON, PostgreSQL can not only store but read back in every way we read it."""

from collections.abc import AsyncGenerator

import asyncpg
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.core.errors import ValidationError
from outrider.core.storable import MAX_DEPTH, parse_vendor_json, shown_json, storable_json, storable_text

TEXTS = st.text(st.characters(), max_size=12) | st.sampled_from(
    ["\0", "\ud800", "\\u0000", "\\ud800", "\x7f"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)
READ = """
SELECT j::text, (j::jsonb)::text, j->>'a', j#>>'{a,0}', (SELECT string_agg(k, ',') FROM json_object_keys(j) k)
  FROM (SELECT $1::text::json AS j) AS stored
"""


@pytest.fixture(scope="module")
async def connection(dsn: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


async def read_back(connection: "asyncpg.Connection[asyncpg.Record]", text: bytes) -> str:
    row = await connection.fetchrow(READ, text.decode())
    assert row is not None
    return str(row[0])


@given(value=VALUES)
@settings(max_examples=300, deadline=None)
async def test_what_passes_the_gate_is_read_back_byte_for_byte(
    connection: "asyncpg.Connection[asyncpg.Record]", value: object
) -> None:
    try:
        text = storable_json({"a": value})
    except ValidationError:
        return

    assert (await read_back(connection, text)).encode() == text


@given(value=VALUES)
@settings(max_examples=300, deadline=None)
async def test_whatever_a_vendor_sends_is_read_back_once_it_is_made_showable(
    connection: "asyncpg.Connection[asyncpg.Record]", value: object
) -> None:
    text = storable_json(shown_json({"a": value, "b\0": "\udfff"}))

    assert (await read_back(connection, text)).encode() == text


async def test_postgresql_does_fail_on_what_the_gate_holds_back(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    """Were this to change, the gate would be too strict."""
    for raw in (b'{"a":"\\u0000"}', b'{"a":"\\ud800"}'):
        await connection.fetchval("SELECT $1::text::json", raw.decode())
        with pytest.raises((asyncpg.UntranslatableCharacterError, asyncpg.InvalidTextRepresentationError)):
            await read_back(connection, raw)

        text = storable_json(shown_json(parse_vendor_json(raw)))
        assert orjson.loads(await read_back(connection, text)) == {"a": "\ufffd"}


async def test_the_deepest_value_is_read_back(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    value: object = 1
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    text = storable_json({"a": value})

    assert (await read_back(connection, text)).encode() == text


@given(text=TEXTS)
@settings(deadline=None)
async def test_a_text_that_passes_is_a_text_of_postgresql(
    connection: "asyncpg.Connection[asyncpg.Record]", text: str
) -> None:
    try:
        passed = storable_text(text, name="to")
    except ValidationError:
        return

    assert await connection.fetchval("SELECT $1::text", passed) == text
