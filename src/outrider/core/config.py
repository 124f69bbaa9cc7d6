"""All settings of the server: one frozen value, read from `OUTRIDER_*` once and checked whole.

Every problem is reported at once, with the variable, what is wrong and what is allowed. A variable that is
set to nothing counts as not set. `describe()` gives the same table to the documentation.
"""

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Any

from outrider.core import setting_values as values
from outrider.core.setting_values import BadValue

_OTHER_TOOLS = ("OUTRIDER_SHARED",)
_TEST_PREFIX = "OUTRIDER_TEST_"


class ConfigError(Exception):
    """The settings cannot be used; `problems` lists everything that is wrong with them."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the operator chose. Secrets do not appear in its repr."""

    data_dir: Path
    database_url: str | None = field(repr=False)
    postgres_binaries: Path | None
    files_dir: Path
    files_shared: bool
    host: str
    port: int
    public_url: str
    errors_url: str
    tls_cert: Path | None
    tls_key: Path | None
    master_key: bytes | None = field(repr=False)
    old_master_keys: tuple[bytes, ...] = field(repr=False)
    allow_private_targets: bool
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    default_tier: str
    raw_retention_days: int
    shutdown_seconds: float
    append_batch: int
    append_batch_bytes: int
    append_queue_items: int
    append_queue_bytes: int
    dispatch_concurrency: int
    log_level: str
    log_sample_successes: float


@dataclass(frozen=True)
class SettingDescription:
    """One row of the table of settings."""

    field: str
    variable: str
    default: str
    allowed: str
    meaning: str


@dataclass(frozen=True)
class _Setting:
    field: str
    default: str
    parse: Callable[[str], object]
    meaning: str
    shown_default: str = ""

    @property
    def variable(self) -> str:
        return f"OUTRIDER_{self.field.upper()}"


# A default that depends on the machine or on another setting is empty here and filled in by `load`.
_SETTINGS = (
    _Setting(
        "data_dir",
        "",
        values.folder,
        "where the bundled database, the master key and the reserve file live",
        "/var/lib/outrider for root, else $XDG_DATA_HOME/outrider or ~/.local/share/outrider",
    ),
    _Setting(
        "database_url",
        "",
        values.postgres_url,
        "an external PostgreSQL 18 or newer, connected to directly; without it a bundled one is started",
    ),
    _Setting(
        "postgres_binaries", "", values.folder, "a folder with PostgreSQL's programs for the bundled server"
    ),
    _Setting(
        "files_dir",
        "",
        values.folder,
        "where the content of files lies",
        "<data_dir>/files",
    ),
    _Setting(
        "files_shared",
        "false",
        values.switch,
        "say that every process reaches the same files_dir: needed by serve --role api and --role worker",
    ),
    _Setting("host", "127.0.0.1", values.host, "the address to listen on"),
    _Setting("port", "8080", values.whole(0, 65_535), "the port to listen on; 0 takes any free one"),
    _Setting(
        "public_url",
        "",
        values.web_url,
        "how platforms and browsers reach this server from outside",
        "http://<host>:<port>, with tls_cert https",
    ),
    _Setting(
        "errors_url",
        "",
        values.web_url,
        "what the type of a problem of the read API begins with",
        "<public_url>/errors",
    ),
    _Setting(
        "tls_cert",
        "",
        values.file,
        "a certificate with its chain, in PEM: with it and tls_key the server answers by https, and by http no more",
    ),
    _Setting("tls_key", "", values.file, "the key of tls_cert, in PEM"),
    _Setting(
        "master_key",
        "",
        values.key,
        "the key under which secrets are sealed; without it one is kept in <data_dir>/master.key",
    ),
    _Setting(
        "old_master_keys",
        "",
        values.several(values.key),
        "earlier master keys that still open what was sealed with them, the oldest last",
    ),
    _Setting(
        "allow_private_targets",
        "false",
        values.switch,
        "let outgoing requests reach http:// and private addresses; for development",
    ),
    _Setting(
        "trusted_proxies",
        "127.0.0.0/8,::1",
        values.several(values.network),
        "proxies whose X-Forwarded-* headers are believed",
    ),
    _Setting(
        "default_tier",
        "unlimited",
        values.one_of("free", "pro", "business", "enterprise", "unlimited"),
        "the rate-limit tier of a new organisation",
    ),
    _Setting(
        "raw_retention_days",
        "30",
        values.whole(1, 3_650),
        "how many days raw webhook bodies, delivery attempts and log entries are kept",
    ),
    _Setting(
        "shutdown_seconds",
        "20",
        values.number(0, 600),
        "how many seconds attempts in flight get to finish when the server stops",
    ),
    _Setting("append_batch", "500", values.whole(1, 10_000), "the most facts that one commit writes"),
    _Setting(
        "append_batch_bytes", "4MB", values.size(64_000, 256_000_000), "the most bytes that one commit writes"
    ),
    _Setting(
        "append_queue_items",
        "20000",
        values.whole(100, 1_000_000),
        "how many facts may wait for a commit before new ones are refused with 503",
    ),
    _Setting(
        "append_queue_bytes",
        "64MB",
        values.size(1_000_000, 4_000_000_000),
        "how many bytes of facts may wait for a commit before new ones are refused with 503",
    ),
    _Setting(
        "dispatch_concurrency",
        "1024",
        values.whole(1, 10_000),
        "how many deliveries one process attempts at the same time",
    ),
    _Setting(
        "log_level", "info", values.one_of("info", "warning", "error"), "the least level that is logged"
    ),
    _Setting(
        "log_sample_successes",
        "1.0",
        values.number(0, 1),
        "the share of successful units of work that are logged; failures always are",
    ),
)


def describe() -> list[SettingDescription]:
    """List every setting with its variable, default, allowed values and meaning."""
    return [
        SettingDescription(
            entry.field,
            entry.variable,
            entry.shown_default or entry.default or "not set",
            values.allowed(entry.parse),
            entry.meaning,
        )
        for entry in _SETTINGS
    ]


def load(environ: Mapping[str, str], *, is_root: bool | None = None) -> Settings:
    """Read the settings from an environment, or raise `ConfigError` with everything that is wrong."""
    problems = _unknown_variables(environ)
    # Any: each value has the type of its field because each parser does; a test compares the two.
    found: dict[str, Any] = {}
    for entry in _SETTINGS:
        text = environ.get(entry.variable, "").strip() or entry.default
        try:
            found[entry.field] = entry.parse(text) if text else None
        except BadValue as problem:
            problems.append(f"{entry.variable} {problem}; allowed is {values.allowed(entry.parse)}")
    if "data_dir" in found and found["data_dir"] is None:
        found["data_dir"] = _default_data_dir(
            environ, os.geteuid() == 0 if is_root is None else is_root, problems
        )
    problems += _contradictions(found)
    if problems:
        raise ConfigError(problems)
    found["files_dir"] = found["files_dir"] or found["data_dir"] / "files"
    found["old_master_keys"] = found["old_master_keys"] or ()
    found["public_url"] = found["public_url"] or _default_public_url(
        found["host"], found["port"], is_secure=found["tls_cert"] is not None
    )
    found["errors_url"] = found["errors_url"] or f"{found['public_url']}/errors"
    return Settings(**found)


def _unknown_variables(environ: Mapping[str, str]) -> list[str]:
    known = [entry.variable for entry in _SETTINGS]
    problems: list[str] = []
    for name in sorted(environ):
        if (
            not name.startswith("OUTRIDER_")
            or name.startswith(_TEST_PREFIX)
            or name in (*known, *_OTHER_TOOLS)
        ):
            continue
        close = difflib.get_close_matches(name, known, n=1)
        problems.append(f"{name} is not a setting" + (f"; did you mean {close[0]}?" if close else ""))
    return problems


def _default_data_dir(environ: Mapping[str, str], is_root: bool, problems: list[str]) -> Path:
    if is_root:
        return Path("/var/lib/outrider")
    data_home = environ.get("XDG_DATA_HOME", "")
    if data_home.startswith("/"):
        return Path(data_home) / "outrider"
    home = environ.get("HOME", "")
    if not home.startswith("/"):
        problems.append(
            "OUTRIDER_DATA_DIR is not set and there is no HOME to put data into; allowed is a folder"
        )
    return Path(home) / ".local/share/outrider"


def _default_public_url(host: str, port: int, *, is_secure: bool) -> str:
    """Name the loopback where the server listens on every address: nobody can call 0.0.0.0 from outside."""
    scheme = "https" if is_secure else "http"
    try:
        address = ip_address(host)
    except ValueError:
        return f"{scheme}://{host}:{port}"
    shown = ip_address("127.0.0.1") if address.is_unspecified else address
    return f"{scheme}://[{shown}]:{port}" if isinstance(shown, IPv6Address) else f"{scheme}://{shown}:{port}"


def _contradictions(found: Mapping[str, Any]) -> list[str]:
    problems: list[str] = []
    for batch, queue in (
        ("append_batch", "append_queue_items"),
        ("append_batch_bytes", "append_queue_bytes"),
    ):
        if batch in found and queue in found and found[batch] > found[queue]:
            problems.append(
                f"OUTRIDER_{batch.upper()} is larger than OUTRIDER_{queue.upper()}; allowed is at most that"
            )
    if (
        "tls_cert" in found
        and "tls_key" in found
        and (found["tls_cert"] is None) != (found["tls_key"] is None)
    ):
        problems.append("OUTRIDER_TLS_CERT and OUTRIDER_TLS_KEY go together; allowed is both or neither")
    if found.get("old_master_keys") and "master_key" in found and found["master_key"] is None:
        problems.append(
            "OUTRIDER_OLD_MASTER_KEYS is set without OUTRIDER_MASTER_KEY; allowed is both or neither"
        )
    return problems
