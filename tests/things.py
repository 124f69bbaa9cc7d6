"""One of each kind of thing that an id can name, made through the API: what tests of the walls between tenants need.

Whoever adds a kind adds it here; every surface's test then tries it in every place that takes an id.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from outrider.core.database.pools import Pool
from outrider.files.storing import store_file
from outrider.tenancy.applications import create_application
from tests.clients import Client, Listener
from tests.tenants import Tenant, actor_of

NOWHERE: Final = "00000000-0000-7000-8000-000000000000"
"""The id of nothing."""

_PERSON = """mutation($connection: UUID!, $external: String!) {
  createPlatformUser(platformConnectionId: $connection, externalId: $external, name: "Ann") { id user { id } } }"""
_SETTINGS = """mutation($person: UUID!, $event: UUID!) {
  createEventSchema(name: "order.created", jsonSchema: { required: ["order_id"] }) { id }
  createLog(message: "seen", eventId: $event) { id }
  addSuppression(platformName: EMAIL, address: "gone@ferry.example") { id }
  generateLinkCode(platformUserId: $person) { code event { id } } }"""
_FOLLOWS = """mutation($event: UUID!, $about: UUID!) { createEvent(eventType: "seen.again", payload: {},
  originEventId: $event,
  edges: [{ edgeType: "about", targetNodeType: PLATFORM_USER, targetNodeId: $about }]) { id } }"""
_FIRST = """{ platformUsers(filters: { externalId: { equals: "+14150000001" } }) { edges { node { id } } }
  platformConnections { id accountId }
  events(filters: { eventType: { equals: "message.inbound" } }) { edges { node { id } } } }"""


@dataclass(frozen=True)
class Things:
    """The ids of one application's things, by their kind, and a link code that holds."""

    ids: Mapping[str, str]
    link_code: str


async def things_of(client: Client, listener: Listener) -> Things:
    """Make one of each kind; all that was to be delivered has arrived when this returns."""
    connection = await client.connect("SMS", "sandbox", {})
    body = {"messages": [{"id": "first", "from": "+14150000001", "text": "Hi"}]}
    assert (await client.knock(connection, body)).status == 200
    person = (await client.data(_PERSON, connection=connection["id"], external="+14155551234"))[
        "createPlatformUser"
    ]
    event = (await client.data('mutation { createEvent(eventType: "seen", payload: {}) { id } }'))[
        "createEvent"
    ]
    settings = await client.data(_SETTINGS, person=person["id"], event=event["id"])
    found = await client.data(_FIRST)
    conversation_id = found["platformUsers"]["edges"][0]["node"]["id"]
    follows = await client.data(_FOLLOWS, event=event["id"], about=conversation_id)
    stored = await store_file(client.server.runtime.files, client.tenant.actor, b"hello", filename="menu.txt")
    ids = {
        "application": str(client.tenant.application_id),
        "connection": connection["id"],
        "account": found["platformConnections"][0]["accountId"],
        "platform_user": person["id"],
        "user": person["user"]["id"],
        "conversation": conversation_id,
        "inbound_message": found["events"]["edges"][0]["node"]["id"],
        "event": event["id"],
        "following_event": follows["createEvent"]["id"],
        "failed_message": (await client.send(connection["id"], "+12025550104"))["id"],
        "event_schema": settings["createEventSchema"]["id"],
        "file": str(stored.id),
        "suppression": settings["addSuppression"]["id"],
        "log": settings["createLog"]["id"],
        "link_code_event": settings["generateLinkCode"]["event"]["id"],
        **await _delivered(client, listener),
    }
    return Things(MappingProxyType(ids), settings["generateLinkCode"]["code"])


async def _delivered(client: Client, listener: Listener) -> dict[str, str]:
    subscription_id = await client.subscribe(listener.url, "never.matched")
    tested = await client.data(
        "mutation($id: UUID!) { testWebhookSubscription(id: $id) { id eventId } }", id=subscription_id
    )
    delivery: dict[str, Any] = tested["testWebhookSubscription"]
    await client.delivered(delivery["id"])
    return {"subscription": subscription_id, "delivery": delivery["id"], "test_event": delivery["eventId"]}


async def sibling_of(client: Client) -> Client:
    """Another application of the same organisation: a wall stands between them too."""
    tenancy, tenant = client.server.runtime.tenancy, client.tenant
    application = await create_application(tenancy, tenant.organisation_id, "Night desk")
    own = replace(
        tenant,
        application_id=application.id,
        actor=actor_of(tenancy, tenant.organisation_id, application.id),
    )
    return await replace(client, tenant=own).with_key()


def shown_for(body: bytes, asked: str) -> bytes:
    """An answer as it would read had it been asked for nothing's id instead."""
    return body.replace(asked.encode(), NOWHERE.encode())


async def written(pool: Pool, tenant: Tenant) -> dict[str, int]:
    """How many rows of a kind a caller's request may write: what it was refused for must leave them as they are.

    What the server does by itself in the meantime, such as to send what was accepted, is not in it.
    """
    applications = [tenant.application_id, tenant.hidden_application_id]
    counts = ", ".join(
        f"(select count(*) from {table} where application_id = any ($1) and {condition}) as {table}"
        for table, condition in _WRITTEN.items()
    )
    row = await pool.fetchrow(f"select {counts}", applications)
    assert row is not None
    return dict(row)


_WRITTEN: Final = {
    "events": "(event_type = 'message.outbound' or event_type not like 'message.%')",
    "messages": "true",
    "users": "true",
    "platform_users": "true",
    "link_codes": "true",
    "logs": "true",
    "connections": "true",
    "subscriptions": "true",
    "event_schemas": "true",
    "event_schema_versions": "true",
}
