"""The README's first message, as a newcomer does it: the printed variables, the receiver, the curls."""

import asyncio
import json
import os
import re
import shlex
import shutil
import socket
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from outrider.cli.arguments import Arguments, build_parser
from tests.cli.commands import Shell, line_with
from tests.docs.pages import code_blocks, text_of

README = text_of("README.md")
CURLS = [block for block in code_blocks(README, "sh") if block.startswith("curl")]
RECEIVER = "http://127.0.0.1:9000/"

pytestmark = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("bash")),
    reason="needs curl and bash, as the README's commands do",
)


@pytest.fixture(scope="module")
def newcomer() -> Generator[Shell]:
    """Somebody with an empty data directory, which the account of the bundled PostgreSQL can enter."""
    folder = Path(tempfile.mkdtemp(prefix="outrider-first-message-"))
    folder.chmod(0o711)
    yield Shell(folder / "data")
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
async def variables(newcomer: Shell) -> AsyncGenerator[dict[str, str]]:
    """What `outrider dev` prints for another terminal, while it runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    async with newcomer.running("dev", "--port", port) as process:
        yield dict(
            [
                shlex.split(await line_with(process, f"  {name}="))[0].split("=", 1)
                for name in ("BASE_URL", "API_KEY", "CONNECTION_ID", "WEBHOOK_URL")
            ]
        )


async def _pasted(command: str, variables: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-uec",
        command,
        env={"PATH": os.environ["PATH"], **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def _arrived(receiver: asyncio.subprocess.Process) -> str:
    line = await line_with(receiver, '"event_type"')
    return line.split('"')[3]


def test_the_readme_says_where_the_receiver_listens() -> None:
    listening = build_parser().parse_args(["listen"], Arguments())

    assert f"http://{listening.listen_host}:{listening.listen_port}/" == RECEIVER
    assert f"outrider listen        # {RECEIVER}" in README
    assert set(re.findall(r"\$([A-Z_]+)", "".join(CURLS))) == {
        "BASE_URL",
        "API_KEY",
        "CONNECTION_ID",
        "WEBHOOK_URL",
    }


async def test_three_curls_are_a_first_message(newcomer: Shell, variables: dict[str, str]) -> None:
    subscribe, write, answer = CURLS
    async with newcomer.running("listen", "--port", "0") as receiver:
        address = (await line_with(receiver, "Listening on")).split()[2]
        subscribed = json.loads(await _pasted(subscribe.replace(RECEIVER, address), variables))
        assert await _pasted(write, variables) == ""
        assert await _arrived(receiver) == "message.inbound"
        answered = json.loads(await _pasted(answer, variables))
        assert [await _arrived(receiver), await _arrived(receiver)] == ["message.outbound", "message.sent"]

    status = answered["data"]["sendMessage"]["status"]
    assert (status["success"], status["state"]) == (True, "sent")
    secret = subscribed["data"]["createWebhookSubscription"]["secret"]
    port = address.rstrip("/").rpartition(":")[2]
    async with newcomer.running("listen", "--port", port, "--secret", secret) as receiver:
        await line_with(receiver, "Listening on")
        await _pasted(answer, variables)
        await line_with(receiver, "signatures verified")


@pytest.mark.parametrize(
    ("recipient", "last"),
    [("ada.read", "message.read"), ("ada.rejected", "message.failed"), ("ada.deferred", "message.sent")],
)
async def test_the_addresses_that_the_readme_names_do_what_it_says(
    newcomer: Shell, variables: dict[str, str], recipient: str, last: str
) -> None:
    assert f"`{recipient}`" in README
    subscribe, _, answer = CURLS
    async with newcomer.running("listen", "--port", "0") as receiver:
        address = (await line_with(receiver, "Listening on")).split()[2]
        await _pasted(subscribe.replace(RECEIVER, address), variables)
        await _pasted(answer.replace('\\"ada\\"', f'\\"{recipient}\\"'), variables)
        while await _arrived(receiver) != last:
            pass
