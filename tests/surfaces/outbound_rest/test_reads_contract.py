"""The read API as its contract and our design say it, assertion by assertion."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.surfaces.outbound_rest.shelf import MISSING, Reads, fill, sent_message

CONTACT = {
    "id",
    "organizationId",
    "name",
    "email",
    "company",
    "qualificationStatus",
    "fitScore",
    "urgencyScore",
    "list",
    "createdAt",
    "updatedAt",
}
LIST = {
    "id",
    "organizationId",
    "name",
    "sourceType",
    "description",
    "connectionPoint",
    "goal",
    "userId",
    "archivedAt",
    "createdAt",
    "updatedAt",
}
DRAFT = {
    "id",
    "organizationId",
    "contactId",
    "contactName",
    "subject",
    "status",
    "listId",
    "scheduledAt",
    "sentAt",
    "createdAt",
    "updatedAt",
}
EVENT = {"id", "organizationId", "applicationId", "eventType", "payload", "contactId", "createdAt"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def test_me_tells_the_key_and_its_organisation(reads: Reads) -> None:
    expires_at = datetime.now(UTC) + timedelta(days=3)
    key = await reads.fresh("lists.read", "contacts.read", expires_at=expires_at)

    me = await key.get("/me")

    assert me.keys() == {"apiKey", "organization"}
    assert me["organization"] == {"id": str(reads.organisation_id), "name": "Lighthouse"}
    assert me["apiKey"].keys() == {"id", "name", "scopes", "createdAt", "lastUsedAt", "expiresAt"}
    assert (me["apiKey"]["name"], me["apiKey"]["scopes"]) == ("tests", ["contacts.read", "lists.read"])
    assert me["apiKey"]["lastUsedAt"] is None
    assert me["apiKey"]["expiresAt"] == expires_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert MOMENT.fullmatch(me["apiKey"]["createdAt"])


async def test_a_contact_has_the_properties_of_the_contract(reads: Reads) -> None:
    stock = await fill(reads)

    whole, bare = [await reads.get(f"/contacts/{one}") for one in (stock.contact, stock.bare_contact)]

    assert whole.keys() == bare.keys() == CONTACT
    assert whole["organizationId"] == str(reads.organisation_id)
    assert whole["company"].keys() == {"id", "name", "domain"}
    assert whole["list"] == {"id": str(stock.list), "name": "Harbours"}
    assert (whole["fitScore"], whole["urgencyScore"]) == (80, 0)
    assert whole["qualificationStatus"] == "qualified"
    nulls = {name for name, value in bare.items() if value is None}
    assert nulls == {"company", "list", "fitScore", "urgencyScore"}
    assert MOMENT.fullmatch(whole["createdAt"])
    assert MOMENT.fullmatch(whole["updatedAt"])


async def test_a_list_has_the_properties_of_the_contract(reads: Reads) -> None:
    stock = await fill(reads)

    whole, bare = [await reads.get(f"/lists/{one}") for one in (stock.list, stock.bare_list)]

    assert whole.keys() == bare.keys() == LIST
    assert {name for name, value in bare.items() if value is None} == {
        "description",
        "connectionPoint",
        "goal",
        "archivedAt",
    }
    assert whole["goal"] == "A ferry"
    assert MOMENT.fullmatch(whole["archivedAt"])
    # no member made it, and the contract knows no null there
    assert bare["userId"] == "00000000-0000-0000-0000-000000000000"


async def test_archived_lists_are_hidden_unless_they_are_asked_for(reads: Reads) -> None:
    stock = await fill(reads)

    shown = [one["id"] for one in (await reads.get("/lists"))["data"]]
    for asked in ("1", "true"):
        every = [one["id"] for one in (await reads.get("/lists", includeArchived=asked))["data"]]
        assert every == [str(stock.bare_list), str(stock.list)]

    assert shown == [str(stock.bare_list)]
    assert [one["id"] for one in (await reads.get("/lists", includeArchived=0))["data"]] == shown


async def test_drafts_omit_in_lists_what_one_by_itself_has(reads: Reads) -> None:
    stock = await fill(reads)

    listed = (await reads.get("/drafts"))["data"]
    whole, bare = [await reads.get(f"/drafts/{one}") for one in (stock.draft, stock.bare_draft)]

    assert [one["id"] for one in listed] == [str(stock.bare_draft), str(stock.draft)]
    assert {*listed[0]} == {*listed[1]} == DRAFT
    assert whole.keys() == bare.keys() == DRAFT | {"body", "engagement"}
    assert {name: whole[name] for name in DRAFT} == listed[1]
    assert (listed[1]["contactName"], listed[1]["status"]) == ("Ada Lovelace", "sent")
    assert whole["body"] == {"text": "Hello", "html": "<p>Hello</p>"}
    assert bare["body"] == {"text": None, "html": None}
    assert bare["engagement"] == []
    assert {name for name, value in bare.items() if value is None} == {"listId", "scheduledAt", "sentAt"}


async def test_the_engagement_of_a_draft_points_at_events(reads: Reads) -> None:
    stock = await fill(reads)

    engagement = (await reads.get(f"/drafts/{stock.draft}"))["engagement"]
    events = {one["id"]: one for one in (await reads.get("/events"))["data"]}

    assert engagement[0]["type"] == "sent"
    for one in engagement:
        assert one.keys() == {"type", "at", "eventId", "detail"}
        assert MOMENT.fullmatch(one["at"])
    assert events[engagement[0]["eventId"]]["eventType"] == "message.sent"


async def test_research_is_served_while_it_has_not_expired(reads: Reads) -> None:
    stock = await fill(reads)
    old = await reads.contact("Old")
    await reads.dossier(old, expires_at=datetime.now(UTC) - timedelta(seconds=1))

    dossier = await reads.get(f"/contacts/{stock.contact}/research")
    none = await reads.problem(
        f"/contacts/{stock.bare_contact}/research", status=404, slug="research-not-found"
    )
    expired = await reads.problem(f"/contacts/{old}/research", status=404, slug="research-not-found")
    missing = await reads.problem(f"/contacts/{MISSING}/research", status=404, slug="not-found")

    assert dossier.keys() == {"contactId", "level", "summary", "facts", "researchedAt", "expiresAt"}
    assert dossier["facts"] == [{"text": "Likes engines.", "source": "https://example.com", "eventId": None}]
    assert dossier["level"] == 4
    assert none["title"] == expired["title"] != missing["title"]
    assert none["detail"] != expired["detail"]


async def test_events_are_those_of_all_applications_and_of_the_organisation(reads: Reads) -> None:
    stock = await fill(reads)

    events = (await reads.get("/events", limit=200))["data"]
    outbound = next(one for one in events if one["eventType"] == "message.outbound")
    shown = await reads.client.event(outbound["id"])
    audits = [one for one in events if one["eventType"].startswith("system.read_key.")]

    assert all(one.keys() == EVENT for one in events)
    assert [one["id"] for one in events] == sorted((one["id"] for one in events), reverse=True)
    assert outbound["payload"] == shown["payload"]
    assert list(outbound["payload"]) == list(shown["payload"])
    assert outbound["createdAt"] == shown["createdAt"]
    assert outbound["applicationId"] == str(reads.client.tenant.application_id)
    assert outbound["contactId"] == str(stock.contact)
    assert audits
    assert audits[0]["applicationId"] == str(reads.client.tenant.hidden_application_id)
    assert audits[0]["contactId"] is None


async def test_a_message_with_a_file_has_the_link_that_graphql_shows(reads: Reads) -> None:
    connection = await reads.client.connect("SMS", "sandbox", {})
    await reads.client.knock(connection, {"messages": [{"from": "ada", "image": {}, "caption": "Look"}]})

    (event,) = (await reads.get("/events", eventType="message.inbound"))["data"]
    shown = await reads.client.event(event["id"])

    url, shown_url = [one["payload"]["message"]["media"].pop("url") for one in (event, shown)]
    assert event["payload"] == shown["payload"]
    assert url.partition("?")[0] == shown_url.partition("?")[0]
    assert "?" in url


async def test_receipts_and_facts_about_a_contact_find_it(reads: Reads) -> None:
    contact = await reads.contact()
    await sent_message(reads, contact)
    await reads.client.data(
        'mutation($p: JSON!) { createEvent(eventType: "deal.won", payload: $p) { id } }',
        p={"contact_id": str(contact)},
    )

    events = (await reads.get("/events", eventType="message.sent,deal.won"))["data"]

    assert [(one["eventType"], one["contactId"]) for one in events] == [
        ("deal.won", str(contact)),
        ("message.sent", str(contact)),
    ]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("order.paid", ["order.paid"]),
        ("order.paid,order.created", ["order.paid", "order.created"]),
        ("order.created,order.created,none.such", ["order.created"]),
        ("order.created, order.paid", ["order.paid", "order.created"]),
        ("order", []),
    ],
)
async def test_events_are_filtered_by_type(reads: Reads, asked: str, found: list[str]) -> None:
    for name in ("order.created", "order.paid", "order.sent"):
        await reads.client.data(
            "mutation($t: String!) { createEvent(eventType: $t, payload: {}) { id } }", t=name
        )

    events = (await reads.get("/events", eventType=asked))["data"]

    assert [one["eventType"] for one in events] == found


async def test_contacts_are_filtered_by_list_and_status(reads: Reads) -> None:
    first, second = await reads.list(), await reads.list()
    listed = [await reads.contact(list_id=first) for _ in range(2)]
    qualified = await reads.contact(list_id=second, qualification_status="qualified")
    loose = await reads.contact(qualification_status="qualified")

    async def ids(**filters: object) -> list[str]:
        return [one["id"] for one in (await reads.get("/contacts", **filters))["data"]]

    assert await ids(listId=first) == [str(one) for one in reversed(listed)]
    assert await ids(qualificationStatus="qualified") == [str(loose), str(qualified)]
    assert await ids(qualificationStatus="qualified", listId=second) == [str(qualified)]
    assert await ids(qualificationStatus="nobody is that") == []
    assert await ids(listId=MISSING) == []
    assert len(await ids()) == len(await ids(q="  ")) == 4


async def test_drafts_are_filtered_by_status_and_contact(reads: Reads) -> None:
    ada, bob = await reads.contact("Ada"), await reads.contact("Bob")
    first, second = await reads.draft(ada), await reads.draft(ada, status="approved")
    third = await reads.draft(bob)

    async def ids(**filters: object) -> list[str]:
        return [one["id"] for one in (await reads.get("/drafts", **filters))["data"]]

    assert await ids(contactId=ada) == [str(second), str(first)]
    assert await ids(status="draft") == [str(third), str(first)]
    assert await ids(status="draft", contactId=ada) == [str(first)]
    assert await ids(contactId=MISSING) == []


async def test_pages_have_fifty_entries_and_at_most_two_hundred(reads: Reads) -> None:
    for _ in range(201):
        await reads.list()

    assert len((await reads.get("/lists"))["data"]) == 50
    for limit in (200, 201, 10**30):
        page = await reads.get("/lists", limit=limit)
        assert len(page["data"]) == 200
        assert page["nextCursor"] is not None
    assert len((await reads.get("/lists", limit=1))["data"]) == 1
    last = await reads.get("/lists", limit=200, cursor=page["nextCursor"])
    assert len(last["data"]) == 1
    assert last["nextCursor"] is None


async def test_a_cursor_is_the_documented_one(reads: Reads) -> None:
    for _ in range(2):
        await reads.contact()

    page = await reads.get("/contacts", limit=1)
    cursor: str = page["nextCursor"]
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))

    assert "=" not in cursor
    assert re.fullmatch(rb'\{"id":"[0-9a-f-]{36}","t":"[0-9TZ:.-]{24}"\}', raw)
    assert json.loads(raw) == {"id": page["data"][0]["id"], "t": page["data"][0]["createdAt"]}
