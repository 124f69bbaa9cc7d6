"""`python -m bench [--rows a,b] [--seconds N] [--rounds N] [--quick]`: measure, print one table, write the figures."""

import argparse
import os
import platform
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from bench.databases import settings_of
from bench.embedded import holding_database
from bench.processes import run_to_end
from bench.results import Row, print_table, write_results
from bench.rows import (
    accepting,
    contacts,
    counting,
    delivering,
    footprint,
    reading,
    rendering,
    submitting,
    timing,
)
from bench.runs import Run
from bench.servers import bootstrap, running_server
from bench.sinks import running_sink

_Measure = Callable[[Run, set[str]], Awaitable[list[Row]]]
# In this order: memory and start before the machine is warm, pages after the log has been filled.
_GROUPS: tuple[tuple[tuple[str, ...], _Measure], ...] = (
    (footprint.NAMES, footprint.measure),
    (accepting.NAMES, accepting.measure),
    (submitting.NAMES, submitting.measure),
    (timing.NAMES, timing.measure),
    (delivering.NAMES, delivering.measure),
    (reading.NAMES, reading.measure),
    (rendering.NAMES, rendering.measure),
    (contacts.NAMES, contacts.measure),
    (counting.NAMES, counting.measure),
)
_FOLDER = Path("/var/tmp")  # noqa: S108  the folder of a private one; /tmp is often memory
_ALL = tuple(name for names, _ in _GROUPS for name in names)


async def main(options: argparse.Namespace) -> None:
    """Measure what was asked for."""
    folder = Path(tempfile.mkdtemp(prefix="outrider-bench-", dir=options.folder))
    folder.chmod(0o711)  # the account that runs PostgreSQL for root must be able to pass
    try:
        async with AsyncExitStack() as stack:
            run = await _prepare(stack, folder, options)
            rows: list[Row] = []
            for names, measure in _GROUPS:
                if wanted := options.rows & set(names):
                    print(f"measuring {', '.join(name for name in names if name in wanted)} ...", flush=True)
                    rows += await measure(run, wanted)
            settings = {
                **_machine(folder),
                **await settings_of(run.probe),
                "sink": run.sink.name,
                **run.facts,
            }
    except BaseException:
        print(f"what the servers said is in {folder}")
        raise
    print_table(rows, settings)
    print(f"written to {write_results(rows, settings)}")
    shutil.rmtree(folder)


async def _prepare(stack: AsyncExitStack, folder: Path, options: argparse.Namespace) -> Run:
    data_dir = folder / "data"
    database = await stack.enter_async_context(holding_database(data_dir))
    async with running_server(data_dir):
        credentials = await bootstrap(data_dir)
    probe = await database.connect()
    stack.push_async_callback(probe.close)
    return Run(
        folder=folder,
        data_dir=data_dir,
        database=database,
        probe=probe,
        sink=await stack.enter_async_context(running_sink(folder)),
        credentials=credentials,
        seconds=options.seconds,
        rounds=options.rounds,
    )


def _machine(folder: Path) -> dict[str, object]:
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    holding = [mount for mount in mounts if folder.is_relative_to(mount[0])]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "filesystem": max(holding, key=lambda mount: len(mount[0]))[1],
    }


def _rows(text: str) -> set[str]:
    wanted = set(text.split(","))
    if unknown := wanted - set(_ALL):
        raise argparse.ArgumentTypeError(
            f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(_ALL)}"
        )
    return wanted


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure the product against its limits."
    )
    parser.add_argument("--rows", type=_rows, default=set(_ALL), help="only these, with commas between them")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each measure of a round lasts")
    parser.add_argument("--rounds", type=int, default=3, help="how often limit and product take turns")
    parser.add_argument("--quick", action="store_true", help="one round of two seconds: does it run?")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="a folder on a real disk to work in")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds = 2.0, 1
    return options


if __name__ == "__main__":
    run_to_end(main(_options()))
