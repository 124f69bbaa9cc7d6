"""A contact and whoever writes on a channel meet by their address: a reply finds the contact."""

from typing import Any
from uuid import UUID

import pytest

from outrider.outreach.contacts import GivenAddress, NewContact, create_contact
from outrider.platforms.base import Channel
from tests.clients import Client

_FIND = """select contact_of_event($1, $2, e.id, e.origin_event_id, e.payload) from events e
where e.application_id = $2 and e.id = $3"""


async def reply(client: Client, channel: str, sender: str) -> dict[str, Any]:
    connection = await client.connect(channel, "sandbox", {})
    body = {"messages": [{"id": f"{channel}-{sender}", "from": sender, "text": "Yes"}]}
    assert (await client.knock(connection, body)).status == 200
    found = await client.events("message.inbound")
    return next(one for one in found if any(edge["targetPlatformUser"] for edge in one["edges"]))


async def contact_of(client: Client, event_id: str) -> UUID | None:
    return await client.server.runtime.database.system.fetchval(
        _FIND, client.tenant.organisation_id, client.tenant.application_id, UUID(event_id)
    )


@pytest.mark.parametrize(
    ("given", "channel", "sender"),
    [
        (None, "EMAIL", "Ada@Engines.example"),
        (GivenAddress(Channel.SMS, "+49 30 123456"), "SMS", "+4930123456"),
        (GivenAddress(Channel.SMS, "+49 30 123456"), "WHATSAPP", "4930123456"),
        (GivenAddress(Channel.TELEGRAM, "4711"), "TELEGRAM", "4711"),
        (GivenAddress(Channel.SLACK, "u0ada"), "SLACK", "U0ADA"),
    ],
)
async def test_a_reply_finds_its_contact(
    client: Client, given: GivenAddress | None, channel: str, sender: str
) -> None:
    tenancy, organisation_id = client.server.runtime.tenancy, client.tenant.organisation_id
    new = NewContact(email="ada@engines.EXAMPLE", addresses=() if given is None else (given,))
    contact = await create_contact(tenancy, organisation_id, new, by=None)
    other = NewContact(email="grace@engines.example")
    await create_contact(tenancy, organisation_id, other, by=None)

    event = await reply(client, channel, sender)

    assert await contact_of(client, event["id"]) == contact.id


async def test_a_contact_of_another_organisation_is_not_found(client: Client, stranger: Client) -> None:
    tenancy = client.server.runtime.tenancy
    new = NewContact(email="ada@engines.example")
    await create_contact(tenancy, stranger.tenant.organisation_id, new, by=None)

    event = await reply(client, "EMAIL", "ada@engines.example")

    assert await contact_of(client, event["id"]) is None


async def test_facts_about_a_contact_find_it(client: Client) -> None:
    runtime, tenant = client.server.runtime, client.tenant
    contact = await create_contact(
        runtime.tenancy, tenant.organisation_id, NewContact(email="ada@engines.example"), by=None
    )

    found = await runtime.database.system.fetchval(
        """select contact_of_event($1, $2, e.id, e.origin_event_id, e.payload) from events e
        where e.application_id = $2 and e.event_type = 'system.contact.created'""",
        tenant.organisation_id,
        tenant.hidden_application_id,
    )

    assert found == contact.id
