"""Schemathesis against the running server with the committed OpenAPI document, every request signed."""

import asyncio
import json
import os
import sys
from pathlib import Path

from outrider.core import log
from tests.surfaces.outkit_rest.submitting import Submitter

ROOT = Path(__file__).resolve().parents[3]
CONFIG = """
continue-on-failure = true
hooks = "{hooks}"
headers = {{ Outkit-Access-Key = "{key}", Outkit-Access-Passphrase = "{passphrase}" }}
[generation]
allow-x00 = false
max-examples = 25
with-security-parameters = false
[checks]
enabled = true
# the contract knows no 405: an address that takes other methods is not there
unsupported_method.enabled = false
[checks.positive_data_acceptance]
# what no schema can tell: which projects, backends and templates there are, and what an address is
expected-statuses = ["2xx", "404", "422"]
"""


async def test_schemathesis_finds_nothing(submitter: Submitter, tmp_path: Path) -> None:
    await submitter.submit(sync=True)
    config = tmp_path / "schemathesis.toml"
    hooks = Path(__file__).with_name("signing_hook.py")
    key = submitter.key
    config.write_text(CONFIG.format(hooks=hooks, key=key.key, passphrase=key.passphrase))

    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        "--config-file",
        str(config),
        "run",
        str(ROOT / "docs/api/outkit.openapi.json"),
        "--url",
        submitter.client.base_url,
        "--seed",
        "1",
        "--suppress-health-check",
        "all",
        cwd=tmp_path,
        env={**os.environ, "NO_COLOR": "1", "OUTKIT_SECRET": key.secret},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    lines: list[bytes] = []
    with log.redirected(lines.append):
        async with asyncio.timeout(540):
            out, _ = await process.communicate()

    assert process.returncode == 0, out.decode()
    # whose signature is not valid belongs to nobody
    answered = [json.loads(line) for line in lines if b'"messages.answered"' in line]
    for method in ("GET", "POST"):
        ours = [one for one in answered if one["method"] == method and one["organisation_id"] is not None]
        assert len(ours) > 50, out.decode()
