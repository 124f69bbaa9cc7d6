"""Schemathesis with all checks on against the running server: the OpenAPI document is what is served."""

import asyncio
import os
import sys
from pathlib import Path

from tests.clients import Server, new_client
from tests.surfaces.developer_rest.nulls import fill
from tests.surfaces.developer_rest.rest import Rest

CONFIG = """
continue-on-failure = true
headers = {{ Authorization = "Bearer {key}" }}
[generation]
allow-x00 = false
max-examples = 25
with-security-parameters = false
[checks]
enabled = true
[checks.positive_data_acceptance]
# what no schema can tell: the checksum of a code, the address of a platform, a JSON Schema that is none, ids
expected-statuses = ["2xx", "400", "404", "409", "410", "502"]
[[operations]]
include-operation-id = "create_file"
# 502 is what it answers where the other side does not give the file
checks.not_a_server_error.enabled = false
"""


async def test_schemathesis_finds_nothing(server: Server, tmp_path: Path) -> None:
    rest = Rest(await new_client(server))
    await fill(rest)
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(key=rest.client.key))

    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        "--config-file",
        str(config),
        "run",
        f"{server.base_url}/v1/openapi.json",
        "--seed",
        "1",
        "--suppress-health-check",
        "all",
        cwd=tmp_path,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(540):
        out, _ = await process.communicate()

    assert process.returncode == 0, out.decode()
