"""`python -m bench.crash_drill [--messages N] [--inbound N] [--kills N] [--seed N]`

Load two servers, kill each of them and PostgreSQL again and again, then hold what was acknowledged against the log and
the sink. Writes bench/results/crash-drill.json; the exit code is 1 when a promise was broken.
"""

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

from bench.api import Api, Refused
from bench.crash_drill.checks import Verdict, judge
from bench.crash_drill.evidence import gather
from bench.crash_drill.traffic import Traffic, Unacceptable, receive_webhooks, send_messages
from bench.crash_drill.victims import POSTGRES, Kill, NoRecovery, Probe, Victims, wait_finished, wait_for_work
from bench.databases import database_of
from bench.http_client import Address
from bench.processes import (
    OUTRIDER,
    free_address,
    run_to_end,
    running,
    server_environment,
    spawn,
    wait_answering,
)
from bench.results import RESULTS
from bench.servers import bootstrap

_FOLDER = Path("/var/tmp")  # noqa: S108  the folder of a private one; /tmp is often memory
_REPORT = RESULTS / "crash-drill.json"
_LONGEST_SECONDS = 600.0
_DRAIN_SECONDS = 240.0
_SINK_DELAY_MS = 40
_CLIENTS = 10
_CONVERSATIONS_EACH = 5
_PLATFORM_CLIENTS = 5
_SENDERS_EACH = 4


async def main(options: argparse.Namespace) -> int:
    """Run the drill and give its exit code."""
    folder = Path(tempfile.mkdtemp(prefix="outrider-drill-", dir=options.folder))
    folder.chmod(0o711)  # the account that runs PostgreSQL for root must be able to pass
    began = time.monotonic()
    _REPORT.unlink(missing_ok=True)
    try:
        async with asyncio.timeout(_LONGEST_SECONDS), AsyncExitStack() as stack:
            verdict, kills, more = await _drill(stack, folder, options)
    except (NoRecovery, Unacceptable, Refused, TimeoutError, ExceptionGroup) as problem:
        for reason in sorted({f"{type(leaf).__name__}: {leaf}" for leaf in _leaves(problem)}):
            print(reason)
        print(f"the drill could not be finished; what the servers said is in {folder}")
        return 1
    _report(verdict, kills, {"seconds": round(time.monotonic() - began, 1), "seed": options.seed, **more})
    if verdict.violations:
        print(f"what the servers said is in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def _leaves(problem: BaseException) -> list[BaseException]:
    if isinstance(problem, BaseExceptionGroup):
        return [leaf for one in cast("BaseExceptionGroup", problem).exceptions for leaf in _leaves(one)]
    return [problem]


async def _drill(
    stack: AsyncExitStack, folder: Path, options: argparse.Namespace
) -> tuple[Verdict, list[Kill], dict[str, object]]:
    data_dir, sink_file = folder / "data", folder / "sink.jsonl"
    sink = await _start_sink(stack, folder, sink_file)
    victims = Victims(data_dir, (free_address(), free_address()), random.Random(options.seed))
    stack.push_async_callback(victims.stop)
    await victims.start()
    traffic = await _prepare(victims, sink, options.seed)
    probe = Probe(data_dir)
    stack.callback(probe.close)

    await _load_and_kill(traffic, victims, probe, options)
    left = await wait_finished(probe, _DRAIN_SECONDS)
    print(f"\nall is sent; {left} deliveries are left")
    evidence = await gather(database_of(data_dir), sink_file)
    verdict = judge(traffic.acknowledged, evidence, victims.kills)
    verify = await _verify(data_dir, folder)
    if verify:
        verdict.violations.append(f"`outrider verify` ended with exit code {verify}")
    exit_codes = await victims.stop()
    if any(exit_codes):
        verdict.violations.append(f"the servers ended with exit codes {exit_codes}")
    verdict.violations += victims.violations
    more: dict[str, object] = {
        "messages": len(traffic.acknowledged.messages),
        "inbound": len(traffic.acknowledged.inbound),
        "inbound_repeats": traffic.acknowledged.repeats,
        "client_retries": traffic.acknowledged.retries,
        "verify_exit_code": verify,
    }
    return verdict, victims.kills, more


async def _start_sink(stack: AsyncExitStack, folder: Path, sink_file: Path) -> Address:
    address = free_address()
    command = (
        sys.executable,
        "-m",
        "bench.crash_drill.sink",
        str(address.port),
        sink_file,
        str(_SINK_DELAY_MS),
    )
    process = await spawn(*command, log=folder / "sink.log")
    await stack.enter_async_context(running(process))
    await wait_answering(address, "/", process)
    return address


async def _prepare(victims: Victims, sink: Address, seed: int) -> Traffic:
    credentials = await bootstrap(victims.data_dir)
    api = Api(victims.addresses[0], credentials.api_key)
    # Several of each, so that both servers dispatch: which of them does goes by connection and subscription.
    connections = [await api.create_connection(f"drill-{number}", sink.url) for number in range(_CLIENTS)]
    for pattern in ("message.inbound", "message.outbound"):
        await api.subscribe(pattern, f"{sink.url}/hook", [pattern])
    return Traffic(victims.addresses, api, tuple(connections), seed)


async def _load_and_kill(
    traffic: Traffic, victims: Victims, probe: Probe, options: argparse.Namespace
) -> None:
    """The load is handed out in portions: one before each kill, one while its victim comes back."""
    order = [POSTGRES, "server 1", "server 2"] * options.kills
    victims.chance.shuffle(order)
    each = -(-options.messages // (_CLIENTS * _CONVERSATIONS_EACH))
    each_inbound = -(-options.inbound // (_PLATFORM_CLIENTS * _SENDERS_EACH))
    portions = _Portions(
        traffic,
        each * _CLIENTS * _CONVERSATIONS_EACH,
        each_inbound * _PLATFORM_CLIENTS * _SENDERS_EACH,
        2 * len(order) + 1,
    )
    async with asyncio.TaskGroup() as group:
        for number in range(_CLIENTS):
            chats = [f"chat-{number}-{one}" for one in range(_CONVERSATIONS_EACH)]
            group.create_task(send_messages(traffic, number, chats, each))
        for number in range(_PLATFORM_CLIENTS):
            senders = [f"sender-{number}-{one}" for one in range(_SENDERS_EACH)]
            group.create_task(receive_webhooks(traffic, number, senders, each_inbound))
        for number, victim in enumerate(order, 1):
            portions.hand_out()
            unfinished = await wait_for_work(probe)
            portions.hand_out()
            await victims.kill(victim, unfinished)
            kill = victims.kills[-1]
            print(
                f"kill {number:>2} of {len(order)}: {victim:<9} with {unfinished:>4} unfinished, "
                f"all ready after {kill.seconds_to_recover:.1f} s",
                flush=True,
            )
        portions.hand_out_rest()


class _Portions:
    """Permits for all items, handed out in equal parts."""

    def __init__(self, traffic: Traffic, messages: int, inbound: int, parts: int) -> None:
        self._left = {traffic.message_permits: messages, traffic.inbound_permits: inbound}
        self._size = {permits: -(-count // parts) for permits, count in self._left.items()}

    def hand_out(self) -> None:
        for permits, size in self._size.items():
            self._release(permits, size)

    def hand_out_rest(self) -> None:
        for permits, left in self._left.items():
            self._release(permits, left)

    def _release(self, permits: asyncio.Semaphore, size: int) -> None:
        count = min(size, self._left[permits])
        self._left[permits] -= count
        for _ in range(count):
            permits.release()


async def _verify(data_dir: Path, folder: Path) -> int:
    process = await spawn(
        OUTRIDER, "verify", log=folder / "verify.log", environment=server_environment(data_dir)
    )
    async with running(process):
        return await process.wait()


def _report(verdict: Verdict, kills: list[Kill], more: dict[str, object]) -> None:
    counts = {
        victim: sum(kill.victim == victim for kill in kills)
        for victim in sorted({kill.victim for kill in kills})
    }
    report = {
        "acknowledged": verdict.acknowledged,
        "stored": verdict.stored,
        "delivered": verdict.delivered,
        "duplicated": verdict.duplicated,
        "lost": verdict.lost,
        "kills": counts,
        "in_flight_at_kills": verdict.in_flight_at_kills,
        "duplicated_after_kill_of": dict(sorted(verdict.duplicated_after.items())),
        "least_unfinished_at_a_kill": min((kill.unfinished for kill in kills), default=0),
        "longest_recovery_s": max((kill.seconds_to_recover for kill in kills), default=0.0),
        "violations": verdict.violations,
        **more,
    }
    RESULTS.mkdir(exist_ok=True)
    _REPORT.write_text(json.dumps(report, indent=2) + "\n")
    for name, value in report.items():
        print(f"  {name}: {value}")
    print(f"written to {_REPORT}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.crash_drill", description="Kill everything under load."
    )
    parser.add_argument("--messages", type=int, default=5_000, help="how many messages are sent")
    parser.add_argument("--inbound", type=int, default=1_000, help="how many inbound webhooks are posted")
    parser.add_argument("--kills", type=int, default=5, help="how often each of the three is killed")
    parser.add_argument(
        "--seed", type=int, default=random.randrange(2**31), help="the order and the pauses of the kills"
    )
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="a folder on a real disk to work in")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(run_to_end(main(_options())))
