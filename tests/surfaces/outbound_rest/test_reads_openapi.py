"""The OpenAPI document: it holds what the contract publishes of it, and what it says is what is served."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from outrider.surfaces.outbound_rest.openapi import document
from outrider.surfaces.outbound_rest.routes import ROUTES
from tests.peers import PeerMissing, openapi_clients
from tests.surfaces.outbound_rest.shelf import Reads, fill

PUBLISHED = {
    "Problem": "type title status detail instance",
    "Contact": "id organizationId name email company qualificationStatus fitScore urgencyScore list createdAt "
    "updatedAt",
    "ContactList": "id organizationId name sourceType description connectionPoint goal userId archivedAt createdAt "
    "updatedAt",
}
NULLABLE = {
    "Problem": "",
    "Contact": "company fitScore urgencyScore list",
    "ContactList": "description connectionPoint goal archivedAt",
}
CONFIG = """
headers = {{ Authorization = "Bearer {key}" }}
continue-on-failure = true
[generation]
allow-x00 = false
max-examples = {examples}
with-security-parameters = false
[checks]
enabled = true
[checks.positive_data_acceptance]
# what no schema can tell: which cursors there are, and that ids of another organisation are as good as missing
expected-statuses = ["2xx", "400", "404"]
"""


def _schemas() -> dict[str, Any]:
    found: dict[str, Any] = document("https://messages.example")["components"]["schemas"]
    return found


def test_the_head_is_that_of_the_contract() -> None:
    described = document("https://messages.example")

    assert list(described)[:5] == ["openapi", "info", "servers", "security", "components"]
    assert described["openapi"] == "3.1.0"
    assert (described["info"]["title"], described["info"]["version"]) == ("Outbound Public API", "1.0.0")
    assert described["servers"] == [{"url": "https://messages.example/api/v1"}]
    assert described["security"] == [{"ApiKeyAuth": []}]
    assert described["components"]["securitySchemes"] == {
        "ApiKeyAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "obk_live_<32hex>"}
    }


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_schemas_have_the_published_properties(name: str) -> None:
    schema = _schemas()[name]
    null = [key for key, one in schema["properties"].items() if "null" in one["type"]]

    assert list(schema["properties"]) == PUBLISHED[name].split()
    assert null == NULLABLE[name].split()
    assert schema.get("required", []) == (["type", "title", "status", "detail"] if name == "Problem" else [])
    assert "additionalProperties" not in schema


def test_a_draft_begins_as_the_published_one() -> None:
    properties = list(_schemas()["Draft"]["properties"])

    assert properties[:5] == ["id", "organizationId", "contactId", "contactName", "subject"]


def test_companies_may_lack_names_and_domains() -> None:
    company = _schemas()["Contact"]["properties"]["company"]

    assert company["type"] == ["object", "null"]
    assert {name: one["type"] for name, one in company["properties"].items()} == {
        "id": "string",
        "name": ["string", "null"],
        "domain": ["string", "null"],
    }


def test_every_endpoint_is_described_with_its_parameters() -> None:
    paths = document("https://messages.example")["paths"]

    assert {
        path: [one["name"] for one in methods["get"]["parameters"] if one["in"] == "query"]
        for path, methods in paths.items()
    } == {route.path: list(route.parameters) for route in ROUTES}
    assert len(paths) == 9


async def test_the_document_is_served(reads: Reads) -> None:
    answered = await reads.client.request(
        b"", method="GET", path="/api-docs/openapi.json", headers={"authorization": ""}
    )

    assert answered.status == 200
    assert answered.headers["content-type"] == "application/json"
    assert answered.json() == document(reads.client.server.runtime.settings.public_url)


async def test_schemathesis_finds_nothing(reads: Reads, tmp_path: Path) -> None:
    await fill(reads)
    async with _without_limit(reads):
        out, status = await _run_schemathesis(reads, tmp_path, 25)

    assert status == 0, out


@asynccontextmanager
async def _without_limit(reads: Reads) -> AsyncGenerator[None]:
    """Fill the buckets again and again, much faster than anybody empties them."""

    async def fill_buckets() -> None:
        while True:
            await reads.execute("update read_windows set level = 120, moments = '{}', taken = '{}'")
            await asyncio.sleep(0.05)

    filling = asyncio.create_task(fill_buckets())
    try:
        yield
    finally:
        filling.cancel()


async def _run_schemathesis(reads: Reads, folder: Path, examples: int) -> tuple[str, int | None]:
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG.format(key=reads.key, examples=examples))
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        "--config-file",
        str(config),
        "run",
        f"{reads.client.base_url}/api-docs/openapi.json",
        "--url",
        f"{reads.client.base_url}/api/v1",
        "--seed",
        "1",
        "--suppress-health-check",
        "all",
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(540):
        out, _ = await process.communicate()
    return out.decode(), process.returncode


async def test_redocly_finds_no_error(reads: Reads, tmp_path: Path) -> None:
    try:
        packages = openapi_clients()
    except PeerMissing as missing:
        pytest.skip(str(missing))
    described = tmp_path / "openapi.json"
    answered = await reads.client.request(b"", method="GET", path="/api-docs/openapi.json")
    described.write_bytes(answered.body)

    process = await asyncio.create_subprocess_exec(
        str(packages / "node_modules" / ".bin" / "redocly"),
        "lint",
        str(described),
        "--format",
        "json",
        cwd=tmp_path,
        env={**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        out, said = await process.communicate()

    assert process.returncode == 0, said.decode()
    found = json.loads(out)
    assert found["totals"]["errors"] == 0, found["problems"]
