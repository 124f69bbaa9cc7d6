"""The researcher over a conversation that really took place, in the sandbox: levels, ageing, the background."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from outrider.core.errors import Forbidden, NotFound, ValidationError
from outrider.messaging.sending import send_message
from outrider.messaging.values import SendRequest
from outrider.outreach.dossiers import keeping, researching
from outrider.outreach.dossiers.keeping import WrittenDossier
from outrider.outreach.dossiers.queries import Requested
from outrider.outreach.dossiers.researcher import Researcher, ResearchTimes
from outrider.outreach.dossiers.values import Dossier, Fact
from outrider.platforms.base import Channel, InboundRequest
from outrider.runtime.parts import Runtime
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.roles import Role
from outrider.webhooks.receiving import receive
from tests.outreach.contacts import new_company, new_contact, new_list
from tests.running import connect_sandbox, new_database, running, until
from tests.tenants import Tenant, new_tenant

Database = asyncpg.Connection


@pytest.fixture(scope="module")
async def own_dsn(dsn: str) -> AsyncGenerator[str]:
    async with new_database(dsn, "researching") as own:
        yield own


@pytest.fixture(scope="module")
async def database(own_dsn: str) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(own_dsn)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def process(own_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Runtime]:
    async with running(own_dsn, tmp_path_factory.mktemp("process")) as found:
        yield found


@pytest.fixture
async def tenant(process: Runtime) -> Tenant:
    return await new_tenant(process.tenancy)


@pytest.fixture
def member(process: Runtime, tenant: Tenant) -> ActingMember:
    return member_of(process, tenant)


def member_of(process: Runtime, tenant: Tenant, role: Role = Role.OWNER) -> ActingMember:
    return ActingMember(
        organisation_id=tenant.organisation_id,
        hidden_application_id=tenant.hidden_application_id,
        id=process.tenancy.ids.new(),
        session_id=process.tenancy.ids.new(),
        role=role,
        tier="unlimited",
    )


@dataclass(frozen=True)
class Met:
    """A contact who was written to, and who wrote back."""

    contact_id: UUID
    sent: UUID
    told: dict[str, str]


async def meet(process: Runtime, tenant: Tenant, database: Database) -> Met:
    """One mail out, delivered, opened, clicked and answered by SMS."""
    tenancy, organisation_id = process.tenancy, tenant.organisation_id
    company_id = await new_company(tenancy, organisation_id, "Analytical Engines", "engines.example")
    list_id = await new_list(tenancy, organisation_id, "Spring", "Show the mill")
    await new_contact(tenancy, organisation_id, "Bob", "bob@engines.example", company_id=company_id)
    # a platform may know them in other capitals than we compare in
    contact_id = await new_contact(
        tenancy,
        organisation_id,
        "Ada Lovelace",
        "Ada.delivered@engines.example",
        phone="+14155550123",
        company_id=company_id,
        list_id=list_id,
        scores=(80, 40),
    )
    mail = await connect_sandbox(process, tenant, channel=Channel.EMAIL)
    phone = await connect_sandbox(process, tenant, channel=Channel.SMS)
    sent = await send_message(
        process.sending,
        tenant.actor,
        SendRequest(connection_id=mail.id, recipient="Ada.delivered@engines.example", text="See the mill"),
    )
    await until(lambda: _has(database, sent.event_id, "message.delivered"))
    external_id = await database.fetchval("select external_id from messages where id = $1", sent.event_id)
    await knock(
        process,
        tenant,
        mail.id,
        {
            "receipts": [
                {"id": "o1", "message_id": external_id, "state": "opened"},
                {
                    "id": "c1",
                    "message_id": external_id,
                    "state": "clicked",
                    "url": "https://engines.example/mill",
                },
            ]
        },
    )
    await knock(
        process, tenant, phone.id, {"messages": [{"id": "m1", "from": "+14155550123", "text": "Yes!"}]}
    )
    rows = await database.fetch(
        "select id, event_type from events where application_id = $1 and event_type like 'message.%'",
        tenant.application_id,
    )
    return Met(contact_id, sent.event_id, {row["event_type"]: str(row["id"]) for row in rows})


async def _has(database: Database, origin: UUID, event_type: str) -> bool:
    found = "select exists (select from events where origin_event_id = $1 and event_type = $2)"
    return bool(await database.fetchval(found, origin, event_type))


async def knock(process: Runtime, tenant: Tenant, connection_id: UUID, body: object) -> None:
    entry = await process.directories.connections.get(tenant.application_id, connection_id)
    assert entry is not None
    await receive(process.receiving, entry, InboundRequest({}, orjson.dumps(body)))


async def written(database: Database, tenant: Tenant) -> list[dict[str, Any]]:
    """What the organisation's log says of dossiers, oldest first."""
    rows = await database.fetch(
        "select event_type, payload::text as payload from events where application_id = $1"
        " and (event_type like 'system.dossier.%' or event_type like 'system.research.%') order by position",
        tenant.hidden_application_id,
    )
    return [{"type": row["event_type"], **orjson.loads(row["payload"])} for row in rows]


async def test_every_level_holds_the_ones_before_and_facts_point_at_their_events(
    process: Runtime, tenant: Tenant, member: ActingMember, database: Database
) -> None:
    met = await meet(process, tenant, database)
    made = [
        await researching.research_contact(process.tenancy, member, met.contact_id, level)
        for level in (1, 2, 3, 4)
    ]

    texts = [{fact.text for fact in one.facts} for one in made]
    assert texts[0] < texts[1] < texts[2] < texts[3]
    assert "Fit score: 80 of 100." in texts[0]
    assert "Bob (bob@engines.example) works there too: qualified." in texts[1]
    pointed = {fact.text.split(",")[0].split(" on ")[0]: fact.event_id for fact in made[3].facts}
    assert pointed["We sent 1 message by e-mail"] == met.sent
    assert str(pointed["1 message of ours was delivered"]) == met.told["message.delivered"]
    assert str(pointed["1 message of ours was opened"]) == met.told["message.opened"]
    assert str(pointed["Clicked https://engines.example/mill"]) == met.told["message.clicked"]
    assert str(pointed["They sent 1 message by SMS"]) == met.told["message.inbound"]
    assert made[3].summary.startswith("Ada Lovelace of Analytical Engines (engines.example) has been known")
    assert made[3].summary.endswith("“Yes!” They wait for an answer.")
    assert all(one.is_researched for one in made)

    again = await researching.research_contact(process.tenancy, member, met.contact_id, 4)
    assert (again.summary, again.facts) == (made[3].summary, made[3].facts)
    assert again.researched_at >= made[3].researched_at
    assert await keeping.get_dossier(process.tenancy, member, met.contact_id) == again


async def test_each_write_leaves_the_whole_dossier_in_the_log(
    process: Runtime, tenant: Tenant, member: ActingMember, database: Database
) -> None:
    contact_id = await new_contact(process.tenancy, tenant.organisation_id, "Ada", "ada@example.com")
    by_hand = WrittenDossier(
        contact_id=contact_id, level=2, summary="Likes mills.", facts=[Fact("Owns one.", "https://a.example")]
    )
    await keeping.write_dossier(process.tenancy, member, by_hand)
    await researching.research_contact(process.tenancy, member, contact_id, 1)
    assert await keeping.delete_dossier(process.tenancy, member, contact_id)
    assert not await keeping.delete_dossier(process.tenancy, member, contact_id)

    first, second, last = await written(database, tenant)
    assert (first["type"], first["contact_id"]) == ("system.dossier.written", str(contact_id))
    assert (first["level"], first["summary"], first["is_researched"]) == (2, "Likes mills.", False)
    assert first["facts"] == [{"text": "Owns one.", "source": "https://a.example", "eventId": None}]
    assert first["by"] == {"type": "member", "id": str(member.id)}
    assert second["is_researched"]
    assert (last["type"], last["contact_id"]) == ("system.dossier.deleted", str(contact_id))
    assert await keeping.get_dossier(process.tenancy, member, contact_id) is None


async def test_the_lifetime_holds_for_dossiers_there_are_and_those_to_come(
    process: Runtime, tenant: Tenant, member: ActingMember, database: Database
) -> None:
    contact_id = await new_contact(process.tenancy, tenant.organisation_id, "Ada", "ada@example.com")
    assert await keeping.get_lifetime(process.tenancy, member) == 30
    made = await researching.research_contact(process.tenancy, member, contact_id, 1)
    assert made.expires_at - made.researched_at == timedelta(days=30)

    assert await keeping.set_lifetime(process.tenancy, member, 7) == 7
    there = await keeping.get_dossier(process.tenancy, member, contact_id)
    assert there is not None
    assert there.expires_at - there.researched_at == timedelta(days=7)
    to_come = await researching.research_contact(process.tenancy, member, contact_id, 1)
    assert to_come.expires_at - to_come.researched_at == timedelta(days=7)
    for days in (0, -1, 3_651):
        with pytest.raises(ValidationError, match="from 1 to 3,650"):
            await keeping.set_lifetime(process.tenancy, member, days)


async def test_a_fact_whose_event_is_gone_keeps_its_text_and_may_be_written_again(
    process: Runtime, tenant: Tenant, member: ActingMember, database: Database
) -> None:
    met = await meet(process, tenant, database)
    made = await researching.research_contact(process.tenancy, member, met.contact_id, 3)
    await database.execute("delete from events where application_id = $1", tenant.application_id)
    there = await keeping.get_dossier(process.tenancy, member, met.contact_id)
    assert there is not None
    assert there.facts == made.facts

    edited = WrittenDossier(
        contact_id=met.contact_id, level=3, summary="Edited.", facts=[*there.facts, Fact("New.", "me")]
    )
    assert (await keeping.write_dossier(process.tenancy, member, edited)).facts[:-1] == made.facts
    unknown = [Fact("New.", "me", process.tenancy.ids.new())]
    with pytest.raises(NotFound, match="Event not found"):
        await keeping.write_dossier(
            process.tenancy,
            member,
            WrittenDossier(contact_id=met.contact_id, level=3, summary="x", facts=unknown),
        )


async def test_many_are_researched_in_the_background(
    process: Runtime, tenant: Tenant, member: ActingMember, database: Database
) -> None:
    list_id = await new_list(process.tenancy, tenant.organisation_id, "Spring")
    listed = [
        await new_contact(
            process.tenancy, tenant.organisation_id, f"N{n}", f"n{n}@example.com", list_id=list_id
        )
        for n in range(40)
    ]
    other = await new_contact(process.tenancy, tenant.organisation_id, "Other", "other@example.com")

    asked = await researching.request_research(process.tenancy, member, Requested(list_id=list_id), 2)

    async def is_done() -> bool:
        return await researching.count_waiting(process.tenancy, member) == 0

    await until(is_done, seconds=20)
    assert (asked.contacts, asked.waiting) == (40, 40)
    made = [await keeping.get_dossier(process.tenancy, member, one) for one in listed]
    assert [one.level for one in made if one is not None] == [2] * 40
    assert await keeping.get_dossier(process.tenancy, member, other) is None
    log = await written(database, tenant)
    assert (log[0]["type"], log[0]["contacts"], log[0]["list_id"]) == (
        "system.research.requested",
        40,
        str(list_id),
    )
    assert {one["by"]["id"] for one in log} == {str(member.id)}


async def test_a_stale_dossier_of_the_researcher_is_made_anew_and_one_by_hand_is_not(
    process: Runtime, tenant: Tenant, member: ActingMember, database: Database
) -> None:
    contacts = [
        await new_contact(process.tenancy, tenant.organisation_id, name, f"{name}@example.com")
        for name in ("made", "written")
    ]
    await researching.research_contact(process.tenancy, member, contacts[0], 2)
    by_hand = WrittenDossier(contact_id=contacts[1], level=2, summary="By hand.", facts=[])
    await keeping.write_dossier(process.tenancy, member, by_hand)
    await database.execute(
        "update dossiers set researched_at = '2026-01-01', expires_at = '2026-01-31' where organisation_id = $1",
        tenant.organisation_id,
    )

    async def dossier_of(contact_id: UUID) -> Dossier:
        found = await keeping.get_dossier(process.tenancy, member, contact_id)
        assert found is not None
        return found

    async def is_fresh() -> bool:
        return (await dossier_of(contacts[0])).expires_at > process.tenancy.ids.now()

    second = Researcher(process.tenancy, ResearchTimes(tick_seconds=0.05, old_seconds=0.05))
    second.start()
    try:
        await until(is_fresh)
    finally:
        await second.close()
    assert (await dossier_of(contacts[0])).level == 2
    assert (await dossier_of(contacts[1])).expires_at.year == 2026
    assert (await written(database, tenant))[-1]["by"] == {"type": "system"}

    asked = await researching.request_research(process.tenancy, member, Requested(is_stale=True), 3)
    assert asked.contacts == 1
    await until(lambda: _is_level(process, member, contacts[1], 3))


async def _is_level(process: Runtime, member: ActingMember, contact_id: UUID, level: int) -> bool:
    found = await keeping.get_dossier(process.tenancy, member, contact_id)
    return found is not None and found.level == level


async def test_what_a_killed_process_had_claimed_is_due_again(
    process: Runtime, tenant: Tenant, member: ActingMember, database: Database
) -> None:
    contact_id = await new_contact(process.tenancy, tenant.organisation_id, "Ada", "ada@example.com")
    await database.execute(
        "insert into research_requests (organisation_id, contact_id, level, claim, due_at)"
        " values ($1, $2, 1, $3, clock_timestamp() + interval '1 second')",
        tenant.organisation_id,
        contact_id,
        process.tenancy.ids.new(),
    )
    await until(lambda: _is_level(process, member, contact_id, 1))


async def test_what_belongs_to_another_organisation_is_missing(
    process: Runtime, tenant: Tenant, member: ActingMember, database: Database
) -> None:
    other = await new_tenant(process.tenancy)
    met = await meet(process, other, database)
    own = await new_contact(process.tenancy, tenant.organisation_id, "Ada", "ada.delivered@engines.example")
    list_id = await database.fetchval(
        "select id from contact_lists where organisation_id = $1", other.organisation_id
    )
    missing = process.tenancy.ids.new()
    for contact_id in (met.contact_id, missing):
        written_dossier = WrittenDossier(contact_id=contact_id, level=1, summary="x", facts=[])
        for refused in (
            researching.research_contact(process.tenancy, member, contact_id, 4),
            keeping.write_dossier(process.tenancy, member, written_dossier),
            keeping.delete_dossier(process.tenancy, member, contact_id),
            researching.request_research(process.tenancy, member, Requested([own, contact_id]), 4),
        ):
            with pytest.raises(NotFound) as found:
                await refused
            assert found.value.details == {"resource_type": "Contact", "resource_id": str(contact_id)}
        assert await keeping.get_dossier(process.tenancy, member, contact_id) is None
    with pytest.raises(NotFound):
        await researching.request_research(process.tenancy, member, Requested(list_id=list_id), 4)
    pointing = WrittenDossier(contact_id=own, level=1, summary="x", facts=[Fact("x", "y", met.sent)])
    with pytest.raises(NotFound, match="Event not found"):
        await keeping.write_dossier(process.tenancy, member, pointing)

    # the same address, and nothing of what was said elsewhere
    made = await researching.research_contact(process.tenancy, member, own, 4)
    assert made.summary.endswith("Nothing was said yet.")
    assert [one["contact_id"] for one in await written(database, tenant)] == [str(own)]


async def test_viewers_read_and_change_nothing(process: Runtime, tenant: Tenant) -> None:
    contact_id = await new_contact(process.tenancy, tenant.organisation_id, "Ada", "ada@example.com")
    viewer = member_of(process, tenant, Role.VIEWER)

    assert await keeping.get_dossier(process.tenancy, viewer, contact_id) is None
    for refused in (
        researching.research_contact(process.tenancy, viewer, contact_id, 1),
        researching.request_research(process.tenancy, viewer, Requested([contact_id]), 1),
        keeping.delete_dossier(process.tenancy, viewer, contact_id),
        keeping.set_lifetime(process.tenancy, viewer, 3),
    ):
        with pytest.raises(Forbidden):
            await refused


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"level": 0}, "from 1 to 4"),
        ({"level": 5}, "from 1 to 4"),
        ({"summary": " "}, "summary must have"),
        ({"summary": "x" * 4_001}, "summary must have"),
        ({"summary": "\0"}, "summary"),
        ({"facts": [Fact("", "y")]}, r"facts\[0\].text must have"),
        ({"facts": [Fact("x", "y"), Fact("x", "")]}, r"facts\[1\].source must have"),
        ({"facts": [Fact("\ud800", "y")]}, r"facts\[0\].text"),
        ({"facts": [Fact("x", "y")] * 101}, "at most 100 facts"),
    ],
)
async def test_junk_is_refused_and_nothing_is_written(
    process: Runtime,
    tenant: Tenant,
    member: ActingMember,
    database: Database,
    fields: dict[str, Any],
    words: str,
) -> None:
    contact_id = await new_contact(process.tenancy, tenant.organisation_id, "Ada", "ada@example.com")
    given = {"contact_id": contact_id, "level": 1, "summary": "x", "facts": [], **fields}

    with pytest.raises(ValidationError, match=words):
        await keeping.write_dossier(process.tenancy, member, WrittenDossier(**given))

    assert await keeping.get_dossier(process.tenancy, member, contact_id) is None
    assert not await written(database, tenant)
