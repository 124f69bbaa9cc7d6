"""What belongs to another organisation answers exactly as what does not exist, in every operation."""

from typing import Any

import pytest
from graphql import get_named_type

from tests.administrators import Administrator, new_administrator
from tests.clients import Server
from tests.outreach.written import new_contact
from tests.surfaces.admin_graphql.world import ARGUMENTS, MISSING, World, document, fields_of, new_world

_KINDS = {
    "applicationId": "application",
    "accountId": "account",
    "applicationIds": "application",
    "contactId": "contact",
    "contactIds": "contact",
    "listId": "contact_list",
    "updateMember": "member",
    "removeMember": "member",
    "updateApplication": "application",
    "deleteApplication": "application",
    "restoreApplication": "archived_application",
    "rotateApiKey": "api_key",
    "revokeApiKey": "api_key",
    "revokeMessageKey": "message_key",
    "revokeReadKey": "read_key",
    "updateAccount": "account",
    "deleteAccount": "account",
    "updatePlatformConnection": "connection",
    "deletePlatformConnection": "connection",
    "testPlatformConnection": "connection",
    "revokeInvitation": "invitation",
    "updateTemplate": "template",
    "deleteTemplate": "template",
    "updateDraft": "draft",
    "submitDraft": "draft",
    "approveDraft": "draft",
    "approveDrafts": "draft",
    "scheduleDraft": "draft",
    "cancelDraft": "draft",
    "discardDraft": "draft",
    "updateWebhookSubscription": "subscription",
    "pauseWebhookSubscription": "subscription",
    "resumeWebhookSubscription": "subscription",
    "deleteWebhookSubscription": "subscription",
    "testWebhookSubscription": "subscription",
    "retryWebhookDelivery": "delivery",
    "rotateWebhookSubscriptionSecret": "subscription",
    "removeSuppression": "suppression",
    "companyId": "company",
    "fileId": "file",
    "updateContact": "contact",
    "deleteContact": "contact",
    "updateCompany": "company",
    "deleteCompany": "company",
    "updateContactList": "contact_list",
    "archiveContactList": "contact_list",
    "unarchiveContactList": "contact_list",
    "cancelContactImport": "contact_import",
}
_WITH_IDS = [
    (name, argument)
    for name, field in fields_of("Mutation").items()
    for argument, one in field.args.items()
    if get_named_type(one.type).name == "UUID"
]


@pytest.fixture(scope="module")
async def worlds(server: Server) -> tuple[World, World]:
    """Two organisations, each with one of everything."""
    return (
        await new_world(server, await new_administrator(server)),
        await new_world(server, await new_administrator(server)),
    )


@pytest.mark.parametrize(("name", "argument"), _WITH_IDS)
async def test_a_foreign_id_is_a_missing_one(worlds: tuple[World, World], name: str, argument: str) -> None:
    world, foreign = worlds
    kind = _KINDS.get(argument) or _KINDS[name]
    given = ARGUMENTS[name](world)

    answers = [
        await _asked(world.owner, name, {**given, argument: one}) for one in (foreign.ids[kind], MISSING)
    ]

    assert answers[0] == answers[1]
    assert answers[0]["errors"][0]["extensions"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    "kind",
    [
        "api_key",
        "message_key",
        "read_key",
        "account",
        "connection",
        "member",
        "invitation",
        "template",
        "application",
        "archived_application",
        "draft",
        "subscription",
        "delivery",
        "suppression",
        *("contact", "company", "contact_list", "contact_import", "file"),
    ],
)
async def test_an_id_of_another_kind_is_a_missing_one(worlds: tuple[World, World], kind: str) -> None:
    world, _ = worlds
    for name, argument in _WITH_IDS:
        if kind == (_KINDS.get(argument) or _KINDS[name]):
            continue
        answer = await _asked(world.owner, name, {**ARGUMENTS[name](world), argument: world.ids[kind]})
        assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND", (name, argument, answer)


async def test_the_foreign_organisation_was_left_alone(worlds: tuple[World, World], server: Server) -> None:
    _, foreign = worlds
    log = await foreign.owner.data("{ auditLog(first: 1) { edges { node { eventType payload } } } }")

    # what the world was made with
    assert log["auditLog"]["edges"][0]["node"]["eventType"] == "system.draft.submitted"


async def test_lists_show_ones_own_only(worlds: tuple[World, World]) -> None:
    world, foreign = worlds
    query = """query($contact: UUID!, $subscription: UUID!) {
      webhookDeliveries(subscriptionId: $subscription) { id }
      organisation { id applications { id platformConnections { id } apiKeys { id } } members { id }
      apiKeys { id } accounts { id } auditLog(first: 200) { edges { node { id payload } } } }
      invitations { id } connections { id } templates { id } me { id } webhookSubscriptions { id }
      dossier(contactId: $contact) { contactId }
      contacts { edges { node { id } } } companies { edges { node { id } } }
      contactLists(includeArchived: true) { edges { node { id } } } contactImports { edges { node { id } } }
      drafts { edges { node { id contactId listId history { payload } engagement { eventId } } } } }"""
    listed = """query($id: UUID!) { suppressions(applicationId: $id) { edges { node { id } } } }"""

    given = {"contact": world.contact, "subscription": world.subscription}
    seen = str(await world.owner.data(query, **given)) + str(
        await world.owner.data(listed, id=world.application)
    )

    for kind, one in world.ids.items():
        # files are an application's, not the administration's
        assert (one in seen) is (kind != "file"), kind
    assert not [one for one in foreign.ids.values() if one in seen]
    assert await world.owner.data(
        "query($id: UUID!) { application(id: $id) { id } }", id=foreign.application
    ) == {"application": None}
    assert await world.owner.data(
        """query($id: UUID!) {
          template(id: $id) { id } templateVersions(id: $id) { version } previewTemplate(id: $id) { text } }""",
        id=foreign.template,
    ) == {"template": None, "templateVersions": [], "previewTemplate": None}
    assert await world.owner.data(
        "query($id: UUID!) { draft(id: $id) { id } previewDraft(id: $id) { text } }", id=foreign.draft
    ) == {"draft": None, "previewDraft": None}
    assert await world.owner.data(listed, id=foreign.application) == {"suppressions": None}
    for name, one in (
        ("contact", foreign.contact),
        ("company", foreign.company),
        ("contactList", foreign.contact_list),
        ("contactImport", foreign.contact_import),
    ):
        assert await world.owner.data(f"query($id: UUID!) {{ {name}(id: $id) {{ id }} }}", id=one) == {
            name: None
        }


async def test_the_hidden_application_is_none(server: Server, owner: Administrator) -> None:
    hidden = str(owner.tenant.hidden_application_id)
    contact = await new_contact(server.runtime.database.system, owner.tenant.organisation_id)

    assert hidden not in str(await owner.data("{ applications { id } }"))
    for name, argument in _WITH_IDS:
        if argument == "applicationId" or "Application" in name:
            given: dict[str, Any] = {
                "name": "x",
                "platformName": "SMS",
                "provider": "sandbox",
                "scopes": ["*"],
                "identifier": "x",
                "locals": {},
                "contactId": str(contact),
                "template": "x",
                "targetUrl": "https://hooks.example.com/",
                "address": "ada@lighthouse.example",
                "id": MISSING,
                "format": "CSV",
                "fileId": MISSING,
            }
            given = {one: given[one] for one in given if one in fields_of("Mutation")[name].args}
            answer = await _asked(owner, name, {**given, argument: hidden})
            assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND", (name, answer)


async def _asked(owner: Administrator, name: str, given: dict[str, Any]) -> dict[str, Any]:
    answer = await owner.graphql(document("Mutation", name, given), **given)
    for error in answer.get("errors", []):
        error["message"] = error["message"].replace(str(given), "")
        error["extensions"].get("details", {}).pop("resource_id", None)
    return answer
