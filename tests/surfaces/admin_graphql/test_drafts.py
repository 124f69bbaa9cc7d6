"""Drafts over the administration: written, listed, previewed, moved, and shown with who did what."""

from typing import Any

from tests.administrators import Administrator
from tests.clients import Server
from tests.surfaces.admin_graphql.world import World, new_world

FIELDS = """id applicationId contactId contactName contactEmail listId accountId subject subjectTemplate
  bodyText bodyHtml template locals status ignoreSuppression scheduledAt messageId sentAt error { code message }"""


async def _draft(world: World, fields: str = FIELDS) -> dict[str, Any]:
    data = await world.owner.data(f"query($id: UUID!) {{ draft(id: $id) {{ {fields} }} }}", id=world.draft)
    found: dict[str, Any] = data["draft"]
    return found


async def test_a_draft_is_shown_as_it_was_written_and_changed(server: Server, owner: Administrator) -> None:
    world = await new_world(server, owner)

    changed = await owner.data(
        f"""mutation($id: UUID!) {{ updateDraft(id: $id, subject: "For {{{{contact.name}}}}", bodyText: null,
          template: "world", locals: {{name: "you"}}, ignoreSuppression: true) {{ {FIELDS} }} }}""",
        id=world.draft,
    )
    preview = await owner.data(
        "query($id: UUID!) { previewDraft(id: $id) { from subject text html } }", id=world.draft
    )

    shown = changed["updateDraft"]
    assert shown == await _draft(world)
    assert shown == {
        "id": world.draft,
        "applicationId": world.application,
        "contactId": world.contact,
        "contactName": "Ada Lovelace",
        "contactEmail": shown["contactEmail"],
        "listId": world.contact_list,
        "accountId": None,
        "subject": "For Ada Lovelace",
        "subjectTemplate": "For {{contact.name}}",
        "bodyText": None,
        "bodyHtml": None,
        "template": "world",
        "locals": {"name": "you"},
        "status": "DRAFT",
        "ignoreSuppression": True,
        "scheduledAt": None,
        "messageId": None,
        "sentAt": None,
        "error": None,
    }
    assert preview["previewDraft"] == {
        "from": None,
        "subject": "For Ada Lovelace",
        "text": "Hello you",
        "html": None,
    }


async def test_moves_are_told_with_their_authors_and_refused_with_the_state(
    server: Server, owner: Administrator
) -> None:
    world = await new_world(server, owner)
    for move in ("submitDraft", "cancelDraft"):
        await owner.data(f"mutation($id: UUID!) {{ {move}(id: $id) {{ status }} }}", id=world.draft)
    scheduled = await owner.data(
        """mutation($id: UUID!) { scheduleDraft(id: $id, scheduledAt: "2999-01-01T00:00:00Z") {
          status scheduledAt } }""",
        id=world.draft,
    )
    await owner.data("mutation($id: UUID!) { discardDraft(id: $id) { status } }", id=world.draft)
    refused = await owner.refused(
        "mutation($ids: [UUID!]!) { approveDrafts(ids: $ids) { id } }", ids=[world.draft]
    )

    assert scheduled["scheduleDraft"] == {"status": "SCHEDULED", "scheduledAt": "2999-01-01T00:00:00.000Z"}
    assert (refused["code"], refused["http"]) == ("DRAFT_CONFLICT", {"status": 409})
    assert refused["details"] == {"state": "discarded", "draft_id": world.draft}
    found = await _draft(world, "history { eventType by { type name } payload } engagement { type }")
    words = [one["eventType"].removeprefix("system.draft.") for one in found["history"]]
    assert words == ["created", "submitted", "cancelled", "scheduled", "discarded"]
    assert {(one["by"]["type"], one["by"]["name"]) for one in found["history"]} == {("member", "The owner")}
    assert found["engagement"] == []


async def test_pages_of_drafts_follow_each_other(server: Server, owner: Administrator) -> None:
    world = await new_world(server, owner)
    await owner.data("mutation($id: UUID!) { discardDraft(id: $id) { id } }", id=world.spare_draft)
    made = [world.draft]
    for _ in range(4):
        created = await owner.data(
            """mutation($c: UUID!) { createDraft(contactId: $c, subject: "More", bodyHtml: "<p>x</p>") { id } }""",
            c=world.contact,
        )
        made.append(created["createDraft"]["id"])
    query = """query($after: String, $list: UUID) {
      drafts(first: 2, after: $after, filters: {status: [DRAFT], listId: $list}) {
        edges { node { id } cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""

    seen: list[str] = []
    after = None
    for has_next in (True, True, False):
        page = (await owner.data(query, after=after, list=world.contact_list))["drafts"]
        seen += [one["node"]["id"] for one in page["edges"]]
        assert page["pageInfo"]["hasNextPage"] is has_next
        assert page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"]
        after = page["pageInfo"]["endCursor"]

    assert seen == made[::-1]
    empty = await owner.data(query, list=world.contact)
    assert empty["drafts"]["edges"] == []
    log = (await owner.data("{ auditLog(first: 1) { edges { cursor } } }"))["auditLog"]["edges"][0]["cursor"]
    for wrong in ("x", "", log, after[:-4]):
        assert (await owner.refused(query, after=wrong))["code"] == "VALIDATION_ERROR"


async def test_a_list_is_written_to_at_once(server: Server, owner: Administrator) -> None:
    world = await new_world(server, owner)
    query = """mutation($list: UUID!) { createDrafts(listId: $list, template: "world", subject: "Hi {{contact.name}}") {
      drafts { subject contactId } remaining } }"""

    rest = await owner.data(query, list=world.contact_list)
    none_left = await owner.data(query, list=world.contact_list)
    for draft in (world.draft, world.submitted_draft, world.spare_draft):
        await owner.data("mutation($id: UUID!) { discardDraft(id: $id) { id } }", id=draft)
    written = await owner.data(query, list=world.contact_list)

    assert len(rest["createDrafts"]["drafts"]) == 1
    assert none_left["createDrafts"] == {"drafts": [], "remaining": 0}
    assert written["createDrafts"] == {
        "drafts": [{"subject": "Hi Ada Lovelace", "contactId": world.contact}],
        "remaining": 0,
    }
