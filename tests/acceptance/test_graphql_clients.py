"""GraphQL clients that other people wrote read our schema, run the contract's examples and follow events."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from gql import Client as GqlClient
from gql import gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError
from graphql import build_schema, print_schema

from tests.clients import Client
from tests.peers import PeerMissing, graphql_clients
from tests.surfaces.developer_graphql import test_examples as examples

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "docs" / "api" / "developer.graphql"
READS = (examples.RECENT_EVENTS, examples.EXACT, examples.PATTERN, examples.SEVERAL, examples.CUSTOM)
SENDS = (examples.SEND_MESSAGE, examples.SANDBOX)
OPERATIONS = """
query Recent($first: Int, $filters: EventFilters) {
  events(first: $first, filters: $filters) { edges { cursor node { id eventType payload createdAt } } feedCursor } }
mutation Send($connection: UUID!) {
  sendMessage(platformConnectionId: $connection, toExternalId: "ada", message: "Hello") {
    id status { success state externalMessageId error { code message } } } }
subscription Live($after: String) { events(after: $after) { cursor node { id eventType payload } } }
"""


@pytest.fixture(scope="session")
def packages() -> Path:
    try:
        return graphql_clients()
    except PeerMissing as missing:
        pytest.skip(str(missing))


async def _documents(client: Client) -> list[str]:
    connection = await client.connect("SMS", "sandbox", {})
    return [one.replace("pc_abc123", connection["id"]) for one in (*SENDS, *READS)]


def _check(answers: list[dict[str, Any]]) -> None:
    """What the examples answer, asked in this order."""
    assert [answer["sendMessage"]["status"]["success"] for answer in answers[:2]] == [True, True]
    recent = [edge["node"]["id"] for edge in answers[2]["events"]["edges"]]
    assert {answer["sendMessage"]["id"] for answer in answers[:2]} <= set(recent)
    assert [len(answer["events"]["edges"]) for answer in answers[2:]] == [4, 0, 4, 2, 0]


async def test_gql_reads_the_schema_and_runs_the_examples(client: Client) -> None:
    transport = AIOHTTPTransport(f"{client.base_url}/", headers={"Authorization": f"Bearer {client.key}"})
    documents = await _documents(client)

    introspecting = GqlClient(
        transport=transport,
        fetch_schema_from_transport=True,
        introspection_args={"schema_description": True},
    )
    async with introspecting as session:
        schema = session.client.schema
        answers = [await session.execute(gql(document)) for document in documents]
        with pytest.raises(TransportQueryError) as refused:
            await session.execute(gql('query { events(after: "x") { edges { cursor } } }'))

    assert schema is not None
    assert print_schema(schema) == print_schema(build_schema(COMMITTED.read_text()))
    _check(answers)
    assert refused.value.errors is not None
    assert refused.value.errors[0]["extensions"]["code"] == "VALIDATION_ERROR"


async def test_clients_for_node_read_the_schema_run_the_examples_and_follow(
    client: Client, packages: Path
) -> None:
    asked = {
        "url": f"{client.base_url}/",
        "key": client.key,
        "documents": await _documents(client),
        "follow": 'subscription { events(filters: { eventType: { equals: "ferry.sailed" } }) { node { id } } }',
        "create": 'mutation { createEvent(eventType: "ferry.sailed", payload: {}) { id } }',
        "count": 5,
    }
    script = (Path(__file__).parent / "graphql_clients.mjs").read_text()

    said = await _run(packages, "node", "--input-type=module", "-e", script, ASKED=json.dumps(asked))

    answers = json.loads(said)
    schema = print_schema(build_schema(answers["schema"]))
    assert schema == print_schema(build_schema(COMMITTED.read_text()))
    _check(answers["documents"])
    assert answers["refused"] == "VALIDATION_ERROR"
    assert len(answers["created"]) == 5
    assert answers["followed"] == answers["created"]


async def test_a_code_generator_makes_types_of_the_committed_schema_without_a_warning(
    packages: Path, tmp_path: Path
) -> None:
    (tmp_path / "operations.graphql").write_text(OPERATIONS)
    config = {
        "schema": str(COMMITTED),
        "documents": str(tmp_path / "operations.graphql"),
        "config": {
            "strictScalars": True,
            "scalars": {"UUID": "string", "DateTime": "string", "JSON": "unknown"},
        },
        "generates": {
            str(tmp_path / "schema.ts"): {"plugins": ["typescript"]},
            str(tmp_path / "operations.ts"): {"plugins": ["typescript-operations"]},
        },
    }
    (tmp_path / "codegen.json").write_text(json.dumps(config))
    binaries = packages / "node_modules" / ".bin"

    said = await _run(packages, str(binaries / "graphql-codegen"), "--config", str(tmp_path / "codegen.json"))
    complaints = await _run(
        packages,
        str(binaries / "tsc"),
        "--noEmit",
        "--strict",
        str(tmp_path / "schema.ts"),
        str(tmp_path / "operations.ts"),
    )

    assert not [word for word in ("warn", "error", "fail", "deprecat") if word in said.lower()], said
    assert complaints == ""
    made = (tmp_path / "schema.ts").read_text()
    assert "export type Subscription = {" in made
    assert "LiveSubscription" in (tmp_path / "operations.ts").read_text()


async def _run(folder: Path, *command: str, **environment: str) -> str:
    """All that a program says, which must succeed and not complain."""
    program = shutil.which(command[0])
    assert program is not None
    process = await asyncio.create_subprocess_exec(
        program,
        *command[1:],
        cwd=folder,
        env={**os.environ, "CI": "1", "NO_COLOR": "1", **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(100):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()
