"""Calls of the database for each accepted message, from accept to delivered.

Counted by pg_stat_statements in a database of its own, so that counting slows no other row: every top-level call of
the servers counts, BEGIN and heartbeats too. The probe asks under a name of its own and does not count itself.
"""

from pathlib import Path

from bench.api import Api, check_accepted
from bench.databases import Connection, Database
from bench.embedded import holding_database
from bench.http_client import connect
from bench.load import closed_loop
from bench.results import Row
from bench.runs import CLIENTS, Run, wait_drained
from bench.servers import bootstrap, running_server

NAMES = ("sql_per_event",)
_MESSAGES = 300
_PROBE = "bench_probe"
_COUNTED = """
select coalesce(sum(s.calls), 0) from pg_stat_statements s join pg_roles r on r.oid = s.userid
where s.toplevel and r.rolname <> 'bench_probe'"""


async def measure(run: Run, wanted: set[str]) -> list[Row]:
    """The row at concurrency 1; the figure under load goes to the facts."""
    del wanted
    data_dir = run.folder / "counting"
    async with holding_database(data_dir):
        _load_counter(data_dir)
    async with holding_database(data_dir) as database, running_server(data_dir) as server:
        credentials = await bootstrap(data_dir)
        probe = await _probe(database)
        api = Api(server.address, credentials.api_key)
        connection = await api.create_connection("bench-count", run.sink.address.url)
        alone = await _alone(run, api, connection.id, probe)
        run.facts["sql_per_event: under load, 32 clients"] = round(
            await _loaded(run, api, connection.id, probe), 2
        )
        await probe.close()
    return [Row("sql_per_event", alone, "calls", None, "", "one message at a time; heartbeats included")]


def _load_counter(data_dir: Path) -> None:
    with (data_dir / "postgres" / "postgresql.conf").open("a") as file:
        file.write("\nshared_preload_libraries = 'pg_stat_statements'\npg_stat_statements.track = 'top'\n")


async def _probe(database: Database) -> Connection:
    owner = await database.connect()
    await owner.execute(f"create extension pg_stat_statements; create role {_PROBE} superuser login")
    await owner.close()
    return await database.connect(_PROBE)


async def _alone(run: Run, api: Api, connection_id: str, probe: Connection) -> float:
    """Each message is recorded as delivered before the next is sent."""
    client = await connect(api.address)

    async def send_one() -> None:
        number = run.number()
        check_accepted(
            await client.request(api.send(connection_id, f"someone-{number}", f"bench-{number} Hello"))
        )
        await wait_drained(probe, 0.001)

    for _ in range(10):
        await send_one()
    await probe.execute("select pg_stat_statements_reset()")
    for _ in range(_MESSAGES):
        await send_one()
    client.close()
    return int(await probe.fetchval(_COUNTED)) / _MESSAGES


async def _loaded(run: Run, api: Api, connection_id: str, probe: Connection) -> float:
    sent = 0

    def make() -> bytes:
        nonlocal sent
        sent += 1
        number = run.number()
        return api.send(connection_id, f"someone-{number}", f"bench-{number} Hello")

    await probe.execute("select pg_stat_statements_reset()")
    await closed_loop(api.address, CLIENTS, min(run.seconds, 5.0), make, check_accepted)
    await wait_drained(probe)
    return int(await probe.fetchval(_COUNTED)) / sent
