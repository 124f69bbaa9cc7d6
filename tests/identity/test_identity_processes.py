"""Real processes redeem the same codes at once, and are killed while they do."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from outrider.identity.link_codes import generate_link_code
from tests.identity.people import Town

ROOT = Path(__file__).resolve().parents[2]


class Redeemer:
    """A process of `tests.identity.redeemer`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self.stdin, self.stdout = process, process.stdin, process.stdout

    def ask(self, jobs: Sequence[Sequence[str]]) -> None:
        """Let it begin."""
        self.stdin.write(json.dumps(jobs).encode() + b"\n")

    async def answer(self) -> list[str]:
        """How each job ended."""
        async with asyncio.timeout(60):
            found: list[str] = json.loads(await self.stdout.readline())
        return found


@asynccontextmanager
async def redeemers(town: Town, dsn: str, folder: Path, count: int) -> AsyncGenerator[list[Redeemer]]:
    """Processes that are ready; killed at the end, if they live."""
    arguments = (dsn, str(folder), str(town.tenant.organisation_id), str(town.tenant.application_id))
    started = [
        Redeemer(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.identity.redeemer",
                *arguments,
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        )
        for _ in range(count)
    ]
    try:
        for one in started:
            assert await one.answer() == "ready"
        yield started
    finally:
        for one in started:
            if one.process.returncode is None:
                one.process.kill()
            await one.process.wait()
            one.stdin.close()


async def test_of_two_processes_one_redeems_a_code_with_one_use(town: Town, dsn: str, tmp_path: Path) -> None:
    owner = await town.person("ada")
    people = [await town.person(f"face {number}", connection=town.there) for number in range(40)]
    codes = [
        (await generate_link_code(town.runtime.identity, town.tenant.actor, owner.id)).code for _ in range(10)
    ]
    jobs = [["activate", codes[number // 4], str(person.id)] for number, person in enumerate(people)]

    async with redeemers(town, dsn, tmp_path, 2) as (one, other):
        one.ask(jobs[0::2])
        other.ask(jobs[1::2])
        ends = Counter([*await one.answer(), *await other.answer()])

    assert ends == {"ok": 10, "LinkCodeExhausted": 30}
    assert len(await town.events("link_code.activation")) == 10
    assert len(await town.events("user.merged")) == 10
    assert sum([await town.owner_of(person) == owner.user_id for person in people]) == 10
    assert await town.flaws() == {}


async def test_whatever_dies_while_messages_come_in_each_code_is_redeemed_once(
    town: Town, dsn: str, tmp_path: Path
) -> None:
    await town.detect()
    owner = await town.person("ada")
    codes = [
        (await generate_link_code(town.runtime.identity, town.tenant.actor, owner.id)).code for _ in range(60)
    ]
    jobs = [
        ["write", str(town.there), f"face {number}", code, f"m-{number}"] for number, code in enumerate(codes)
    ]

    for round_number in range(3):
        async with redeemers(town, dsn, tmp_path, 1) as (one,):
            one.ask(jobs)
            while len(await town.events("link_code.activation")) < 10 * (round_number + 1):
                await asyncio.sleep(0.001)
            one.process.kill()
    # nobody was answered, so the platform sends all of them again
    async with redeemers(town, dsn, tmp_path, 2) as pair:
        for one in pair:
            one.ask(jobs)
        for one in pair:
            assert await one.answer() == ["ok"] * len(jobs)

    assert len(await town.events("message.inbound")) == len(codes)
    activated = [event["payload"]["code"] for event in await town.events("link_code.activation")]
    assert sorted(activated) == sorted(codes)
    assert await town.flaws() == {}
