"""What each role may do: every operation, by members of every role."""

from collections.abc import Mapping

import pytest

from outrider.surfaces.admin_graphql.mutations import MUTATIONS
from outrider.tenancy.members.roles import PERMISSIONS, SCOPES, Role
from tests.administrators import Administrator, new_administrator
from tests.clients import Server
from tests.surfaces.admin_graphql.world import ARGUMENTS, MISSING, World, document, fields_of

EVERYBODY = {"owner", "admin", "developer", "viewer"}
MANAGERS = {"owner", "admin"}
MAKERS = {"owner", "admin", "developer"}
MAY: Mapping[str, set[str]] = {
    "signIn": EVERYBODY,
    "refresh": EVERYBODY,
    "acceptInvitation": EVERYBODY,
    "signOut": EVERYBODY,
    "changePassword": EVERYBODY,
    "updateOrganisation": MANAGERS,
    "inviteMember": MANAGERS,
    "revokeInvitation": MANAGERS,
    "updateMember": MANAGERS,
    "removeMember": MANAGERS,
    "createApplication": MANAGERS,
    "updateApplication": MAKERS,
    "deleteApplication": MANAGERS,
    "restoreApplication": MANAGERS,
    "createApiKey": MAKERS,
    "rotateApiKey": MAKERS,
    "revokeApiKey": MAKERS,
    "createMessageKey": MAKERS,
    "revokeMessageKey": MAKERS,
    "createReadKey": MAKERS,
    "revokeReadKey": MAKERS,
    "setDefaultBackend": MAKERS,
    "createAccount": MAKERS,
    "updateAccount": MAKERS,
    "deleteAccount": MAKERS,
    "createPlatformConnection": MAKERS,
    "updatePlatformConnection": MAKERS,
    "deletePlatformConnection": MAKERS,
    "testPlatformConnection": MAKERS,
    "createTemplate": MAKERS,
    "updateTemplate": MAKERS,
    "deleteTemplate": MAKERS,
    "createDraft": MAKERS,
    "createDrafts": MAKERS,
    "updateDraft": MAKERS,
    "submitDraft": MAKERS,
    "approveDraft": MAKERS,
    "approveDrafts": MAKERS,
    "scheduleDraft": MAKERS,
    "cancelDraft": MAKERS,
    "discardDraft": MAKERS,
    "updateOrganisationLocals": MAKERS,
    "updateApplicationLocals": MAKERS,
    "writeDossier": MAKERS,
    "deleteDossier": MAKERS,
    "setDossierLifetime": MAKERS,
    "researchContact": MAKERS,
    "researchContacts": MAKERS,
    "createWebhookSubscription": MAKERS,
    "updateWebhookSubscription": MAKERS,
    "pauseWebhookSubscription": MAKERS,
    "resumeWebhookSubscription": MAKERS,
    "deleteWebhookSubscription": MAKERS,
    "testWebhookSubscription": MAKERS,
    "retryWebhookDelivery": MAKERS,
    "rotateWebhookSubscriptionSecret": MAKERS,
    "addSuppression": MAKERS,
    "removeSuppression": MAKERS,
    "createContact": MAKERS,
    "updateContact": MAKERS,
    "deleteContact": MAKERS,
    "createCompany": MAKERS,
    "updateCompany": MAKERS,
    "deleteCompany": MAKERS,
    "createContactList": MAKERS,
    "updateContactList": MAKERS,
    "archiveContactList": MAKERS,
    "unarchiveContactList": MAKERS,
    "moveContacts": MAKERS,
    "importContacts": MAKERS,
    "cancelContactImport": MAKERS,
}
# nothing that they name is there, so nothing that is allowed changes what others rely on
NOBODYS = World(
    owner=None,  # type: ignore[arg-type]
    application=MISSING,
    archived_application=MISSING,
    api_key=MISSING,
    message_key=MISSING,
    read_key=MISSING,
    account=MISSING,
    connection=MISSING,
    member=MISSING,
    invitation=MISSING,
    invitation_token="otr_invite_none",
    template=MISSING,
    draft=MISSING,
    submitted_draft=MISSING,
    spare_draft=MISSING,
    subscription=MISSING,
    paused=MISSING,
    delivery=MISSING,
    suppression=MISSING,
    contact=MISSING,
    spare_contact=MISSING,
    company=MISSING,
    contact_list=MISSING,
    archived_list=MISSING,
    contact_import=MISSING,
    file=MISSING,
)
READS = {
    "application": {"id": MISSING},
    "template": {"id": MISSING},
    "templateVersions": {"id": MISSING},
    "previewTemplate": {"id": MISSING, "locals": {"name": "Ann"}},
    "draft": {"id": MISSING},
    "previewDraft": {"id": MISSING},
    "drafts": {"first": 5},
    "auditLog": {"first": 5},
    "dossier": {"contactId": MISSING},
    "webhookDeliveries": {"subscriptionId": MISSING},
    "suppressions": {"applicationId": MISSING},
    "contact": {"id": MISSING},
    "company": {"id": MISSING},
    "contactList": {"id": MISSING},
    "contactImport": {"id": MISSING},
}


@pytest.fixture(scope="module")
async def members(server: Server) -> dict[str, Administrator]:
    """One member of each role, in one organisation."""
    owner = await new_administrator(server)
    others = {
        role.value: await new_administrator(server, role, tenant=owner.tenant)
        for role in Role
        if role is not Role.OWNER
    }
    return {"owner": owner, **others}


def test_the_table_has_every_operation() -> None:
    assert set(MAY) == set(ARGUMENTS) == set(MUTATIONS) == set(fields_of("Mutation"))
    assert set(PERMISSIONS) == set(SCOPES) == set(Role)


@pytest.mark.parametrize("role", [role.value for role in Role])
@pytest.mark.parametrize("name", [name for name in MAY if not MUTATIONS[name].public and name != "signOut"])
async def test_a_role_may_do_what_the_table_says(
    members: dict[str, Administrator], name: str, role: str
) -> None:
    given = ARGUMENTS[name](NOBODYS)
    if name == "changePassword":
        given["newPassword"] = "short"

    answer = await members[role].graphql(document("Mutation", name, given), **given)

    code = answer["errors"][0]["extensions"]["code"] if "errors" in answer else None
    if role in MAY[name]:
        assert code in {None, "NOT_FOUND", "VALIDATION_ERROR", "RESOURCE_EXISTS"}, answer
    else:
        assert code == "FORBIDDEN"
        assert answer["errors"][0]["extensions"]["http"] == {"status": 403}
        assert answer["errors"][0]["extensions"]["details"].keys() == {"required_permission"}


@pytest.mark.parametrize("role", [role.value for role in Role])
@pytest.mark.parametrize("name", list(fields_of("Query")))
async def test_every_role_may_read_everything(
    members: dict[str, Administrator], name: str, role: str
) -> None:
    given = READS.get(name, {})

    answer = await members[role].graphql(document("Query", name, given), **given)

    assert "errors" not in answer, answer


@pytest.mark.parametrize(
    "query",
    [
        "mutation($id: UUID!) { removeMember(id: $id) { id } }",
        "mutation($id: UUID!) { updateMember(id: $id, role: ADMIN) { id } }",
        'mutation($id: UUID!) { updateMember(id: $id, name: "x") { id } }',
        "mutation($id: UUID!) { updateMember(id: $id, status: DISABLED) { id } }",
    ],
)
async def test_only_owners_may_touch_owners(members: dict[str, Administrator], query: str) -> None:
    assert (await members["admin"].refused(query, id=members["owner"].member_id))["code"] == "FORBIDDEN"


async def test_only_owners_make_owners(members: dict[str, Administrator]) -> None:
    admin = members["admin"]
    invite = "mutation($e: String!) { inviteMember(email: $e, role: OWNER) { token invitation { id } } }"
    raise_ = "mutation($id: UUID!) { updateMember(id: $id, role: OWNER) { id } }"

    invited = await members["owner"].data(invite, e="second@lighthouse.example")
    invitation = invited["inviteMember"]["invitation"]["id"]

    assert (await admin.refused(invite, e="x@lighthouse.example"))["code"] == "FORBIDDEN"
    assert (await admin.refused(raise_, id=members["viewer"].member_id))["code"] == "FORBIDDEN"
    assert (await admin.refused(raise_, id=admin.member_id))["code"] == "FORBIDDEN"
    take_back = "mutation($id: UUID!) { revokeInvitation(id: $id) }"
    assert (await admin.refused(take_back, id=invitation))["code"] == "FORBIDDEN"


@pytest.mark.parametrize(
    "query",
    [
        "mutation($id: UUID!) { removeMember(id: $id) { id } }",
        "mutation($id: UUID!) { updateMember(id: $id, role: ADMIN) { id } }",
        "mutation($id: UUID!) { updateMember(id: $id, status: DISABLED) { id } }",
    ],
)
async def test_there_is_always_an_owner(owner: Administrator, server: Server, query: str) -> None:
    refused = await owner.refused(query, id=owner.member_id)
    second = await new_administrator(server, tenant=owner.tenant)

    assert (refused["code"], refused["http"]) == ("LAST_OWNER", {"status": 409})
    await owner.data(query, id=owner.member_id)
    assert (await second.refused(query, id=second.member_id))["code"] == "LAST_OWNER"


async def test_what_is_not_allowed_hinders_all_that_stands_beside_it(
    members: dict[str, Administrator],
) -> None:
    query = """mutation { changePassword(currentPassword: "x", newPassword: "x") { id }
      ...More } fragment More on Mutation { named: createApplication(name: "Beside") { id } }"""

    refused = await members["developer"].graphql(query)

    (error,) = refused["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["named"], "FORBIDDEN")
