"""A page of events over GraphQL; the limit is the same rows of the same page by pgbench, as one statement."""

from bench.api import Api, Refused
from bench.http_client import Response, ask
from bench.load import closed_loop
from bench.results import Row
from bench.rows.accepting import fill
from bench.runs import CLIENTS, Run, interleaved
from bench.servers import running_server

NAMES = ("graphql_page",)
_EVENT_TYPE = "message.outbound"
_EVENTS = 20
_EDGES = 2
_FEWEST_IN_LOG = 20_000


async def measure(run: Run, wanted: set[str]) -> list[Row]:
    """The row, each round with its limit."""
    del wanted
    async with running_server(run.data_dir) as server:
        api = Api(server.address, run.credentials.api_key)
        await fill(run, api, _FEWEST_IN_LOG)
        await run.probe.execute("analyze events, edges, platform_users")
        request = api.page(_EVENT_TYPE)
        expected = await ask(api.address, request)
        _check_page(expected)
        script = run.script("page", _page_sql(run.credentials.application_id))
        shape = await run.probe.fetch(script.read_text())
        assert len(shape) == _EVENTS * _EDGES, f"pgbench's page has {len(shape)} rows"

        def check(response: Response) -> None:
            if response.status != 200 or len(response.body) != len(expected.body):
                raise Refused(f"another page than before: {response.body.decode()[:2000]}")

        async def product() -> float:
            found = await closed_loop(api.address, CLIENTS, run.seconds, lambda: request, check)
            run.facts["graphql_page: load generator, share of a core"] = round(found.cpu_share, 2)
            return found.rate

        limit, rate = await interleaved(
            run.rounds, lambda: run.database.pgbench(script, CLIENTS, run.seconds), product
        )
    return [Row("graphql_page", rate, "pages/s", limit, "the same rows by pgbench, 32 connections")]


def _check_page(response: Response) -> None:
    edges = response.body.count(b'"edgeType"')
    nodes = response.body.count(b'"eventType"')
    if response.status != 200 or (nodes, edges) != (_EVENTS, _EVENTS * _EDGES):
        raise Refused(f"a page of {nodes} events and {edges} edges: {response.body.decode()[:2000]}")


def _page_sql(application_id: str) -> str:
    return f"""
select e.id, e.event_type, e.payload, g.edge_type, u.external_id
from (
  select application_id, id, event_type, payload from events
  where application_id = '{application_id}' and event_type = '{_EVENT_TYPE}'
    and id >= uuidv7(interval '-1 day')
  order by id desc limit {_EVENTS}
) e
join edges g on g.application_id = e.application_id and g.event_id = e.id
left join platform_users u on u.application_id = g.application_id and u.id = g.target_id
order by e.id desc, g.id"""
