"""Webhooks in the read API's words: of an application, and of a whole organisation with its own events."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from outrider.core.ids import time_of
from outrider.events.creating import NewCustomEvent, create_event
from outrider.messaging.sending import send_message
from outrider.messaging.values import SendRequest
from outrider.platforms.base import Channel, InboundRequest
from outrider.runtime.parts import Runtime
from outrider.runtime.verifying import verify
from outrider.tenancy.applications import create_application
from outrider.tenancy.context import append_audit, settings_transaction
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.roles import Role
from outrider.webhooks import administering, delivering
from outrider.webhooks.managing import SubscriptionChanges
from outrider.webhooks.patterns import candidate_patterns
from outrider.webhooks.receiving import receive
from outrider.webhooks.signing import verify_outbound, verify_standard
from outrider.webhooks.subscriptions import NewSubscription
from tests.outreach.contacts import new_contact
from tests.running import SECRET, Heard, Sink, connect_sandbox, listening, new_database, running, until
from tests.tenants import Tenant, actor_of, new_tenant

Database = asyncpg.Connection
KEYS = ["id", "organizationId", "applicationId", "eventType", "payload", "contactId", "createdAt"]


@pytest.fixture(scope="module")
async def own_dsn(dsn: str) -> AsyncGenerator[str]:
    async with new_database(dsn, "webhook_outbound") as own:
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
async def sink() -> AsyncGenerator[Sink]:
    async with listening() as found:
        yield found


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "RETRY_SECONDS", (0.2, 0.2, 0.2))


def member_of(process: Runtime, tenant: Tenant) -> ActingMember:
    return ActingMember(
        organisation_id=tenant.organisation_id,
        hidden_application_id=tenant.hidden_application_id,
        id=process.tenancy.ids.new(),
        session_id=process.tenancy.ids.new(),
        role=Role.OWNER,
        tier="unlimited",
    )


async def subscribe(
    process: Runtime, tenant: Tenant, url: str, *patterns: str, application_id: UUID | None = None
) -> UUID:
    new = NewSubscription(
        name="outbound", target_url=url, patterns=patterns or ("*",), secret=SECRET, family="outbound"
    )
    member = member_of(process, tenant)
    created = await administering.subscribe(process.tenancy, member, application_id, new)
    assert created.secret == SECRET
    return created.subscription.id


async def do(
    process: Runtime, tenant: Tenant, event_type: str = "system.contact.created", **payload: Any
) -> None:
    """What an operation on contacts leaves in the organisation's log."""
    async with settings_transaction(process.tenancy, tenant.organisation_id) as connection:
        await append_audit(process.tenancy, connection, tenant.organisation_id, event_type, payload, by=None)


async def tell(process: Runtime, tenant: Tenant, event_type: str = "ferry.sailed") -> UUID:
    return await create_event(
        process.creating, tenant.actor, NewCustomEvent(event_type=event_type, payload={"z": 1.50, "a": None})
    )


async def in_log(database: Database, event_id: str) -> dict[str, Any]:
    """An event as the log has it, in the words of the contract."""
    row = await database.fetchrow(
        """select e.id, a.organisation_id, e.application_id, e.event_type, e.payload::text as payload,
             contact_of_event(a.organisation_id, a.id, e.id, e.origin_event_id, e.payload) as contact_id
           from events e join applications a on a.id = e.application_id where e.id = $1""",
        UUID(event_id),
    )
    assert row is not None
    return {
        "id": event_id,
        "organizationId": str(row["organisation_id"]),
        "applicationId": str(row["application_id"]),
        "eventType": row["event_type"],
        "payload": orjson.loads(row["payload"]),
        "contactId": None if row["contact_id"] is None else str(row["contact_id"]),
        "createdAt": time_of(row["id"]),
    }


def shown(heard: Heard) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(heard.body)
    assert list(body) == KEYS
    assert body["createdAt"].endswith("Z")
    return {**body, "createdAt": datetime.fromisoformat(body["createdAt"])}


def types(sink: Sink, path: str = "/hook") -> list[str]:
    return [orjson.loads(one.body)["eventType"] for one in sink.at(path)]


async def test_an_event_is_told_as_the_log_has_it_and_signed(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    await subscribe(process, tenant, f"{sink.url}/hook", "ferry.*", application_id=tenant.application_id)
    event_id = await tell(process, tenant)
    await until(lambda: bool(sink.at("/hook")))

    (heard,) = sink.at("/hook")
    assert shown(heard) == await in_log(database, str(event_id))
    assert b'"payload":{"z":1.5,"a":null}' in heard.body
    stamp = heard.headers["x-outbound-timestamp"]
    expected = hmac.new(SECRET.encode(), stamp.encode() + b"." + heard.body, hashlib.sha256).hexdigest()
    assert heard.headers["x-outbound-signature"] == expected == expected.lower()
    assert abs(int(stamp) - time.time()) < 5
    assert verify_outbound(SECRET, heard.headers, heard.body)
    assert verify_standard(SECRET, heard.headers, heard.body)
    assert heard.headers["x-outbound-attempt"] == "1"
    assert not [name for name in heard.headers if "outeract" in name]


async def test_an_organisation_hears_of_every_application_and_of_itself(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    contact_id = await new_contact(process.tenancy, tenant.organisation_id, "Ada", "ada@example.com")
    await subscribe(process, tenant, f"{sink.url}/hook")
    later = await create_application(process.tenancy, tenant.organisation_id, "Night desk")
    night = replace(
        tenant,
        application_id=later.id,
        actor=actor_of(process.tenancy, tenant.organisation_id, later.id),
    )
    await do(process, tenant, contact_id=contact_id, name='Ada "%s" {ö}')
    told = [await tell(process, tenant), await tell(process, night, "night.fell")]
    wanted = {"system.application.created", "system.contact.created", "ferry.sailed", "night.fell"}
    await until(lambda: wanted <= set(types(sink)))

    bodies = {body["eventType"]: body for body in map(shown, sink.at("/hook"))}
    for body in bodies.values():
        assert body == await in_log(database, body["id"])
    assert bodies["system.contact.created"]["contactId"] == str(contact_id)
    assert bodies["system.contact.created"]["payload"]["name"] == 'Ada "%s" {ö}'
    assert bodies["system.contact.created"]["applicationId"] == str(tenant.hidden_application_id)
    assert [bodies[name]["id"] for name in ("ferry.sailed", "night.fell")] == [str(one) for one in told]
    assert {one["organizationId"] for one in bodies.values()} == {str(tenant.organisation_id)}
    assert all(verify_outbound(SECRET, one.headers, one.body) for one in sink.at("/hook"))
    # the first that it hears of is how it came about
    first = min(bodies.values(), key=lambda body: body["id"])
    assert first["eventType"] == "system.subscription.created"


async def test_what_is_made_at_the_same_time_misses_nothing(
    process: Runtime, tenant: Tenant, database: Database
) -> None:
    for number in range(5):
        await asyncio.gather(
            subscribe(process, tenant, "http://127.0.0.1:9/", "a", "b"),
            create_application(process.tenancy, tenant.organisation_id, f"Desk {number}"),
            subscribe(process, tenant, "http://127.0.0.1:9/", "c"),
        )

    missed = await database.fetchval(
        """select count(*) from applications a join subscriptions s on s.organisation_id = a.organisation_id
             cross join unnest(s.patterns) p(pattern)
           where a.organisation_id = $1 and not exists (select from subscription_patterns x
             where x.application_id = a.id and x.subscription_id = s.id and x.pattern = p.pattern)""",
        tenant.organisation_id,
    )
    rows = "select count(*) from subscription_patterns where organisation_id = $1"
    assert missed == 0
    # seven applications, the hidden one among them, and fifteen patterns
    assert await database.fetchval(rows, tenant.organisation_id) == 7 * 15


async def test_another_organisation_hears_nothing(process: Runtime, tenant: Tenant, sink: Sink) -> None:
    other = await new_tenant(process.tenancy)
    patterns = ("ferry.*", "system.contact.*", "system.list.*")
    await subscribe(process, other, f"{sink.url}/other", *patterns)
    await subscribe(process, tenant, f"{sink.url}/hook", *patterns)
    foreign = await new_contact(process.tenancy, other.organisation_id, "Bob", "bob@example.com")
    await do(process, tenant, contact_id=foreign)
    await tell(process, tenant)
    await do(process, other, "system.list.created")
    await until(lambda: "ferry.sailed" in types(sink) and bool(types(sink, "/other")))

    # nor whom another's contact id would name
    assert {shown(one)["contactId"] for one in sink.at("/hook")} == {None}
    assert types(sink, "/other") == ["system.list.created"]


async def test_a_message_tells_whose_it_is_by_any_channel(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    contact_id = await new_contact(
        process.tenancy, tenant.organisation_id, "Ada", "ada@example.com", phone="+14155550123"
    )
    await subscribe(process, tenant, f"{sink.url}/hook", "message.*")
    mail = await connect_sandbox(process, tenant, channel=Channel.EMAIL)
    phone = await connect_sandbox(process, tenant, channel=Channel.SMS)
    request = SendRequest(connection_id=mail.id, recipient="ada@example.com", text="Hello")
    await send_message(process.sending, tenant.actor, request)
    entry = await process.directories.connections.get(tenant.application_id, phone.id)
    assert entry is not None
    told = {"messages": [{"from": "+14155550123", "text": "Hi"}, {"from": "+14155550199", "text": "Who?"}]}
    await receive(process.receiving, entry, InboundRequest({}, orjson.dumps(told)))
    await until(lambda: len(sink.at("/hook")) == 4)

    bodies = [shown(one) for one in sink.at("/hook")]
    whose = sorted((one["eventType"], one["contactId"] == str(contact_id)) for one in bodies)
    assert whose == [
        ("message.inbound", False),
        ("message.inbound", True),
        ("message.outbound", True),
        ("message.sent", True),
    ]
    outbound = next(one for one in bodies if one["eventType"] == "message.outbound")
    assert outbound["payload"]["external_message_id"]
    for one in bodies:
        assert one["contactId"] == (await in_log(database, one["id"]))["contactId"]


async def test_a_retry_has_the_same_bytes_although_the_contact_is_gone(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    contact_id = await new_contact(process.tenancy, tenant.organisation_id, "Ada", "ada@example.com")
    await subscribe(process, tenant, f"{sink.url}/hook", "system.contact.*")
    sink.will_answer("/hook", 500, 503)
    await do(process, tenant, contact_id=contact_id)
    await until(lambda: len(sink.at("/hook")) == 1)
    await database.execute("delete from contacts where id = $1", contact_id)
    await until(lambda: len(sink.at("/hook")) == 3)

    assert len({one.body for one in sink.at("/hook")}) == 1
    assert shown(sink.heard[0])["contactId"] == str(contact_id)
    assert [one.headers["x-outbound-attempt"] for one in sink.at("/hook")] == ["1", "2", "3"]
    assert all(verify_outbound(SECRET, one.headers, one.body) for one in sink.at("/hook"))


async def test_an_organisations_endpoint_that_is_gone_is_disabled(
    process: Runtime, tenant: Tenant, sink: Sink, database: Database
) -> None:
    subscription_id = await subscribe(process, tenant, f"{sink.url}/gone", "ferry.*")
    await subscribe(process, tenant, f"{sink.url}/hook", "system.subscription.disabled")
    sink.will_answer("/gone", 410)
    await tell(process, tenant)
    await until(lambda: bool(sink.at("/hook")))

    status = "select status from subscriptions where id = $1"
    assert await database.fetchval(status, subscription_id) == "disabled"
    told = shown(sink.at("/hook")[0])
    assert told["payload"]["subscription_id"] == str(subscription_id)
    # an event of the organisation's log, not of the application whose event was refused
    assert told["applicationId"] == str(tenant.hidden_application_id)


async def test_a_paused_one_hears_nothing_and_changed_patterns_hold(
    process: Runtime, tenant: Tenant, sink: Sink
) -> None:
    member = member_of(process, tenant)
    subscription_id = await subscribe(process, tenant, f"{sink.url}/hook", "ferry.*", "system.contact.*")
    await administering.pause(process.tenancy, member, subscription_id)
    await do(process, tenant)
    await tell(process, tenant)
    await administering.resume(process.tenancy, member, subscription_id)
    changes = SubscriptionChanges(patterns=["system.list.created", "tide.*"])
    changed = await administering.change_subscription(process.tenancy, member, subscription_id, changes)
    await do(process, tenant)
    await do(process, tenant, "system.list.created")
    await tell(process, tenant)
    await tell(process, tenant, "tide.turned")
    await until(lambda: len(sink.at("/hook")) == 2)

    assert sorted(types(sink)) == ["system.list.created", "tide.turned"]
    assert (changed.status, list(changed.event_patterns)) == ("active", ["system.list.created", "tide.*"])
    assert changed.application_id is None


async def test_many_endpoints_of_an_organisation_all_hear_of_it(
    process: Runtime, tenant: Tenant, sink: Sink
) -> None:
    for number in range(18):
        await subscribe(process, tenant, f"{sink.url}/{number}", "system.contact.created", "ferry.sailed")
    await do(process, tenant)
    await tell(process, tenant)
    await until(lambda: len(sink.heard) >= 36)

    heard = sorted((one.path, orjson.loads(one.body)["eventType"]) for one in sink.heard)
    assert heard == sorted(
        (f"/{number}", name) for number in range(18) for name in ("ferry.sailed", "system.contact.created")
    )


async def test_a_test_event_comes_in_the_same_words(process: Runtime, tenant: Tenant, sink: Sink) -> None:
    member = member_of(process, tenant)
    subscription_id = await subscribe(process, tenant, f"{sink.url}/hook", "never.matched")
    sent = await administering.send_test(process.tenancy, member, subscription_id)
    await until(lambda: bool(sink.at("/hook")))

    (heard,) = sink.at("/hook")
    assert (shown(heard)["id"], shown(heard)["eventType"]) == (str(sent.event_id), "system.webhook.test")
    assert heard.headers["webhook-id"] == str(sent.delivery_id)


async def test_patterns_of_our_own_types_are_those_of_every_type(database: Database) -> None:
    for event_type in ("system.contact.created", "system.x", "system.draft.sending.begun"):
        found = await database.fetchval("select own_patterns($1)", event_type)
        assert sorted(found) == list(candidate_patterns(event_type))


async def test_without_an_endpoint_nothing_is_kept_for_one(
    process: Runtime, tenant: Tenant, database: Database
) -> None:
    await do(process, tenant, "system.nobody.asked")

    frozen = "select count(*) from frozen_bodies where application_id = $1"
    assert await database.fetchval(frozen, tenant.hidden_application_id) == 0


async def test_the_log_agrees_afterwards(process: Runtime, own_dsn: str, database: Database) -> None:
    async def is_quiet() -> bool:
        return await database.fetchval("select count(*) from delivery_queue") == 0

    await until(is_quiet)
    assert not await verify(own_dsn, process.files.storage)
