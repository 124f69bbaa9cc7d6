"""100,000 contacts: imported by the command, from a CSV file with companies and phones; and found by words.

The limit of the import is COPY of the same rows into bare tables with their keys; that of finding is a
page of the newest, without any word.
"""

import asyncio
import csv
import statistics
import time
from pathlib import Path
from uuid import UUID, uuid4

from bench.processes import OUTRIDER, server_environment, spawn
from bench.results import Row
from bench.runs import Run
from outrider.core.database.pools import Database, open_database
from outrider.outreach import queries
from outrider.outreach.queries import ContactConditions
from outrider.outreach.searching import search_query

NAMES = ("contacts_import_100k_s", "contacts_import_rss_mb", "contacts_q_p99_ms")
_CONTACTS = 100_000
_COMPANIES = 3_000
_FIRST = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Margaret", "Linus", "Ken", "Zoë")
_LAST = ("Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Hamilton", "Torvalds", "Thompson")
_SOUGHT = (
    *("a", "ada", "e", "company", "company 919", "ada lovelace", "ada lovelace99910", "nobody", "x"),
    *("lovelace1", "zoe hop", "company29.example", "99", "grace company7"),
)
_BARE = """
create schema if not exists bench;
drop table if exists bench.people, bench.addresses;
create table bench.people (organisation_id uuid, id uuid, name text, email text, company text, status text,
  primary key (organisation_id, id));
create table bench.addresses (organisation_id uuid, class text, address text, contact_id uuid,
  primary key (organisation_id, class, address));
"""


async def measure(run: Run, wanted: set[str]) -> list[Row]:
    """All rows, of one import."""
    path = run.folder / "contacts.csv"
    people = list(_people())
    _write(path, people)
    limit_s = await _copied(run, people)
    seconds, megabytes = await _imported(run, path)
    rows = [
        Row(NAMES[0], seconds, "s", limit_s, "COPY into bare tables with their keys", "the whole command"),
        Row(NAMES[1], megabytes, "MB", None, "-", "the command, at most; PostgreSQL is another process"),
    ]
    if NAMES[2] in wanted:
        rows.append(await _found(run))
    return [row for row in rows if row.name in wanted]


def _people() -> "list[tuple[str, str, str, str]]":
    """Name, address, phone and company of each."""
    found: list[tuple[str, str, str, str]] = []
    for number in range(_CONTACTS):
        first, last = _FIRST[number % 10], _LAST[number % 9]
        name = f"{first} {last}{number}"
        company = f"company{number % _COMPANIES}.example"
        phone = f"+49 30 {1_000_000 + number}" if number % 3 == 0 else ""
        found.append((name, f"{last.lower()}{number}@{company}", phone, company))
    return found


def _write(path: Path, people: "list[tuple[str, str, str, str]]") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("Name", "Email", "Phone", "Domain"))
        writer.writerows(people)


async def _copied(run: Run, people: "list[tuple[str, str, str, str]]") -> float:
    organisation_id = uuid4()
    contacts = [
        (organisation_id, uuid4(), name, email, company, "unqualified") for name, email, _, company in people
    ]
    addresses = [(organisation_id, "email", one[3], one[1]) for one in contacts]
    addresses += [
        (organisation_id, "phone", person[2], one[1])
        for person, one in zip(people, contacts, strict=True)
        if person[2]
    ]
    await run.probe.execute(_BARE)
    began = time.perf_counter()
    async with run.probe.transaction():
        await run.probe.copy_records_to_table("people", schema_name="bench", records=contacts)
        await run.probe.copy_records_to_table("addresses", schema_name="bench", records=addresses)
    seconds = time.perf_counter() - began
    await run.probe.execute("drop table bench.people, bench.addresses")
    return seconds


async def _imported(run: Run, path: Path) -> tuple[float, float]:
    """How long the command takes, and the most memory that it had."""
    environment = server_environment(run.data_dir)
    command = ("contacts", "import", str(path))
    began = time.perf_counter()
    process = await spawn(OUTRIDER, *command, log=run.folder / "contacts-import.log", environment=environment)
    most = 0.0
    while process.returncode is None:
        most = max(most, _most_resident(process.pid))
        await asyncio.sleep(0.05)
    if process.returncode != 0:
        raise RuntimeError(f"the import failed: {(run.folder / 'contacts-import.log').read_text()[-2000:]}")
    return time.perf_counter() - began, most


def _most_resident(pid: int) -> float:
    try:
        status = (Path("/proc") / str(pid) / "status").read_text()
    except OSError:
        return 0.0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1]) / 1024


async def _found(run: Run) -> Row:
    organisation_id = UUID(run.credentials.organisation_id)
    database = await open_database(run.database.dsn)
    sought = [ContactConditions(words=search_query(q)) for q in _SOUGHT]
    limit = await _p99(database, organisation_id, [ContactConditions()], run.seconds)
    product = await _p99(database, organisation_id, sought, run.seconds * run.rounds)
    await database.close()
    note = f"pages of 50 by {len(_SOUGHT)} words and pairs of words, some of them everybody's, some nobody's"
    return Row(NAMES[2], product, "ms", limit, "a page of the newest", note)


async def _p99(
    database: Database, organisation_id: UUID, sought: list[ContactConditions], seconds: float
) -> float:
    times: list[float] = []
    ending = time.perf_counter() + seconds
    while time.perf_counter() < ending or len(times) < 100:
        began = time.perf_counter()
        await queries.select_contacts(
            database.reads, organisation_id, sought[len(times) % len(sought)], limit=51
        )
        times.append((time.perf_counter() - began) * 1000)
    return statistics.quantiles(times, n=100)[98]
