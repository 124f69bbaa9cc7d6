"""Tables in the documents say what the code says."""

import importlib
import pkgutil
import re
from collections.abc import Iterator

import outrider
from outrider.core.errors import AppError
from outrider.events.values import MessageState
from outrider.messaging import recording
from outrider.platforms.base import Adapter, FailureCode
from outrider.platforms.sandbox.manifest import DOCUMENTATION, MANIFEST
from outrider.runtime.parts import Runtime
from outrider.surfaces import graphql_limits as limits
from outrider.surfaces.developer_errors import ENTRIES, STATUS
from outrider.surfaces.outbound_rest.problems import PROBLEMS
from outrider.surfaces.outbound_rest.routes import ROUTES
from outrider.tenancy.members.roles import PERMISSIONS, Permission, Role
from outrider.webhooks.delivering import RETRY_SECONDS
from tests.docs.pages import ROOT, code_blocks, rows_under, text_of, words_in_ticks

MIGRATIONS = "\n".join(
    file.read_text() for file in sorted((ROOT / "src/outrider/core/database/migrations").glob("*.sql"))
)


def test_the_table_of_errors_has_every_code_with_its_status() -> None:
    for module in pkgutil.walk_packages(outrider.__path__, "outrider."):
        if not module.name.endswith(("__main__", "conformance", "conformance_bodies")):
            importlib.import_module(module.name)

    # what is only ever told at /v1/messages, in the few words of its own contract
    elsewhere = {"CONFIG_ISSUE", "HTTPS_REQUIRED"}
    assert {entry.code: entry.status for entry in ENTRIES} == {
        error.code: STATUS[error.kind] for error in _below(AppError) if error.code not in elsewhere
    }
    assert len({entry.code for entry in ENTRIES}) == len(ENTRIES)


def test_the_page_of_errors_has_the_table() -> None:
    written = rows_under(text_of("docs/errors.md"), "## Codes")

    assert [row[:2] for row in written[1:]] == [[f"`{entry.code}`", str(entry.status)] for entry in ENTRIES]


def test_the_guide_of_the_read_api_has_every_problem_and_endpoint() -> None:
    page = text_of("docs/guides/read-api.md")
    problems, endpoints = (rows_under(page, f"## {heading}")[1:] for heading in ("Problems", "Endpoints"))

    assert problems == [[f"`{one.slug}`", str(one.status), one.means] for one in PROBLEMS]
    assert [row[0] for row in endpoints] == [f"`{route.path}`" for route in ROUTES]
    assert [row[1].strip("`") for row in endpoints] == [route.scope or "any key" for route in ROUTES]


def _below(kind: type[AppError]) -> Iterator[type[AppError]]:
    for one in kind.__subclasses__():
        # other tests may have made some of their own
        if one.__module__.startswith("outrider."):
            yield one
        yield from _below(one)


def test_the_page_of_errors_has_the_limits_of_a_document() -> None:
    page = text_of("docs/errors.md")

    assert (
        f"A document may have {limits.MOST_BYTES // 1024} KB, {limits.MOST_TOKENS:,} tokens, {limits.DEEPEST} levels "
        f"and {limits.MOST_FIELDS} fields"
    ) in " ".join(page.split())


def test_the_page_of_administering_has_every_permission_of_every_role() -> None:
    head, *rows = rows_under(text_of("docs/guides/administering.md"), "## Members and roles")
    roles = [Role(name) for name in head[2:]]
    written = {
        role: {row[0].strip("`") for row in rows if row[at] == "yes"} for at, role in enumerate(roles, 2)
    }

    assert [row[0].strip("`") for row in rows] == [permission.value for permission in Permission]
    assert written == {role: set(allowed) for role, allowed in PERMISSIONS.items()}


def test_the_page_of_states_has_every_failure_code() -> None:
    rows = rows_under(text_of("docs/states.md"), "### Failure codes")

    assert [row[0].strip("`") for row in rows[1:]] == [code.value for code in FailureCode]


def test_the_page_of_states_has_every_state_of_a_message_in_order() -> None:
    page = " ".join(text_of("docs/states.md").split())

    assert " < ".join(f"`{state.word}`" for state in MessageState) in page


def test_the_page_of_states_has_the_states_that_the_tables_allow() -> None:
    page = text_of("docs/states.md")
    states = {row[0].strip("`") for row in rows_under(page, "## Delivery")}
    tables = (("subscriptions", "## Subscription"), ("connections", "## Connection"), ("drafts", "## Draft"))
    for table, heading in tables:
        shown = {word for row in rows_under(page, heading) for word in words_in_ticks(row[0])}
        assert shown == _allowed(table, "status"), table

    assert states - {"In the queue", "At its end"} == _allowed("delivery_queue", "state") | _allowed(
        "deliveries", "state"
    )


def _allowed(table: str, column: str) -> set[str]:
    (definition,) = re.findall(rf"create table {table} \((.*?)\n\)", MIGRATIONS, re.DOTALL)
    (values,) = re.findall(rf"{column} in \(([^)]*)\)", definition)
    return set(re.findall(r"'(\w+)'", values))


def test_the_sandbox_page_is_the_manifests() -> None:
    page = text_of("docs/guides/sandbox.md")
    table = [line for line in DOCUMENTATION.splitlines() if line.startswith("|")]

    assert len(table) > 10
    assert "\n".join(table) in page
    assert {row[0].strip("`") for row in rows_under(page, "## Config")[1:]} == {
        field.name for field in MANIFEST.config_fields
    }


def test_the_schedules_are_those_of_the_code() -> None:
    webhooks = " ".join(text_of("docs/guides/receiving-webhooks.md").split())
    messages = " ".join(text_of("docs/guides/sending.md").split())
    *first, last = map(_shown, RETRY_SECONDS)

    assert f"It tries again after {', '.join(first)} and {last}" in webhooks
    assert len(RETRY_SECONDS) + 1 == 10, "the page says: after the tenth attempt"
    listed = ", ".join(_shown(recording.retry_seconds(number)) for number in range(1, 6))
    assert f"after {listed}, then every hour" in messages
    assert recording.retry_seconds(6) == 3_600


def _shown(seconds: int) -> str:
    for size, unit in ((3_600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def test_every_table_of_the_database_has_its_row() -> None:
    tables = set(
        re.findall(r"^create (?:unlogged )?table (?:if not exists )?(\w+) ", MIGRATIONS, re.MULTILINE)
    )
    rows = rows_under(text_of("docs/architecture.md"), "## Tables")

    assert {word for row in rows for word in words_in_ticks(row[0])} == tables | {"schema_migrations"}


def test_every_long_running_task_has_its_row() -> None:
    source = "\n".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
    tasks = set(re.findall(r'create_task\([^\n]*name="([a-z-]+)"\)', source))
    rows = rows_under(text_of("docs/architecture.md"), "## What runs in a process")

    assert tasks == {row[0].strip("`") for row in rows} - {"Task", "one for each attempt"}


def test_every_provider_has_a_page_with_its_config(runtime: Runtime) -> None:
    known = {"mailgun", "sandbox", "ses", "smtp", "telegram", "twilio"}
    assert set(runtime.registry.names()) == known, "add the new provider's page"
    for adapter in runtime.registry.adapters.values():
        _check_config_page(adapter)


def _check_config_page(adapter: Adapter) -> None:
    name = adapter.manifest.name
    rows = [
        word
        for line in text_of(f"docs/guides/{name}.md").splitlines()
        if line.startswith("| `")
        for word in words_in_ticks(line.split("|")[1])
    ]
    assert {field.name for field in adapter.manifest.config_fields} <= set(rows), name
    assert f"docs/guides/{name}.md" in text_of("README.md")


def test_the_layers_are_those_of_the_import_rules() -> None:
    (layers,) = re.findall(r"^layers = \[(.*?)\]", text_of("pyproject.toml"), re.MULTILINE | re.DOTALL)
    order = ", ".join(re.findall(r'"(\w+)"', layers))

    for page in ("README.md", "AGENTS.md"):
        assert order in " ".join(text_of(page).split()), page
    assert len(code_blocks(text_of("docs/architecture.md"), "text")) == 2
