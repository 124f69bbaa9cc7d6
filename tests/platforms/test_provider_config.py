"""A connection's config is checked whole, split for sealing and masked for reading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.platforms.base import Channel, ConfigField, FieldKind, Manifest
from outrider.platforms.config import (
    MASK,
    CheckedConfig,
    ConfigProblem,
    check_config,
    masked_config,
    opened_config,
)

MANIFEST = Manifest(
    name="example",
    label="Example",
    channels=frozenset({Channel.SMS}),
    config_fields=(
        ConfigField(name="api_key", label="Key", is_secret=True, is_required=True),
        ConfigField(name="sender", label="Sender", is_required=True),
        ConfigField(name="base_url", label="URL", kind=FieldKind.URL, default="https://api.example"),
        ConfigField(name="port", label="Port", kind=FieldKind.INTEGER, default=25, minimum=1, maximum=99),
        ConfigField(name="is_loud", label="Loud", kind=FieldKind.BOOLEAN, default=False),
        ConfigField(name="mode", label="Mode", choices=("fast", "slow")),
        ConfigField(name="second_key", label="Second key", is_secret=True),
    ),
    capabilities=frozenset(),
    ordered_channels=frozenset(),
    text_limit=None,
)
GOOD = {"api_key": "k-1", "sender": "+12025550177"}


def test_a_valid_config_is_split_for_sealing() -> None:
    checked = check_config(MANIFEST, {**GOOD, "port": 7, "second_key": None})

    assert checked == CheckedConfig(public={"sender": "+12025550177", "port": 7}, secrets={"api_key": "k-1"})


def test_every_problem_is_told_at_once() -> None:
    given_config = {
        "api_key": 5,
        "port": 100,
        "is_loud": "yes",
        "mode": "medium",
        "base_url": "ftp://x",
        "colour": 1,
    }

    assert check_config(MANIFEST, given_config) == (
        ConfigProblem(
            "config.colour",
            "is not a setting of example; "
            "its settings are: api_key, base_url, is_loud, mode, port, second_key, sender",
        ),
        ConfigProblem("config.api_key", "must be a string"),
        ConfigProblem("config.sender", "is required"),
        ConfigProblem("config.base_url", "must be an http or https URL"),
        ConfigProblem("config.port", "must lie between 1 and 99"),
        ConfigProblem("config.is_loud", "must be true or false"),
        ConfigProblem("config.mode", "must be one of: fast, slow"),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sender", ""),
        ("sender", "  "),
        ("sender", "two\r\nlines"),
        ("sender", "NUL\x00"),
        ("sender", "half \ud800"),
        ("sender", "x" * 8193),
        ("sender", ["a"]),
        ("port", True),
        ("port", 7.0),
        ("port", "7"),
        ("is_loud", 1),
        ("api_key", MASK),
        ("base_url", "https://"),
        ("base_url", "https://x:99999"),
        ("base_url", "https://user:pass@x"),
        ("base_url", "https://x/?a=1"),
        ("base_url", "https://x y"),
        ("base_url", "//x"),
        ("base_url", "https://[::1"),
        ("mode", 3),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: object) -> None:
    checked = check_config(MANIFEST, {**GOOD, name: value})

    assert isinstance(checked, tuple)
    assert [problem.path for problem in checked] == [f"config.{name}"]


@pytest.mark.parametrize("config", [None, [], "text", 5])
def test_what_is_no_object_is_no_config(config: object) -> None:
    assert check_config(MANIFEST, config) == (ConfigProblem("config", "must be an object"),)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8081", "https://api.example/v2/", "https://[2001:db8::1]:8443"]
)
def test_urls_that_are_fine(url: str) -> None:
    assert isinstance(check_config(MANIFEST, {**GOOD, "base_url": url}), CheckedConfig)


def test_defaults_stand_under_what_is_stored() -> None:
    opened = opened_config(MANIFEST, {"sender": "a", "port": 7}, {"api_key": "k-1"})

    assert opened == {
        "base_url": "https://api.example",
        "port": 7,
        "is_loud": False,
        "sender": "a",
        "api_key": "k-1",
    }


def test_secrets_read_as_a_mask_and_only_where_they_are_set() -> None:
    shown = masked_config(CheckedConfig({"sender": "a"}, {"api_key": "secret"}))

    assert shown["api_key"] == MASK
    assert "second_key" not in shown


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None, exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from([field.name for field in MANIFEST.config_fields]) | st.text(), _JSON))
def test_no_config_raises_and_no_problem_repeats_a_value(config: dict[str, object]) -> None:
    checked = check_config(MANIFEST, config)

    if isinstance(checked, CheckedConfig):
        assert not checked.public.keys() & {"api_key", "second_key"}
    else:
        assert {problem.path.split(".")[0] for problem in checked} == {"config"}


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=5).filter(str.strip))
def test_a_problem_never_tells_the_secret(secret: str) -> None:
    def told_of(secret: str) -> str:
        problems = check_config(
            MANIFEST, {"api_key": secret + "\n", "port": secret, "mode": secret, "base_url": secret}
        )
        assert isinstance(problems, tuple)
        return " ".join(problem.message for problem in problems)

    # words of the messages themselves may be drawn, too
    assert secret not in told_of(secret) or secret in told_of("\x01")
