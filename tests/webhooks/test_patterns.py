import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from outrider.core.errors import ValidationError
from outrider.webhooks.patterns import candidate_patterns, validate_pattern

EVENT_TYPES = st.one_of(
    st.from_regex(r"[a-z0-9_.]{1,40}", fullmatch=True),
    st.sampled_from(["message", "user", "system", "link_code", "file", "custom", "order"]).flatmap(
        lambda head: st.from_regex(r"(\.[a-z]{1,8}){0,3}", fullmatch=True).map(lambda tail: head + tail)
    ),
)


@pytest.mark.parametrize(
    ("event_type", "patterns"),
    [
        ("message.inbound", {"message.inbound", "message.*", "*"}),
        ("message.delivered", {"message.delivered", "message.*", "message.status", "*"}),
        ("message.sent", {"message.sent", "message.*", "message.status", "*", "outkit:message.delivered"}),
        ("message.reaction", {"message.reaction", "message.*", "*"}),
        ("purchase", {"purchase", "custom.*", "*"}),
        ("order.line.added", {"order.line.added", "order.line.*", "order.*", "custom.*", "*"}),
        ("custom.thing", {"custom.thing", "custom.*", "*"}),
        ("file.inbound", {"file.inbound", "file.*", "*"}),
        ("file.scanned", {"file.scanned", "file.*", "custom.*", "*"}),
        ("user.merged", {"user.merged", "user.*", "*"}),
        ("users.merged", {"users.merged", "users.*", "custom.*", "*"}),
        (
            "system.subscription.disabled",
            {"system.subscription.disabled", "system.subscription.*", "system.*", "*"},
        ),
    ],
)
def test_a_type_is_wanted_by(event_type: str, patterns: set[str]) -> None:
    assert set(candidate_patterns(event_type)) == patterns


@given(EVENT_TYPES)
def test_every_candidate_is_a_valid_pattern_that_stands_once(event_type: str) -> None:
    candidates = candidate_patterns(event_type)

    assert len(set(candidates)) == len(candidates)
    # a type may begin with a dot, but a prefix must be something
    for pattern in set(candidates) - {".*"}:
        assert validate_pattern(pattern) == pattern


@given(EVENT_TYPES, st.from_regex(r"[a-z0-9_.]{1,20}", fullmatch=True))
def test_a_prefix_wants_exactly_what_starts_with_it(event_type: str, prefix: str) -> None:
    assume(prefix != "custom")

    is_wanted = f"{prefix}.*" in candidate_patterns(event_type)

    assert is_wanted == event_type.startswith(f"{prefix}.")


@given(EVENT_TYPES, EVENT_TYPES)
def test_an_exact_pattern_wants_only_itself(event_type: str, pattern: str) -> None:
    assume(pattern != "message.status")

    assert (pattern in candidate_patterns(event_type)) == (pattern == event_type)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".*",
        "**",
        "*.inbound",
        "message*",
        "mes*.x",
        "message.*.x",
        "Message.*",
        "a b",
        "a\n",
        "a" * 256,
        "ä.*",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="is not an event pattern"):
        validate_pattern(text)
