"""Customers' JSON Schemas: what is taken, what is refused, and that none of them can hold the server up."""

from time import process_time
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.core.errors import AppError, ValidationError
from outrider.events.json_schemas import (
    MOST_BYTES,
    MOST_VIOLATIONS,
    CheckedSchema,
    FoundViolation,
    check_schema,
)
from outrider.events.schema_costs import LONGEST_CHAIN, MOST_PATTERNS

ORDER = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["order_id", "total"],
    "properties": {
        "order_id": {"type": "string", "pattern": "^order_[a-zA-Z0-9]+$"},
        "total": {"type": "number", "minimum": 0},
        "currency": {"type": "string", "enum": ["USD", "EUR", "GBP"], "default": "USD"},
        "lines": {"type": "array", "items": {"properties": {"unit price": {"type": "number"}}}},
    },
}


def checked(schema: CheckedSchema, payload: object) -> list[FoundViolation]:
    return schema.violations(payload, schema.steps_for(payload, orjson.dumps(payload)))


def broken(schema: dict[str, Any], payload: object) -> list[tuple[str, str]]:
    """Path and keyword of each violation."""
    found = checked(check_schema(schema), payload)
    return [(one.path, one.keyword) for one in found]


def refusal(schema: object) -> ValidationError:
    with pytest.raises(ValidationError) as refused:
        check_schema(schema)
    return refused.value


# --- payloads


def test_a_payload_that_fits_is_clean_and_gets_no_default_filled_in() -> None:
    payload: dict[str, Any] = {"order_id": "order_1", "total": 0}

    assert broken(ORDER, payload) == []
    assert payload == {"order_id": "order_1", "total": 0}


@pytest.mark.parametrize(
    ("payload", "violations"),
    [
        ([], [("payload", "type")]),
        (
            {},
            [("payload.order_id", "required"), ("payload.total", "required")],
        ),
        ({"order_id": "1", "total": 1}, [("payload.order_id", "pattern")]),
        ({"order_id": "order_1", "total": -0.01}, [("payload.total", "minimum")]),
        ({"order_id": "order_1", "total": "1"}, [("payload.total", "type")]),
        ({"order_id": "order_1", "total": 1, "currency": "CHF"}, [("payload.currency", "enum")]),
        (
            {"order_id": "order_1", "total": 1, "lines": [{}, {"unit price": "3"}]},
            [("payload.lines[1]['unit price']", "type")],
        ),
    ],
)
def test_a_violation_names_its_path_and_keyword(payload: object, violations: list[tuple[str, str]]) -> None:
    assert broken(ORDER, payload) == violations


def test_what_is_told_of_violations_is_bounded() -> None:
    found = checked(check_schema({"items": {"const": "x" * 5_000}}), ["y" * 5_000] * 100)

    # so large a payload is told its first violation only, a small one some of them
    assert len(found) == 1
    assert len(found[0].message) <= 300
    assert len(broken({"items": False}, list(range(100)))) == MOST_VIOLATIONS


def test_references_inside_the_document_are_followed() -> None:
    tree = {
        "$id": "https://example.com/tree.json",
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "properties": {
                    "left": {"$ref": "#/$defs/node"},
                    "right": {"$dynamicRef": "#node"},
                    "size": {"$ref": "#/a~1b%25/0"},
                },
            },
            "twin": {"$dynamicAnchor": "node", "$ref": "#/$defs/node"},
        },
        "a/b%": [{"type": "integer"}],
    }

    assert broken(tree, {"left": {"right": {"left": {"size": 1}}}}) == []
    assert broken(tree, {"left": {"right": {"left": {"size": "1"}}}}) == [
        ("payload.left.right.left.size", "type")
    ]


# --- schemas that are refused


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"properties": {"total": {"type": "nummer"}}}, "jsonSchema.properties.total.type"),
        ({"properties": {"total": {"minimum": "0"}}}, "jsonSchema.properties.total.minimum"),
        ({"properties": {"total": 3}}, "jsonSchema.properties.total"),
        ({"required": ["a", "a"]}, "jsonSchema.required"),
        ({"properties": {"a": {"pattern": "("}}}, "jsonSchema.properties.a.pattern"),
        ({"properties": {"a": {"pattern": "(?=a)b"}}}, "jsonSchema.properties.a.pattern"),
        ({"properties": {"a": {"pattern": r"(a)\1"}}}, "jsonSchema.properties.a.pattern"),
        ({"properties": {"a": {"pattern": "((a{100}){100}){100}"}}}, "jsonSchema.properties.a.pattern"),
        ({"patternProperties": {"(?<!a)b": {}}}, "jsonSchema.patternProperties['(?<!a)b']"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "jsonSchema.$schema"),
        ({"title": "\ud800"}, "jsonSchema.title"),
        ({"title": "\0"}, "jsonSchema.title"),
        ([], "jsonSchema"),
        (True, "jsonSchema"),
        ("{}", "jsonSchema"),
        (None, "jsonSchema"),
    ],
)
def test_what_is_no_schema_is_refused_with_the_path_of_the_flaw(schema: object, path: str) -> None:
    assert refusal(schema).details["path"] == path


@pytest.mark.parametrize(
    "reference",
    [
        "http://127.0.0.1:1/x.json",
        "https://json-schema.org/draft/2020-12/schema",
        "file:///etc/passwd",
        "other.json#/a",
        "//x",
        "#/nowhere",
        "#nowhere",
        "",
    ],
)
@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
def test_a_reference_out_of_the_document_is_refused(keyword: str, reference: str) -> None:
    refused = refusal({"properties": {"a": {keyword: reference}}})

    assert "refer" in refused.message
    assert refused.details["path"] == "jsonSchema"


def test_an_id_of_its_own_inside_is_refused_since_it_would_move_the_references() -> None:
    assert "$id" in refusal({"properties": {"a": {"$id": "https://x.test/", "$ref": "#/b"}}}).message


def test_the_words_of_references_may_name_members() -> None:
    assert (
        broken({"properties": {"$ref": {"type": "string"}, "$id": {"const": 1}}}, {"$ref": "x", "$id": 1})
        == []
    )


def test_a_schema_is_bounded_in_size_and_depth_and_patterns() -> None:
    deep: dict[str, Any] = {}
    for _ in range(70):
        deep = {"not": deep}

    assert str(MOST_BYTES) in refusal({"title": "x" * MOST_BYTES}).message
    assert "nested too deeply" in refusal(deep).message
    assert (
        "patterns"
        in refusal({"properties": {f"p{n}": {"pattern": "a"} for n in range(MOST_PATTERNS + 1)}}).message
    )


# --- what a schema may cost


def nested(levels: int, leaf: object = 0) -> object:
    for _ in range(levels):
        leaf = {"a": leaf}
    return leaf


def chain(length: int, keyword: str, times: int) -> dict[str, Any]:
    links = {f"d{n}": {keyword: [{"$ref": f"#/$defs/d{n + 1}"}] * times} for n in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": {**links, f"d{length}": {"minimum": 1}}}


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_a_schema_whose_check_doubles_with_each_link_is_refused(keyword: str) -> None:
    began = process_time()

    assert "too complex" in refusal(chain(40, keyword, 2)).message
    assert process_time() - began < 1


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"allOf": [{"$ref": "#"}]}, {"not": {"$ref": "#/not"}}])
def test_a_schema_that_goes_round_in_place_is_refused(schema: object) -> None:
    assert "itself" in refusal(schema).message


def test_a_long_chain_of_schemas_is_refused() -> None:
    assert "inside each other" in refusal(chain(LONGEST_CHAIN, "allOf", 1)).message
    assert broken(chain(LONGEST_CHAIN // 2 - 1, "allOf", 1), 0) == [("payload", "minimum")]


def test_a_schema_that_doubles_with_each_level_takes_flat_payloads_and_refuses_deep_ones() -> None:
    twice = {
        "properties": {"a": {"$ref": "#"}},
        "patternProperties": {"^a$": {"$ref": "#"}},
        "type": "object",
    }
    schema = check_schema(twice)

    assert checked(schema, nested(4))[0].path == "payload.a.a.a.a"
    began = process_time()
    with pytest.raises(ValidationError, match="too deep"):
        checked(schema, nested(60))
    assert process_time() - began < 1


def test_many_rules_for_many_values_are_refused_before_they_are_checked() -> None:
    schema = check_schema({"items": {"allOf": [{"minimum": n} for n in range(500)]}})
    payload = [3_000] * 100_000

    assert checked(schema, [3_000]) == []
    with pytest.raises(ValidationError, match="too large"):
        checked(schema, payload)


_LONG = [0.5] * 10
_SLOW: list[tuple[str, dict[str, Any], object]] = [
    ("objects", {"enum": [[*_LONG, number] for number in range(3)]}, [*_LONG, 2]),
    ("decimals", {"enum": [number + 0.5 for number in range(200)]}, 199.5),
    ("words and numbers", {"enum": ["x", *range(400)]}, 399),
    ("bounds", {"allOf": [{"minimum": number + 0.5} for number in range(100)]}, 1e300),
    ("multiples", {"multipleOf": 0.0001}, 1e300),
    ("patterns", {"allOf": [{"pattern": f"(a|b|ab)*c{number}"} for number in range(50)]}, "ab" * 30),
    ("nests of lists", {"uniqueItems": True, "items": {"uniqueItems": True}}, [1.5, [2.5]]),
]


@pytest.mark.parametrize(("rules", "value"), [case[1:] for case in _SLOW], ids=[case[0] for case in _SLOW])
def test_the_largest_payload_that_is_taken_is_checked_soon(rules: dict[str, Any], value: object) -> None:
    schema = check_schema({"items": rules})
    taken = 0
    for exponent in range(18):
        payload = [value] * 2**exponent
        began = process_time()
        try:
            checked(schema, payload)
        except ValidationError as refused:
            assert "too large" in refused.message  # noqa: PT017
            break
        taken = len(payload)
        assert process_time() - began < 2
    assert taken >= 8


def test_a_payload_that_is_wrong_everywhere_is_answered_soon() -> None:
    payload = ["x"] * 200_000
    schema = check_schema({"items": {"type": "integer"}})
    began = process_time()

    found = checked(schema, payload)

    assert [one.path for one in found] == ["payload[0]"]
    assert process_time() - began < 1


def test_a_pattern_runs_in_linear_time() -> None:
    payload = "a" * 500_000 + "!"
    schema = check_schema({"pattern": "^(a+)+$"})
    began = process_time()

    assert len(checked(schema, payload)) == 1
    assert process_time() - began < 1


# --- whatever comes

_KEYWORDS = [
    "$ref", "$dynamicRef", "$anchor", "$dynamicAnchor", "$id", "$schema", "$defs", "definitions", "allOf", "anyOf",
    "oneOf", "not", "if", "then", "else", "properties", "patternProperties", "additionalProperties", "propertyNames",
    "items", "prefixItems", "contains", "minContains", "unevaluatedItems", "unevaluatedProperties", "required",
    "dependentRequired", "dependentSchemas", "dependencies", "type", "enum", "const", "pattern", "format",
    "minimum", "multipleOf", "maxLength", "uniqueItems", "contentMediaType", "$vocabulary", "a", "",
]  # fmt: skip
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["#", "#/", "#/$defs/a", "#a", "object", "integer", "^a+$", "(", "a{9999999}", "\ud800"]
    )
)
_JUNK = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(_KEYWORDS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=25,
)


@settings(max_examples=400, deadline=2_000)
@given(st.dictionaries(st.sampled_from(_KEYWORDS), _JUNK, max_size=6), _JUNK)
def test_no_schema_and_no_payload_breaks_the_check(schema: dict[str, Any], payload: object) -> None:
    try:
        taken = check_schema(schema)
        # what reaches a check has passed the gate of what can be stored
        text = orjson.dumps(payload)
        found = checked(taken, orjson.loads(text))
    except AppError:
        return
    except TypeError:
        return  # orjson: this payload is no JSON
    for one in found:
        assert one.path.startswith("payload")
        assert one.message


_NAMES = st.sampled_from(["total", "order_id", "unit price", "ä", "0", "a.b", "$x"])


@settings(max_examples=200, deadline=2_000)
@given(st.lists(_NAMES | st.integers(0, 3), min_size=1, max_size=8))
def test_the_path_of_a_violation_leads_to_the_value_that_is_wrong(steps: list[str | int]) -> None:
    schema: dict[str, Any] = {"const": "right"}
    payload: object = "wrong"
    path = ""
    for step in reversed(steps):
        if isinstance(step, int):
            schema = {"prefixItems": [True] * step + [schema]}
            payload = [None] * step + [payload]
            path = f"[{step}]{path}"
        else:
            schema = {"properties": {step: schema}}
            payload = {step: payload}
            plain = step.isascii() and step.isidentifier()
            path = f".{step}{path}" if plain else f"[{step!a}]{path}"

    assert broken(schema, payload) == [("payload" + path, "const")]
