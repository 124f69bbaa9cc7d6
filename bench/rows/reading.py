"""Pages over GraphQL, of events and of conversations; the limit is the same rows by pgbench, as one statement."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.api import Api, Refused, check_accepted, inbound_message
from bench.http_client import Response, ask
from bench.load import closed_loop, send_all
from bench.results import Row
from bench.rows.accepting import fill
from bench.runs import CLIENTS, Run, interleaved, wait_drained
from bench.servers import running_server

NAMES = ("graphql_page", "conversations_page")
_ENTRIES = 20
_EVENT_TYPE = "message.outbound"
_EDGES = 2
_FEWEST_IN_LOG = 20_000
_WRITERS = 500
_TIMES = 4
_LIMIT = "the same rows by pgbench, 32 connections"


@dataclass(frozen=True)
class _Page:
    """A request that is sent again and again, the statement beside it, and what proves that both give the same.

    `marks`: words of the answer, and how often each stands in it.
    """

    request: bytes
    sql: str
    marks: dict[bytes, int]
    rows: int


async def measure(run: Run, wanted: set[str]) -> list[Row]:
    """The rows that are wanted, each with its limit."""
    makers: dict[str, Callable[[Run, Api], Awaitable[_Page]]] = {
        "graphql_page": _events,
        "conversations_page": _conversations,
    }
    async with running_server(run.data_dir) as server:
        api = Api(server.address, run.credentials.api_key)
        await fill(run, api, _FEWEST_IN_LOG)
        return [
            await _measured(run, api, name, await makers[name](run, api)) for name in NAMES if name in wanted
        ]


async def _measured(run: Run, api: Api, name: str, page: _Page) -> Row:
    await run.probe.execute("analyze events, edges, platform_users")
    expected = await ask(api.address, page.request)
    _check_page(expected, page)
    script = run.script(name, page.sql)
    shape = await run.probe.fetch(script.read_text())
    assert len(shape) == page.rows, f"pgbench's {name} has {len(shape)} rows"

    def check(response: Response) -> None:
        if response.status != 200 or len(response.body) != len(expected.body):
            raise Refused(f"another page than before: {response.body.decode()[:2000]}")

    async def product() -> float:
        found = await closed_loop(api.address, CLIENTS, run.seconds, lambda: page.request, check)
        run.facts[f"{name}: load generator, share of a core"] = round(found.cpu_share, 2)
        return found.rate

    limit, rate = await interleaved(
        run.rounds, lambda: run.database.pgbench(script, CLIENTS, run.seconds), product
    )
    return Row(name, rate, "pages/s", limit, _LIMIT)


def _check_page(response: Response, page: _Page) -> None:
    counted = {mark: response.body.count(mark) for mark in page.marks}
    if response.status != 200 or counted != page.marks:
        raise Refused(f"a page with {counted}: {response.body.decode()[:2000]}")


async def _events(run: Run, api: Api) -> _Page:
    return _Page(
        request=api.page(_EVENT_TYPE),
        sql=_events_sql(run.credentials.application_id),
        marks={b'"eventType"': _ENTRIES, b'"edgeType"': _ENTRIES * _EDGES},
        rows=_ENTRIES * _EDGES,
    )


async def _conversations(run: Run, api: Api) -> _Page:
    """Have some people write a few times each, the last of whom are on the page."""
    inbox = await api.create_connection("bench-inbox")
    requests = [
        inbound_message(inbox.webhook_path, f"conversation-{turn}-{writer}", f"writer-{writer}", "Hello?")
        for turn in range(_TIMES)
        for writer in range(_WRITERS)
    ]
    await send_all(api.address, CLIENTS, requests, check_accepted)
    await wait_drained(run.probe)
    return _Page(
        request=api.conversations(),
        sql=_conversations_sql(run.credentials.application_id),
        marks={b'"lastMessage"': _ENTRIES, b'"unreadCount":%d' % _TIMES: _ENTRIES},
        rows=_ENTRIES,
    )


def _events_sql(application_id: str) -> str:
    return f"""
select e.id, e.event_type, e.payload, g.edge_type, u.external_id
from (
  select application_id, id, event_type, payload from events
  where application_id = '{application_id}' and event_type = '{_EVENT_TYPE}'
    and id >= uuidv7(interval '-1 day')
  order by id desc limit {_ENTRIES}
) e
join edges g on g.application_id = e.application_id and g.event_id = e.id
left join platform_users u on u.application_id = g.application_id and u.id = g.target_id
order by e.id desc, g.id"""


def _conversations_sql(application_id: str) -> str:
    """The newest messages, inward and outward, are walked until there are enough whose person has no newer one."""
    newest = " union all ".join(
        f"""(select id, event_type, payload from events
    where application_id = '{application_id}' and event_type = '{event_type}' order by id desc)"""
        for event_type in ("message.inbound", "message.outbound")
    )
    return f"""
select e.id, e.event_type, e.payload, p.id, p.external_id, p.name, (
    select count(*) from (
      select event_id, edge_type from edges where application_id = '{application_id}' and target_id = p.id
      order by event_id desc limit 1000) g
    where g.edge_type = 'sent_by' and (select i.event_type from events i
      where i.application_id = '{application_id}' and i.id = g.event_id) = 'message.inbound') as unread
from ({newest} order by id desc) e
cross join lateral (
  select target_id from edges where application_id = '{application_id}' and event_id = e.id
    and edge_type = case e.event_type when 'message.inbound' then 'sent_by' else 'sent_to' end limit 1) g
cross join lateral (
  select id, external_id, name from platform_users
  where application_id = '{application_id}' and id = g.target_id limit 1) p
where e.id = (
    select n.event_id from edges n where n.application_id = '{application_id}' and n.target_id = p.id
      and n.edge_type in ('sent_by', 'sent_to') order by n.event_id desc limit 1)
  and (e.event_type = 'message.inbound' or (
    select true from edges n where n.application_id = '{application_id}' and n.target_id = p.id
      and n.edge_type = 'sent_by' limit 1))
order by e.id desc limit {_ENTRIES}"""
