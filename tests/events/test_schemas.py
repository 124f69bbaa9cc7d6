"""Event schemas over the whole process: declared, changed in versions, enforced, and kept apart by tenant."""

import asyncio
import os
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4, uuid5

import asyncpg
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.core.errors import (
    AppError,
    Forbidden,
    IdempotencyConflict,
    NotFound,
    ResourceExists,
    ValidationError,
)
from outrider.events.built_in_schemas import BUILT_IN_SCHEMAS
from outrider.events.creating import MOST_EVENTS, EdgeRequest, NewCustomEvent, create_event, create_events
from outrider.events.json_schemas import open_schema
from outrider.events.schemas import (
    EventSchema,
    EventSchemaChange,
    NewEventSchema,
    create_event_schema,
    get_event_schema,
    list_event_schema_versions,
    list_event_schemas,
    update_event_schema,
)
from outrider.events.values import NodeType
from outrider.runtime.parts import Runtime
from outrider.tenancy.actors import Scope
from tests.running import new_database, running, until
from tests.tenants import Tenant, actor_of, new_tenant

TOTAL = {"type": "object", "required": ["total"], "properties": {"total": {"type": "number", "minimum": 0}}}


@pytest.fixture
async def stranger(runtime: Runtime) -> Tenant:
    """Another organisation."""
    return await new_tenant(runtime.tenancy)


async def declare(runtime: Runtime, tenant: Tenant, name: str, schema: object = TOTAL) -> EventSchema:
    return await create_event_schema(
        runtime.event_schemas, tenant.actor, NewEventSchema(name, schema, "What was ordered")
    )


async def change(runtime: Runtime, tenant: Tenant, name: str, schema: object) -> EventSchema:
    return await update_event_schema(
        runtime.event_schemas, tenant.actor, EventSchemaChange(name=name, json_schema=schema)
    )


async def create(runtime: Runtime, tenant: Tenant, name: str, payload: object) -> UUID:
    new = NewCustomEvent(event_type=name, payload=payload)
    return await create_event(runtime.creating, tenant.actor, new)


async def stored(runtime: Runtime, tenant: Tenant) -> list[str]:
    """The types of the application's events, in their order."""
    rows = await runtime.database.system.fetch(
        "select event_type from events where application_id = $1 order by position", tenant.application_id
    )
    return [row["event_type"] for row in rows]


# --- enforcing


async def test_a_payload_that_violates_its_schema_is_refused_and_nothing_is_written(
    runtime: Runtime, tenant: Tenant
) -> None:
    await declare(runtime, tenant, "order.created")

    with pytest.raises(ValidationError) as refused:
        await create(runtime, tenant, "order.created", {"total": -1})

    assert "payload.total" in refused.value.message
    assert dict(refused.value.details) == {
        "path": "payload.total",
        "keyword": "minimum",
        "schema": "order.created",
        "schema_version": 1,
        "errors": [
            {
                "path": "payload.total",
                "keyword": "minimum",
                "message": "-1 is less than the minimum of 0",
            }
        ],
    }
    assert await stored(runtime, tenant) == []
    await create(runtime, tenant, "order.created", {"total": 1})
    assert await stored(runtime, tenant) == ["order.created"]


async def test_a_type_without_a_schema_takes_any_payload(runtime: Runtime, tenant: Tenant) -> None:
    await declare(runtime, tenant, "order.created")

    for payload in ({"total": -1}, [], 3, "x", None):
        await create(runtime, tenant, "order.closed", payload)


async def test_a_schema_holds_at_once_for_a_type_that_was_free_before(
    runtime: Runtime, tenant: Tenant
) -> None:
    await create(runtime, tenant, "order.created", {})

    await declare(runtime, tenant, "order.created")

    with pytest.raises(ValidationError):
        await create(runtime, tenant, "order.created", {})


async def test_a_new_version_holds_at_once_and_the_log_stays(runtime: Runtime, tenant: Tenant) -> None:
    await declare(runtime, tenant, "order.created")
    first = await create(runtime, tenant, "order.created", {"total": 1})

    await change(runtime, tenant, "order.created", {**TOTAL, "additionalProperties": False})

    with pytest.raises(ValidationError) as refused:
        await create(runtime, tenant, "order.created", {"total": 1, "tax": 0})
    assert refused.value.details["schema_version"] == 2
    kept = await runtime.database.system.fetchval("select payload from events where id = $1", first)
    assert orjson.loads(kept) == {"total": 1}


async def test_another_process_hears_of_a_new_version(
    dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first_folder, second_folder = (tmp_path_factory.mktemp(name) for name in ("first", "second"))
    async with (
        new_database(dsn, "schemas") as own,
        running(own, first_folder) as here,
        running(own, second_folder) as there,
    ):
        tenant = await new_tenant(here.tenancy)
        await create(there, tenant, "order.created", {})
        await declare(here, tenant, "order.created")

        async def is_refused() -> bool:
            try:
                await create(there, tenant, "order.created", {})
            except ValidationError:
                return True
            return False

        await until(is_refused)
        await change(here, tenant, "order.created", {"required": ["tax"]})

        async def is_second_version() -> bool:
            with pytest.raises(ValidationError) as refused:
                await create(there, tenant, "order.created", {})
            return refused.value.details["schema_version"] == 2

        await until(is_second_version)


async def test_a_schema_concerns_its_own_application_alone(
    runtime: Runtime, tenant: Tenant, stranger: Tenant
) -> None:
    await declare(runtime, tenant, "order.created")

    await create(runtime, stranger, "order.created", {})
    other = await declare(runtime, stranger, "order.created", {"required": ["id"]})

    with pytest.raises(ValidationError, match="total"):
        await create(runtime, tenant, "order.created", {"id": 1})
    with pytest.raises(ValidationError, match="id"):
        await create(runtime, stranger, "order.created", {"total": 1})
    assert other.version == 1


# --- declaring and changing


async def test_a_second_schema_of_a_name_is_refused(runtime: Runtime, tenant: Tenant) -> None:
    await declare(runtime, tenant, "order.created")

    with pytest.raises(ResourceExists) as refused:
        await declare(runtime, tenant, "order.created", {})

    assert refused.value.details == {"name": "order.created"}


async def test_of_many_who_declare_a_name_one_succeeds(runtime: Runtime, tenant: Tenant) -> None:
    made = await asyncio.gather(
        *(declare(runtime, tenant, "order.created") for _ in range(8)), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in made) == ["EventSchema", *["ResourceExists"] * 7]


async def test_versions_that_are_made_at_once_all_count_and_are_all_kept(
    runtime: Runtime, tenant: Tenant
) -> None:
    schema = await declare(runtime, tenant, "order.created")

    changed = await asyncio.gather(
        *(change(runtime, tenant, "order.created", {"title": f"change {n}"}) for n in range(8))
    )

    versions = await list_event_schema_versions(runtime.event_schemas, tenant.actor, schema.id)
    assert [one.version for one in versions] == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert {one.version: one.json_schema for one in changed} == {
        one.version: one.json_schema for one in versions[:-1]
    }
    assert orjson.loads(versions[-1].json_schema) == TOTAL


async def test_a_change_keeps_what_it_does_not_name(runtime: Runtime, tenant: Tenant) -> None:
    schema = await declare(runtime, tenant, "order.created")
    context, actor = runtime.event_schemas, tenant.actor

    undescribed = await update_event_schema(
        context, actor, EventSchemaChange(schema_id=schema.id, description=None)
    )
    other = await update_event_schema(context, actor, EventSchemaChange(schema_id=schema.id, json_schema={}))

    assert (undescribed.version, undescribed.description) == (2, None)
    assert orjson.loads(undescribed.json_schema) == TOTAL
    assert (other.version, other.description, other.json_schema) == (3, None, "{}")
    assert undescribed.required_fields == ("total",)
    assert other.required_fields == ()


async def test_a_change_names_one_schema_that_is_there_and_something_to_change(
    runtime: Runtime, tenant: Tenant, stranger: Tenant
) -> None:
    schema = await declare(runtime, tenant, "order.created")
    foreign = await declare(runtime, stranger, "order.closed")
    context, actor = runtime.event_schemas, tenant.actor

    for wrong in (
        EventSchemaChange(json_schema={}),
        EventSchemaChange(schema_id=schema.id, name="order.created", json_schema={}),
        EventSchemaChange(schema_id=schema.id),
        EventSchemaChange(name="message.inbound", json_schema={}),
        EventSchemaChange(schema_id=uuid5(tenant.application_id, "message.inbound"), json_schema={}),
    ):
        with pytest.raises(ValidationError):
            await update_event_schema(context, actor, wrong)
    for missing in (
        EventSchemaChange(schema_id=foreign.id, json_schema={}),
        EventSchemaChange(name="order.closed", json_schema={}),
    ):
        with pytest.raises(NotFound):
            await update_event_schema(context, actor, missing)
    assert (await get_event_schema(context, actor, schema.id)).version == 1


@pytest.mark.parametrize(
    "name",
    [
        "message.x",
        "user.x",
        "system.x",
        "link_code.x",
        "file.inbound",
        "",
        "Order",
        "a b",
        "a-b",
        "x" * 256,
        "ö",
    ],
)
async def test_a_reserved_or_malformed_name_is_refused(runtime: Runtime, tenant: Tenant, name: str) -> None:
    with pytest.raises(ValidationError) as refused:
        await declare(runtime, tenant, name)

    assert refused.value.details["path"] == "name"


@pytest.mark.parametrize("description", ["x" * 2_001, "\0", "\ud800"])
async def test_a_description_must_be_short_and_storable(
    runtime: Runtime, tenant: Tenant, description: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        await create_event_schema(
            runtime.event_schemas, tenant.actor, NewEventSchema("order.created", {}, description)
        )

    assert refused.value.details["path"] == "description"


async def test_schemas_need_their_scopes(runtime: Runtime, tenant: Tenant) -> None:
    context = runtime.event_schemas
    reader, writer = (
        actor_of(
            runtime.tenancy, tenant.organisation_id, tenant.application_id, scopes=frozenset({scope.value})
        )
        for scope in (Scope.EVENTS_READ, Scope.EVENTS_WRITE)
    )

    schema = await create_event_schema(context, writer, NewEventSchema("order.created", {}))
    assert await get_event_schema(context, reader, schema.id) == schema
    with pytest.raises(Forbidden):
        await create_event_schema(context, reader, NewEventSchema("order.closed", {}))
    with pytest.raises(Forbidden):
        await update_event_schema(context, reader, EventSchemaChange(name="order.created", json_schema={}))
    for read in (
        list_event_schemas(context, writer),
        get_event_schema(context, writer, schema.id),
        list_event_schema_versions(context, writer, schema.id),
    ):
        with pytest.raises(Forbidden):
            await read


async def test_declaring_and_changing_leave_audit_events(runtime: Runtime, tenant: Tenant) -> None:
    schema = await declare(runtime, tenant, "order.created")
    await change(runtime, tenant, "order.created", {})

    rows = await runtime.database.system.fetch(
        "select event_type, payload from events where application_id = $1 and event_type like $2 order by position",
        tenant.hidden_application_id,
        "system.event_schema.%",
    )

    assert [row["event_type"] for row in rows] == [
        "system.event_schema.created",
        "system.event_schema.updated",
    ]
    assert [orjson.loads(row["payload"])["version"] for row in rows] == [1, 2]
    assert orjson.loads(rows[0]["payload"])["schema_id"] == str(schema.id)


async def test_the_text_of_a_schema_is_kept_as_it_was_given(runtime: Runtime, tenant: Tenant) -> None:
    text = {"title": "ä", "properties": {"z": {"const": 1.0}, "a": {"const": 10**18}}, "type": "object"}

    schema = await declare(runtime, tenant, "order.created", text)

    assert schema.json_schema == orjson.dumps(text).decode()
    assert await get_event_schema(runtime.event_schemas, tenant.actor, schema.id) == schema


# --- listing


async def test_the_list_has_the_six_built_ins_and_then_the_own_ones_by_name(
    runtime: Runtime, tenant: Tenant, stranger: Tenant
) -> None:
    await declare(runtime, tenant, "zebra")
    await declare(runtime, tenant, "order.created")
    await declare(runtime, stranger, "foreign")

    listed = await list_event_schemas(runtime.event_schemas, tenant.actor)

    assert [(one.name, one.category, one.required_fields, one.description) for one in listed] == [
        ("file.inbound", "file", ("file_id",), "Built-in schema for file.inbound events"),
        (
            "link_code.activation",
            "link_code",
            ("link_code_event_id",),
            "Built-in schema for link_code.activation events",
        ),
        ("link_code.generated", "link_code", ("code",), "Built-in schema for link_code.generated events"),
        (
            "message.inbound",
            "message",
            ("type", "message", "platform"),
            "Built-in schema for message.inbound events",
        ),
        (
            "message.outbound",
            "message",
            ("type", "message", "platform"),
            "Built-in schema for message.outbound events",
        ),
        (
            "user.merged",
            "user",
            ("source_user_id", "target_user_id"),
            "Built-in schema for user.merged events",
        ),
        ("order.created", "custom", ("total",), "What was ordered"),
        ("zebra", "custom", ("total",), "What was ordered"),
    ]
    for one in listed:
        assert one.id == uuid5(tenant.application_id, one.name)
        assert await get_event_schema(runtime.event_schemas, tenant.actor, one.id) == one
        assert one.is_built_in == (one.created_at is None)
        versions = await list_event_schema_versions(runtime.event_schemas, tenant.actor, one.id)
        assert versions == [one]


async def test_a_foreign_schema_answers_as_a_missing_one(
    runtime: Runtime, tenant: Tenant, stranger: Tenant
) -> None:
    foreign = await declare(runtime, stranger, "order.created")

    for missing_id in (foreign.id, uuid4(), uuid5(stranger.application_id, "message.inbound")):
        for read in (get_event_schema, list_event_schema_versions):
            with pytest.raises(NotFound) as refused:
                await read(runtime.event_schemas, tenant.actor, missing_id)
            assert refused.value.details == {"resource_type": "EventSchema", "resource_id": str(missing_id)}


def test_the_built_ins_are_those_that_the_contract_lists() -> None:
    shared = os.environ.get("OUTRIDER_SHARED")
    if shared is None:
        pytest.skip("OUTRIDER_SHARED does not say where the contracts are")
    text = (Path(shared) / "contract/outeract.md").read_text()
    table = text[text.index("### Built-in schemas") :].split("\n\n")[1]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]

    assert [(one.name, one.category, one.required_fields) for one in BUILT_IN_SCHEMAS] == [
        (name.strip("`"), category, tuple(field.strip(" `") for field in fields.split(",")))
        for name, category, fields in rows
    ]


@pytest.mark.parametrize("built_in", BUILT_IN_SCHEMAS, ids=lambda one: one.name)
def test_a_built_in_schema_is_one_that_we_would_take(built_in: Any) -> None:
    schema = open_schema(built_in.json_schema)

    found = schema.violations({}, schema.steps_for({}, b"{}"))
    assert [one.path for one in found] == [f"payload.{name}" for name in built_in.required_fields]


# --- in batches


async def test_a_batch_of_payloads_that_are_slow_to_check_lets_others_go_on(
    runtime: Runtime, tenant: Tenant
) -> None:
    await declare(runtime, tenant, "slow", {"items": {"allOf": [{"minimum": n + 0.5} for n in range(100)]}})
    slow = NewCustomEvent(event_type="slow", payload=[2**63 + 5] * 70)
    gaps: list[float] = []

    async def tick() -> None:
        while True:
            began = perf_counter()
            await asyncio.sleep(0)
            gaps.append(perf_counter() - began)

    ticking = asyncio.create_task(tick())
    began = perf_counter()
    answers = await create_events(runtime.creating, tenant.actor, [slow] * 60)
    lasted = perf_counter() - began
    ticking.cancel()

    assert all(isinstance(answer, UUID) for answer in answers)
    assert max(gaps) < lasted / 3


async def test_of_a_batch_each_event_is_for_itself(
    runtime: Runtime, tenant: Tenant, stranger: Tenant
) -> None:
    await declare(runtime, tenant, "order.created")
    foreign = await create(runtime, stranger, "note", {})
    unreadable = ValidationError("events[6] is not an object.", path="events[6]")
    wanted: list[NewCustomEvent | AppError] = [
        NewCustomEvent(event_type="order.created", payload={"total": 1}),
        NewCustomEvent(event_type="order.created", payload={"total": -1}),
        NewCustomEvent(event_type="message.inbound", payload={}),
        NewCustomEvent(
            event_type="note",
            payload={},
            edges=[EdgeRequest("about", NodeType.EVENT, foreign)],
        ),
        NewCustomEvent(event_type="note", payload={"at": 10**30}),
        NewCustomEvent(event_type="note", payload={}, idempotency_key=""),
        unreadable,
        NewCustomEvent(event_type="note", payload=7),
    ]

    answers = await create_events(runtime.creating, tenant.actor, wanted)

    assert [type(answer).__name__ if isinstance(answer, AppError) else "id" for answer in answers] == [
        "id",
        *["ValidationError"] * 2,
        "NotFound",
        *["ValidationError"] * 3,
        "id",
    ]
    assert answers[6] is unreadable
    assert await stored(runtime, tenant) == ["order.created", "note"]


async def test_a_key_twice_in_a_batch_gives_the_same_event_or_a_conflict(
    runtime: Runtime, tenant: Tenant
) -> None:
    def noted(payload: object) -> NewCustomEvent:
        return NewCustomEvent(event_type="note", payload=payload, idempotency_key="k")

    first, again, other = await create_events(runtime.creating, tenant.actor, [noted(1), noted(1), noted(2)])

    assert first == again == await create_event(runtime.creating, tenant.actor, noted(1))
    assert isinstance(other, IdempotencyConflict)
    assert await stored(runtime, tenant) == ["note"]


async def test_a_batch_keeps_its_order_and_names_the_people_of_its_edges(
    runtime: Runtime, tenant: Tenant
) -> None:
    person = uuid4()
    await runtime.database.system.execute(
        "with known as (insert into users (application_id, id, created_at) values ($1, $2, now())) "
        "insert into platform_users (application_id, id, user_id, connection_id, external_id, name, created_at) "
        "values ($1, $3, $2, $2, 'ada', 'Ada', now())",
        tenant.application_id,
        uuid4(),
        person,
    )
    batch = [
        NewCustomEvent(
            event_type=f"n{number:03}",
            payload={},
            edges=[EdgeRequest("by", NodeType.PLATFORM_USER, person)],
        )
        for number in range(MOST_EVENTS)
    ]

    answers = await create_events(runtime.creating, tenant.actor, batch)

    assert len({answer for answer in answers if isinstance(answer, UUID)}) == MOST_EVENTS
    assert await stored(runtime, tenant) == [new.event_type for new in batch]


async def test_a_batch_has_one_to_five_hundred_events_and_needs_the_scope(
    runtime: Runtime, tenant: Tenant
) -> None:
    note = NewCustomEvent(event_type="note", payload={})
    reader = actor_of(
        runtime.tenancy,
        tenant.organisation_id,
        tenant.application_id,
        scopes=frozenset({Scope.EVENTS_READ.value}),
    )

    for wrong in ([], [note] * (MOST_EVENTS + 1)):
        with pytest.raises(ValidationError):
            await create_events(runtime.creating, tenant.actor, wrong)
    with pytest.raises(Forbidden):
        await create_events(runtime.creating, reader, [note])
    assert await stored(runtime, tenant) == []


async def test_an_edge_to_a_file_that_is_not_there_is_refused(runtime: Runtime, tenant: Tenant) -> None:
    missing = uuid4()

    (answer,) = await create_events(
        runtime.creating,
        tenant.actor,
        [
            NewCustomEvent(
                event_type="note", payload={}, edges=[EdgeRequest("attachment", NodeType.FILE, missing)]
            )
        ],
    )

    assert isinstance(answer, NotFound)
    assert answer.details == {"resource_type": "File", "resource_id": str(missing)}


# --- walls


async def test_a_version_cannot_be_changed_even_by_its_own_tenant(runtime: Runtime, tenant: Tenant) -> None:
    await declare(runtime, tenant, "order.created")

    for statement in (
        "update event_schema_versions set json_schema = '{}'",
        "delete from event_schema_versions",
        "delete from event_schemas",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with runtime.database.tenant(tenant.organisation_id) as connection:
                await connection.execute(statement)


async def test_a_settings_transaction_sees_no_schema_of_another_organisation(
    runtime: Runtime, tenant: Tenant, stranger: Tenant
) -> None:
    await declare(runtime, stranger, "order.created")

    async with runtime.database.tenant(tenant.organisation_id) as connection:
        for table in ("event_schemas", "event_schema_versions"):
            assert await connection.fetchval(f"select count(*) from {table}") == 0


# --- whatever comes

_WORDS = st.sampled_from(
    ["type", "properties", "$ref", "required", "enum", "items", "total", "#", "object", "\ud800"]
)
_JUNK: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | _WORDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_WORDS | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=8) | st.just("order.created"), _JUNK, st.none() | st.text(max_size=8), _JUNK)
async def test_whatever_is_declared_and_created_is_taken_or_refused_in_words(
    runtime: Runtime, name: str, schema: object, description: str | None, payload: object
) -> None:
    tenant = await new_tenant(runtime.tenancy)
    try:
        await create_event_schema(
            runtime.event_schemas, tenant.actor, NewEventSchema(name, schema, description)
        )
    except AppError as refused:
        assert refused.code == "VALIDATION_ERROR"  # noqa: PT017
        assert await list_names(runtime, tenant) == []
        return
    try:
        await create(runtime, tenant, name, payload)
    except AppError as refused:
        assert refused.code == "VALIDATION_ERROR"  # noqa: PT017
        assert await stored(runtime, tenant) == []
    else:
        assert await stored(runtime, tenant) == [name]


async def list_names(runtime: Runtime, tenant: Tenant) -> list[str]:
    listed = await list_event_schemas(runtime.event_schemas, tenant.actor)
    return [one.name for one in listed if not one.is_built_in]
