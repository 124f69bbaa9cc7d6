import json
import math
import uuid

import orjson
import pytest
from asyncpg.pgproto.pgproto import UUID
from hypothesis import example, given
from hypothesis import strategies as st

from outrider.core.errors import ValidationError
from outrider.core.storable import (
    MAX_BYTES,
    MAX_DEPTH,
    NotJson,
    parse_api_json,
    parse_vendor_json,
    shown_json,
    storable_json,
    storable_text,
)

ANY_TEXT = st.text(st.characters(), max_size=20) | st.sampled_from(
    ["\0", "\ud800", "\\u0000", "null", "{[", ""]
)


def json_values(texts: st.SearchStrategy[str]) -> st.SearchStrategy[object]:
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=20,
    )


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


def postgres_can_read(text: bytes) -> bool:
    """Whether what PostgreSQL 18 refuses when it reads a json value is absent from this one."""
    decoded: list[str] = []

    def walk(value: object) -> None:
        match value:
            case str():
                decoded.append(value)
            case dict():
                for key, part in value.items():
                    walk(key)
                    walk(part)
            case list():
                for part in value:
                    walk(part)
            case _:
                assert not isinstance(value, float) or math.isfinite(value)

    walk(json.loads(text.decode("utf-8")))
    return not any("\0" in part or any("\ud800" <= c <= "\udfff" for c in part) for part in decoded)


@given(json_values(ANY_TEXT))
@example([float("nan")])
@example({"a": "\\u0000"})
@example({"\\u0000": "\0"})
@example(nested(MAX_DEPTH + 1))
def test_what_passes_the_gate_is_readable_and_unchanged(value: object) -> None:
    try:
        text = storable_json(value)
    except ValidationError as refused:
        orjson.dumps(refused.message)
        assert not is_clean(value)
    else:
        assert postgres_can_read(text)
        assert is_clean(value)
        assert orjson.loads(text) == value
        assert list_keys(orjson.loads(text)) == list_keys(value)


def is_clean(value: object, levels: int = MAX_DEPTH) -> bool:
    match value:
        case str():
            return "\0" not in value and value.encode("utf-8", "replace") == value.encode(
                "utf-8", "surrogatepass"
            )
        case int():
            return -(2**63) <= value < 2**64
        case float():
            return math.isfinite(value)
        case dict():
            return levels > 0 and all(
                is_clean(key) and is_clean(part, levels - 1) for key, part in value.items()
            )
        case list():
            return levels > 0 and all(is_clean(part, levels - 1) for part in value)
        case _:
            return True


def list_keys(value: object) -> list[object]:
    match value:
        case dict():
            return [(key, list_keys(part)) for key, part in value.items()]
        case list():
            return [list_keys(part) for part in value]
        case _:
            return []


@given(json_values(ANY_TEXT))
@example(nested(300))
@example({"\0": 1, "\ud800": 2})
@example([10**30, float("inf")])
def test_whatever_a_vendor_sends_can_be_shown_and_stored(value: object) -> None:
    assert postgres_can_read(storable_json(shown_json(value)))


@given(json_values(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)))
def test_a_clean_value_is_shown_as_it_is(value: object) -> None:
    if is_clean(value):
        assert shown_json(value) == value
        assert list_keys(shown_json(value)) == list_keys(value)


def test_unstorable_characters_of_vendors_become_the_replacement_character() -> None:
    value = parse_vendor_json(
        b'{"text":"a\\u0000b\\ud83dc\\ud83d\\ude00","k\\udc00":[1e999,123456789012345678901]}'
    )

    assert shown_json(value) == {
        "text": "a\ufffdb\ufffdc\N{GRINNING FACE}",
        "k\ufffd": [None, "123456789012345678901"],
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": ["x", "b\0"]}, "payload.a[1] contains a NUL character"),
        ({"a b": {"c": "\udfff"}}, "payload['a b'].c contains half of a surrogate pair"),
        ({"a": {"\0": 1}}, "payload.a has a key that contains a NUL character"),
        ({"ключ": float("-inf")}, "payload['\\u043a\\u043b\\u044e\\u0447'] is not a finite number"),
        ([2**64], "payload[0] is an integer beyond 64 bits; send it as a string"),
        ({"a": {1: 2}}, "payload.a has the key 1, which is not a string"),
        ("\0", "payload contains a NUL character"),
    ],
)
def test_the_refusal_names_the_path(value: object, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        storable_json(value)

    assert refused.value.message == message
    assert message.startswith(str(refused.value.details["path"]))


def test_depth_is_counted_in_levels() -> None:
    assert storable_json(nested(MAX_DEPTH)) == b"[" * 64 + b"1" + b"]" * 64
    assert storable_json({"text": "[" * 100}) == b'{"text":"' + b"[" * 100 + b'"}'
    for levels in (MAX_DEPTH + 1, 300, 5000):
        with pytest.raises(ValidationError, match="is nested too deeply"):
            storable_json(nested(levels))


def test_a_vendors_depth_is_cut() -> None:
    assert storable_json(shown_json(nested(5000))) == b"[" * 64 + b"null" + b"]" * 64


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)

    with pytest.raises(ValidationError, match="nested too deeply"):
        storable_json(value)


def test_size_is_that_of_the_written_json() -> None:
    assert len(storable_json("x" * (MAX_BYTES - 2))) == MAX_BYTES
    with pytest.raises(ValidationError, match="input has 1048577 bytes as JSON; at most 1048576 are allowed"):
        storable_json("x" * (MAX_BYTES - 1), name="input")
    with pytest.raises(ValidationError):
        storable_json("xxx", limit=4)


def test_ids_are_written_as_text_and_other_objects_are_a_mistake_of_ours() -> None:
    made = uuid.uuid4()

    assert storable_json([made, UUID(made.bytes)]) == f'["{made}","{made}"]'.encode()
    with pytest.raises(TypeError):
        storable_json({"a": object()})


def test_a_text_for_a_text_column_passes_the_same_gate() -> None:
    assert storable_text("Zoë \N{GRINNING FACE}", name="to") == "Zoë \N{GRINNING FACE}"
    for bad in ("a\0", "\ud83d"):
        with pytest.raises(ValidationError, match=r"^to contains"):
            storable_text(bad, name="to")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "The body is empty"),
        (b" \n", "The body is empty"),
        (b'{"a":\n 1,}', "at line 2 column 3"),
        (b'{"a":1} x', "at line 1 column 9"),
        (b'{"a":"\xff"}', "not UTF-8: byte 6"),
        (b"\xef\xbb\xbf{}", "at line 1 column 1"),
        (b'{"a":NaN}', "at line 1 column 6"),
        (b'{"a":1e999}', "at line 1 column 6"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"a":' + b"1" * 5000 + b"}", "at line 1 column 6"),
        (b'{"a":["\\u0000"]}', r"body.a\[0\] contains a NUL"),
        (b"[" * 65 + b"]" * 65, "nested too deeply"),
        (b"[" * 1010 + b"]" * 1010, "nested (deeper than 64 levels|too deeply)"),
        (b"[" * 5000 + b"]" * 5000, "nested (deeper than 64 levels|too deeply)"),
        (b"[" * 5000, "nested deeper than 64 levels"),
    ],
)
def test_a_bad_body_of_a_caller_is_refused_with_its_place(raw: bytes, message: str) -> None:
    with pytest.raises(ValidationError, match=message) as refused:
        parse_api_json(raw)

    orjson.dumps(refused.value.message)


@given(st.binary(max_size=60) | json_values(ANY_TEXT).map(lambda value: json.dumps(value).encode()))
def test_a_callers_body_is_either_read_exactly_or_refused(raw: bytes) -> None:
    try:
        value = parse_api_json(raw)
    except ValidationError:
        return
    assert value == json.loads(raw)
    assert "\0" not in json.dumps(value, ensure_ascii=False)


def test_integers_are_read_exactly_and_refused_at_the_gate_when_too_large() -> None:
    assert parse_api_json(b"18446744073709551615") == 2**64 - 1
    with pytest.raises(ValidationError, match="beyond 64 bits"):
        storable_json(parse_api_json(b'{"id":18446744073709551616}'))


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert parse_api_json(rb'{"a":"\\u0000"}') == {"a": "\\u0000"}


@given(st.binary(max_size=100) | json_values(ANY_TEXT).map(lambda value: json.dumps(value).encode()))
@example(b"\xef\xbb\xbf{}")
@example(b'{"a":"line\nbreak \xff"}')
@example(b"[" * 100_000)
@example(b"9" * 5000)
@example(b"\x00\x00\x00[")
def test_a_vendors_body_is_read_or_is_not_json_and_nothing_else(raw: bytes) -> None:
    try:
        value = parse_vendor_json(raw)
    except NotJson:
        return
    assert postgres_can_read(storable_json(shown_json(value)))


def test_what_vendors_really_send_is_read() -> None:
    assert parse_vendor_json(b'\xef\xbb\xbf{"a":1}') == {"a": 1}
    assert parse_vendor_json(b'{"a":"x\ny"}') == {"a": "x\ny"}
    assert parse_vendor_json(b'{"a":"\xff"}') == {"a": "\ufffd"}
    assert parse_vendor_json('{"a":"é"}'.encode("utf-16")) == {"a": "é"}
    assert parse_vendor_json(b'{"id":12345678901234567890123}') == {"id": 12345678901234567890123}
    for raw in (b"", b"a=b", b"<xml/>", b"{"):
        with pytest.raises(NotJson):
            parse_vendor_json(raw)
