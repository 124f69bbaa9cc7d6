import base64
import dataclasses
import ipaddress
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.core.config import ConfigError, Settings, describe, load

HOME = {"HOME": "/home/somebody"}
KEY = base64.b64encode(bytes(range(32))).decode()


def problems_of(**variables: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(HOME | variables, is_root=False)
    return refused.value.problems


def test_nothing_set_gives_a_working_server_for_this_machine() -> None:
    settings = load(HOME, is_root=False)

    assert settings.data_dir == Path("/home/somebody/.local/share/outrider")
    assert (settings.host, settings.port, settings.public_url) == ("127.0.0.1", 8080, "http://127.0.0.1:8080")
    assert (settings.database_url, settings.master_key, settings.old_master_keys) == (None, None, ())
    assert settings.allow_private_targets is False
    assert settings.trusted_proxies == (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))
    assert (settings.append_batch, settings.append_batch_bytes) == (500, 4_000_000)
    assert (settings.default_tier, settings.raw_retention_days, settings.shutdown_seconds) == (
        "unlimited",
        30,
        20,
    )


def test_the_data_folder_depends_on_who_runs_it() -> None:
    assert load({}, is_root=True).data_dir == Path("/var/lib/outrider")
    assert load(HOME | {"XDG_DATA_HOME": "/data"}, is_root=False).data_dir == Path("/data/outrider")
    assert load(HOME | {"XDG_DATA_HOME": "relative"}, is_root=False).data_dir.is_relative_to("/home/somebody")
    assert load(HOME | {"OUTRIDER_DATA_DIR": "/srv/o"}, is_root=True).data_dir == Path("/srv/o")


def test_without_a_home_the_data_folder_must_be_named() -> None:
    with pytest.raises(ConfigError, match="OUTRIDER_DATA_DIR is not set and there is no HOME"):
        load({}, is_root=False)


def test_every_problem_is_listed_at_once() -> None:
    problems = problems_of(
        OUTRIDER_PORT="eighty",
        OUTRIDER_DEFAULT_TIER="golden",
        OUTRIDER_MASTER_KEY="AAAA",
        OUTRIDER_TRUSTED_PROXIES="10.0.0.1/8",
        OUTRIDER_PROT="1",
    )

    assert [line.split(" ")[0] for line in problems] == [
        "OUTRIDER_PROT",
        "OUTRIDER_PORT",
        "OUTRIDER_MASTER_KEY",
        "OUTRIDER_TRUSTED_PROXIES",
        "OUTRIDER_DEFAULT_TIER",
    ]
    assert "did you mean OUTRIDER_PORT?" in problems[0]
    assert all("allowed is" in line for line in problems[1:])


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("OUTRIDER_PORT", "65536"),
        ("OUTRIDER_PORT", "-1"),
        ("OUTRIDER_PORT", "8_080"),
        ("OUTRIDER_PORT", "٨٠"),
        ("OUTRIDER_HOST", "http://localhost"),
        ("OUTRIDER_HOST", "localhost:80"),
        ("OUTRIDER_PUBLIC_URL", "messages.example.com"),
        ("OUTRIDER_PUBLIC_URL", "https://user:pw@example.com"),
        ("OUTRIDER_PUBLIC_URL", "https://example.com/?a=1"),
        ("OUTRIDER_PUBLIC_URL", "https://example.com:port"),
        ("OUTRIDER_DATABASE_URL", "mysql://localhost/x"),
        ("OUTRIDER_DATABASE_URL", "host=localhost"),
        ("OUTRIDER_DATA_DIR", "relative/folder"),
        ("OUTRIDER_DATA_DIR", "/dev/null"),
        ("OUTRIDER_MASTER_KEY", "not base64!"),
        ("OUTRIDER_MASTER_KEY", base64.b64encode(b"short").decode()),
        ("OUTRIDER_ALLOW_PRIVATE_TARGETS", "maybe"),
        ("OUTRIDER_RAW_RETENTION_DAYS", "0"),
        ("OUTRIDER_SHUTDOWN_SECONDS", "nan"),
        ("OUTRIDER_SHUTDOWN_SECONDS", "inf"),
        ("OUTRIDER_APPEND_BATCH_BYTES", "4 parsecs"),
        ("OUTRIDER_APPEND_BATCH_BYTES", "1GB"),
        ("OUTRIDER_LOG_SAMPLE_SUCCESSES", "1.5"),
        ("OUTRIDER_LOG_LEVEL", "chatty"),
    ],
)
def test_a_bad_value_is_one_problem_that_names_its_variable(variable: str, text: str) -> None:
    (problem,) = problems_of(**{variable: text})

    assert problem.startswith(f"{variable} ")
    assert "allowed is" in problem


def test_a_folder_that_cannot_be_looked_at_is_left_to_what_uses_it() -> None:
    unreachable = f"/{'x' * 300}/outrider"

    settings = load(HOME | {"OUTRIDER_DATA_DIR": unreachable}, is_root=False)

    assert str(settings.data_dir) == unreachable


def test_values_are_read_the_way_people_write_them() -> None:
    settings = load(
        HOME
        | {
            "OUTRIDER_HOST": "::",
            "OUTRIDER_PORT": " 9000 ",
            "OUTRIDER_ALLOW_PRIVATE_TARGETS": "Yes",
            "OUTRIDER_TRUSTED_PROXIES": "10.0.0.0/8, 192.168.1.7,",
            "OUTRIDER_APPEND_BATCH_BYTES": "2MiB",
            "OUTRIDER_MASTER_KEY": KEY.rstrip("="),
            "OUTRIDER_OLD_MASTER_KEYS": f"{base64.urlsafe_b64encode(b'~' * 32).decode()},{KEY}",
            "OUTRIDER_LOG_LEVEL": "",
        },
        is_root=False,
    )

    assert (settings.host, settings.port, settings.public_url) == ("::", 9000, "http://127.0.0.1:9000")
    assert settings.allow_private_targets is True
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "192.168.1.7/32"]
    assert settings.append_batch_bytes == 2 * 1024 * 1024
    assert settings.master_key == bytes(range(32))
    assert settings.old_master_keys == (b"~" * 32, bytes(range(32)))
    assert settings.log_level == "info"


def test_the_public_url_follows_host_and_port_unless_it_is_set() -> None:
    def url_of(**variables: str) -> str:
        return load(HOME | variables, is_root=False).public_url

    assert url_of(OUTRIDER_HOST="::1") == "http://[::1]:8080"
    assert url_of(OUTRIDER_HOST="app.internal", OUTRIDER_PORT="1") == "http://app.internal:1"
    assert url_of(OUTRIDER_PUBLIC_URL="https://m.example.com/base/") == "https://m.example.com/base"


def test_limits_that_contradict_each_other_are_refused() -> None:
    assert len(problems_of(OUTRIDER_APPEND_BATCH="5000", OUTRIDER_APPEND_QUEUE_ITEMS="1000")) == 1
    assert len(problems_of(OUTRIDER_OLD_MASTER_KEYS=KEY)) == 1


def test_variables_of_tests_and_other_programs_are_left_alone() -> None:
    load(HOME | {"OUTRIDER_SHARED": "x", "OUTRIDER_TEST_POSTGRES": "y", "PATH": "z"}, is_root=False)


def test_secrets_show_neither_in_problems_nor_in_the_repr() -> None:
    url = "postgresql://outrider:hunter2@db/outrider"
    settings = load(HOME | {"OUTRIDER_DATABASE_URL": url, "OUTRIDER_MASTER_KEY": KEY}, is_root=False)

    assert settings.database_url == url
    assert "hunter2" not in repr(settings)
    assert repr(settings.master_key) not in repr(settings)
    assert "hunter2" not in str(problems_of(OUTRIDER_DATABASE_URL="mysql://u:hunter2@db/x"))
    assert "hunter2" not in str(problems_of(OUTRIDER_DATABASE_URL="postgresql://u:hunter2@db:port/x"))
    assert "aHVudGVyMg" not in str(problems_of(OUTRIDER_MASTER_KEY="aHVudGVyMg=="))


def test_the_description_covers_every_setting() -> None:
    table = describe()

    assert [row.field for row in table] == [field.name for field in dataclasses.fields(Settings)]
    assert all(row.variable.startswith("OUTRIDER_") and row.allowed and row.meaning for row in table)
    assert all(row.default for row in table)


def test_every_setting_has_the_type_of_its_field() -> None:
    everything = {
        "OUTRIDER_DATABASE_URL": "postgresql://localhost/x",
        "OUTRIDER_POSTGRES_BINARIES": "/usr/lib/postgresql",
        "OUTRIDER_MASTER_KEY": KEY,
        "OUTRIDER_OLD_MASTER_KEYS": KEY,
    }
    settings = load(HOME | everything, is_root=False)

    for name, declared in typing.get_type_hints(Settings).items():
        alternatives = typing.get_args(declared) if typing.get_origin(declared) is not tuple else ()
        allowed = alternatives or (typing.get_origin(declared) or declared,)
        assert isinstance(getattr(settings, name), allowed), name


@given(
    st.dictionaries(st.sampled_from([row.variable for row in describe()]), st.text(max_size=60), max_size=6)
)
def test_no_text_breaks_loading_in_another_way(variables: dict[str, str]) -> None:
    problems: list[str] = []
    try:
        load(HOME | variables, is_root=False)
    except ConfigError as refused:
        problems = refused.problems

    assert all(any(name in line for name in variables) for line in problems)
