"""Clients that other people's generators make of the read API's document drive every endpoint of a running server."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.clients import Client
from tests.peers import PeerMissing, openapi_clients
from tests.surfaces.outbound_rest.shelf import MISSING, Reads, Stock, fill, new_reads

DRIVER = Path(__file__).parent / "openapi_client.mts"
COMPILER = {
    "compilerOptions": {
        "module": "nodenext",
        "target": "es2022",
        "strict": True,
        "exactOptionalPropertyTypes": True,
        "noUncheckedIndexedAccess": True,
        "skipLibCheck": True,
        "types": [],
        "lib": ["es2023", "dom"],
    },
    "files": ["openapi_client.mts", "node.d.ts"],
}


@pytest.fixture
async def reads(client: Client) -> Reads:
    """A new organisation, with a key that may read everything."""
    return await new_reads(client)


async def _run(folder: Path, *command: str) -> str:
    # the generator tidies up with Ruff
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", "PATH": path},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(180):
        out, said = await process.communicate()
    assert process.returncode == 0, (command[0], out.decode(), said.decode())
    return out.decode()


def _check(told: dict[str, Any], reads: Reads, stock: Stock) -> None:
    assert told["organization"] == str(reads.organisation_id)
    assert len(told["contacts"]) == len(set(told["contacts"])) == 3
    assert {str(stock.contact), str(stock.bare_contact)} < set(told["contacts"])
    assert told["company"].startswith("engines-")
    assert told["level"] == 4
    assert told["lists"] == [str(stock.bare_list), str(stock.list)]
    assert told["goal"] == "A ferry"
    assert told["drafts"] == [str(stock.draft)]
    assert told["text"] == "Hello"
    assert told["engagement"] == "sent"
    assert told["events"] == ["message.outbound", "message.sent"]
    assert told["missing"] == [404, "Not found"]


async def test_openapi_fetch_with_the_types_of_openapi_typescript(reads: Reads, tmp_path: Path) -> None:
    try:
        packages = openapi_clients()
    except PeerMissing as missing:
        pytest.skip(str(missing))
    stock = await fill(reads)
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "tsconfig.json").write_text(json.dumps(COMPILER))
    (tmp_path / "node.d.ts").write_text("declare const process: { argv: string[] };\n")
    shutil.copy(DRIVER, tmp_path)
    programs = tmp_path / "node_modules" / ".bin"

    await _run(
        tmp_path,
        str(programs / "openapi-typescript"),
        f"{reads.client.base_url}/api-docs/openapi.json",
        "-o",
        "reads.d.ts",
    )
    await _run(tmp_path, str(programs / "tsc"), "-p", ".")
    said = await _run(
        tmp_path,
        "node",
        "openapi_client.mjs",
        reads.client.base_url,
        reads.key,
        *(str(one) for one in (stock.contact, stock.list, stock.draft)),
    )

    _check(json.loads(said), reads, stock)


async def test_the_client_that_openapi_python_client_makes(
    reads: Reads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock = await fill(reads)
    folder = tmp_path / "generated_reads"
    await _run(
        tmp_path,
        str(Path(sys.executable).parent / "openapi-python-client"),
        "generate",
        "--url",
        f"{reads.client.base_url}/api-docs/openapi.json",
        "--meta",
        "none",
        "--output-path",
        str(folder),
        "--fail-on-warning",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        told = await asyncio.to_thread(_drive, reads, stock)
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == folder.name]:
            del sys.modules[name]

    _check(told, reads, stock)


def _drive(reads: Reads, stock: Stock) -> dict[str, Any]:
    """Every endpoint by its generated function."""
    from generated_reads import AuthenticatedClient  # noqa: PLC0415 -- it was made a moment ago
    from generated_reads.api.contacts import get_contact, get_contact_research, list_contacts  # noqa: PLC0415
    from generated_reads.api.drafts import get_draft, list_drafts  # noqa: PLC0415
    from generated_reads.api.events import list_events  # noqa: PLC0415
    from generated_reads.api.lists import get_list, list_lists  # noqa: PLC0415
    from generated_reads.api.me import get_me  # noqa: PLC0415
    from generated_reads.models import ListDraftsStatus, ListListsIncludeArchived  # noqa: PLC0415
    from generated_reads.types import UNSET  # noqa: PLC0415

    with AuthenticatedClient(base_url=f"{reads.client.base_url}/api/v1", token=reads.key) as client:

        def get(endpoint: ModuleType, *given: object, **more: object) -> Any:
            return endpoint.sync(*given, client=client, **more)

        contacts: list[str] = []
        cursor: Any = UNSET
        while cursor is not None:
            page = get(list_contacts, limit=1, cursor=cursor)
            contacts += [one.id for one in page.data]
            cursor = page.next_cursor
        draft = get(get_draft, stock.draft)
        sent = get(list_drafts, status=ListDraftsStatus("sent"), contact_id=stock.contact)
        missing = get_contact.sync_detailed(MISSING, client=client)
        return {
            "organization": get(get_me).organization.id,
            "contacts": contacts,
            "company": get(get_contact, stock.contact).company.domain,
            "level": get(get_contact_research, stock.contact).level,
            "lists": [one.id for one in get(list_lists, include_archived=ListListsIncludeArchived("1")).data],
            "goal": get(get_list, stock.list).goal,
            "drafts": [one.id for one in sent.data],
            "text": draft.body.text,
            "engagement": draft.engagement[0].type_,
            "events": sorted(
                one.event_type for one in get(list_events, event_type="message.outbound,message.sent").data
            ),
            "missing": [int(missing.status_code), missing.parsed.title],
        }
