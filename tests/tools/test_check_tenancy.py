"""The tenancy lint: what it lets pass, and what it must catch."""

from pathlib import Path

import pytest

from tools.check_tenancy import check_file, tenant_functions, tenant_tables
from tools.walls import judge

TABLES = {
    "organisations": frozenset({"id"}),
    "applications": frozenset({"organisation_id", "id"}),
    "connections": frozenset({"organisation_id", "application_id"}),
    "events": frozenset({"application_id"}),
    "edges": frozenset({"application_id"}),
    "users": frozenset({"application_id"}),
}

WALLED = """
select id from events where application_id = $1 and id = $2
SELECT e.id FROM events AS e WHERE e.application_id = $1::uuid ORDER BY e.id DESC LIMIT 20
select * from events e join edges d on d.application_id = e.application_id where $1 = e.application_id
select * from events join edges using (application_id, event_id) where application_id = $1
select (select count(*) from edges d where d.application_id = e.application_id) from events e where application_id = $1
select e.id from events e where (e.application_id, e.id) = ($1, $2)
with new as (select id from events where application_id = $1) select * from new, users u where u.application_id = $1
insert into users (application_id, id) values ($1, $2), ($1, $3) on conflict (id) do update set name = excluded.name
insert into users (id, application_id) select coalesce($2, gen_random_uuid()), $1
insert into users (application_id, id) select e.application_id, e.id from events e where e.application_id = $1
update connections set name = $3 where organisation_id = $1 and id = $2 returning id
delete from edges d using events e where d.application_id = e.application_id and e.application_id = $1
select slug from applications where id = $1
select name from organisations where id = $1
select a.slug from applications a join connections c on c.application_id = a.id where c.organisation_id = $1
select id from events where application_id = $1 union all select id from users where application_id = $1
select id from events where application_id = $1 order by id limit 1 for update of events skip locked
select extract(epoch from now()), 'from events' -- from users
""".strip().splitlines()

OPEN = [
    ("select id from events where id = $1", "events"),
    ("select id from events", "events"),
    ("select id from events where application_id = $2 and id = $1", "events"),
    ("select id from events where application_id is not null", "events"),
    ("select id from events -- where application_id = $1", "events"),
    ("select id from events where payload = 'application_id = $1'", "events"),
    ("select * from events e join edges d on d.event_id = e.id where e.application_id = $1", "edges"),
    ("select * from events e, edges d where e.application_id = d.application_id", "take the tenant as $1|events"),
    ("select * from users u, events e, edges d where u.application_id = $1 and e.application_id = d.application_id",
     "events, edges"),
    ("select e.id, (select count(*) from edges) from events e where e.application_id = $1", "edges"),
    ("with every as (select id from users) select * from events where application_id = $1", "users"),
    ("insert into users (application_id, id) values ($2, $1)", "users"),
    ("insert into users (application_id, id) values ($1, $2), ($3, $2)", "users"),
    ("insert into users select $1, $2", "users"),
    ("insert into users (application_id, id) select application_id, id from events", "events"),
    ("update connections set name = $1 where id = $2", "connections"),
    ("update connections set organisation_id = $2 where id = $1", "connections"),
    ("delete from users", "users"),
    ("delete from edges d using events e where e.application_id = $1 and d.event_id = e.id", "edges"),
    ("select a.slug from applications a join events e on e.id = a.id where e.application_id = $1", "applications"),
    ("select id from events where application_id = $1 union all select id from users", "users"),
    ("truncate events", "events"),
    ("drop table events", "events"),
]  # fmt: skip


@pytest.mark.parametrize("sql", WALLED)
def test_a_statement_that_stays_with_its_tenant_passes(sql: str) -> None:
    assert judge(sql, TABLES).problem is None


@pytest.mark.parametrize(("sql", "named"), OPEN)
def test_a_statement_that_could_leave_its_tenant_is_named(sql: str, named: str) -> None:
    problem = judge(sql, TABLES).problem

    assert problem is not None
    assert any(name in problem for name in named.split("|"))


def _check(folder: Path, name: str, source: str) -> list[str]:
    file = folder / name
    file.write_text(source)
    return [finding.message for finding in check_file(file, TABLES, frozenset({"newest_events"}))]


def test_a_broken_statement_in_a_queries_file_is_found(tmp_path: Path) -> None:
    good = 'READ = "select 1 from users where application_id = $1"\n'

    assert _check(tmp_path, "queries.py", good) == []
    assert _check(tmp_path, "queries.py", good.replace("= $1", "> $1")) != []


def test_a_call_must_pass_the_tenant_first(tmp_path: Path) -> None:
    source = """
READ = "select 1 from users where application_id = $1 and id = $2"
async def read(connection, application_id, id): return await connection.fetch(READ, {})
"""

    assert _check(tmp_path, "queries.py", source.format("application_id, id")) == []
    assert _check(tmp_path, "queries.py", source.format("actor.application_id, id")) == []
    assert _check(tmp_path, "queries.py", source.format("id, application_id")) != []
    assert _check(tmp_path, "queries.py", source.format("")) != []


def test_a_function_over_tenant_tables_is_called_for_one_tenant(tmp_path: Path) -> None:
    source = """
READ = "select * from newest_events({})"
async def read(connection, application_id, id): return await connection.fetch(READ, {})
"""

    assert _check(tmp_path, "queries.py", source.format("$1, $2", "application_id, id")) == []
    assert _check(tmp_path, "queries.py", source.format("$2, $1", "application_id, id")) != []
    assert _check(tmp_path, "queries.py", source.format("$1, $2", "id, application_id")) != []


COMPILER = """
WALL: str = "{{alias}}.application_id = $1"
TABLES = {{"users": {}}}
class Statement:
    def scan(self, table, alias): return f"from {{table}} {{alias}} where {{TABLES[table]}}"
    def {}(self, table): return f"select 1 from {{table}}"
"""


def test_only_one_function_of_a_compiler_names_tables_and_its_walls_hold(tmp_path: Path) -> None:
    (tmp_path / "queries").mkdir()

    def check(wall: str, other: str) -> list[str]:
        return _check(tmp_path / "queries", "statements.py", COMPILER.format(wall, other))

    assert check("WALL", "scan") == []
    assert check('"{alias}.application_id = {organisation}"', "scan") == []
    assert check('"{alias}.id = $1"', "scan") == ["this wall does not bind users to the tenant"]
    assert check("WALL", "peek") == [
        "only scan() may name a table; an inner query stands in brackets: from ({…})"
    ]


def test_sql_outside_the_files_for_it_is_found(tmp_path: Path) -> None:
    source = 'READ = f"select {columns} from users where application_id = $1"\n'

    assert _check(tmp_path, "sending.py", source) != []
    assert _check(tmp_path, "sending.py", 'REASON = "a reply from users of the application"\n') == []


def test_crossing_tenants_takes_a_reason(tmp_path: Path) -> None:
    statement = 'KEY = "select application_id from users"\n'
    docstring = '"""A key names its tenant, so looking it up has none yet."""\n'

    assert (
        _check(tmp_path, "cross_tenant.py", docstring + "# The caller has no tenant yet.\n" + statement) == []
    )
    assert _check(tmp_path, "cross_tenant.py", docstring + "\n" + statement) != []
    assert _check(tmp_path, "cross_tenant.py", "# The caller has no tenant yet.\n" + statement) != []


def test_tables_and_functions_of_the_migrations_are_known() -> None:
    tables = tenant_tables()
    functions = tenant_functions(tables)

    assert {"events", "edges", "messages", "connections", "delivery_queue"} <= set(tables)
    assert "processes" not in tables
    assert "append_batch" in functions
    assert "shown_time" not in functions
