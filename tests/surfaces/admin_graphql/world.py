"""An organisation with one of everything, and arguments with which every mutation succeeds there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

from graphql import GraphQLObjectType, get_named_type

from outrider.files.storing import store_file
from outrider.outreach.importing.records import FileFormat
from outrider.outreach.imports import ImportOptions, begin_command
from outrider.surfaces.admin_graphql.schema import admin_schema
from outrider.tenancy.members.roles import Role
from tests.administrators import PASSWORD, Administrator, add_member
from tests.clients import Server
from tests.outreach.written import new_contact
from tests.tenants import actor_of

MISSING = "00000000-0000-7000-8000-000000000000"
# As the dispatcher leaves it after ten attempts, which take days.
FAILED_DELIVERY = """
with event as (
  select application_id, id from events where application_id = $1 order by id desc limit 1
), body as (
  insert into frozen_bodies (application_id, event_id, fragment) select application_id, id, '{}' from event
)
insert into deliveries (application_id, id, kind, event_id, target_id, state, reason, attempts, finished_at)
select application_id, uuidv7(), 'webhook', id, $2, 'failed', 'gave up', 10, now() from event returning id
"""


@dataclass(frozen=True)
class World:
    """The ids of an organisation's things, and tokens for those who are not signed in."""

    owner: Administrator
    application: str
    archived_application: str
    api_key: str
    message_key: str
    read_key: str
    account: str
    connection: str
    member: str
    invitation: str
    invitation_token: str
    template: str
    draft: str
    submitted_draft: str
    spare_draft: str
    subscription: str
    paused: str
    """Another subscription."""
    delivery: str
    """To the subscription, of an event of the organisation's own; given up."""
    suppression: str
    contact: str
    spare_contact: str
    company: str
    contact_list: str
    archived_list: str
    contact_import: str
    file: str

    @property
    def ids(self) -> dict[str, str]:
        """The ids by their kinds."""
        kinds = (
            "application",
            "archived_application",
            "api_key",
            "message_key",
            "read_key",
            "account",
            "connection",
            "member",
            "invitation",
            "template",
            "draft",
            "subscription",
            "delivery",
            "suppression",
            "contact",
            "company",
            "contact_list",
            "archived_list",
            "contact_import",
            "file",
        )
        return {kind: getattr(self, kind) for kind in kinds}


async def new_world(server: Server, owner: Administrator) -> World:
    """Make one of everything."""
    application = await owner.data(
        'mutation { createApplication(name: "World") { id } old: createApplication(name: "Old World") { id } }'
    )
    application_id, archived_id = application["createApplication"]["id"], application["old"]["id"]
    await owner.data("mutation($id: UUID!) { deleteApplication(id: $id) { id } }", id=archived_id)
    made = await owner.data(
        """mutation($a: UUID!, $guest: String!) {
          key: createApiKey(applicationId: $a, name: "world", scopes: ["*"]) { apiKey { id } }
          messages: createMessageKey(name: "world") { messageKey { id } }
          reads: createReadKey(name: "world", scopes: ["lists.read"]) { readKey { id } }
          account: createAccount(platformName: SMS, provider: "sandbox") { id }
          connection: createPlatformConnection(
            applicationId: $a, platformName: SMS, provider: "sandbox", name: "world") { id }
          template: createTemplate(applicationId: $a, identifier: "world", textBody: "Hello {{name}}") { id }
          suppression: addSuppression(
            applicationId: $a, platformName: EMAIL, address: "gone@lighthouse.example") { id }
          invitation: inviteMember(email: $guest, role: VIEWER) { token invitation { id } }
          company: createCompany(name: "World") { id }
          list: createContactList(name: "World", applicationId: $a) { id }
          contact: createContact(email: "ada@world.example", name: "Ada Lovelace", company: {domain: "world.example"},
            addresses: [{platformName: SMS, address: "+49 30 123456"}]) { id }
          spare: createContact(email: "spare@world.example") { id }
          archived: createContactList(name: "Old World") { id }
        }""",
        a=application_id,
        # whoever accepts needs an address that no other test has
        guest=f"guest-{uuid4().hex}@lighthouse.example",
    )
    await owner.data("mutation($id: UUID!) { archiveContactList(id: $id) { id } }", id=made["archived"]["id"])
    await owner.data(
        "mutation($c: [UUID!]!, $l: UUID!) { moveContacts(contactIds: $c, listId: $l) }",
        c=[made["contact"]["id"]],
        l=made["list"]["id"],
    )
    # a command's: no worker takes it up
    options = ImportOptions(format=FileFormat.CSV, list_id=UUID(made["list"]["id"]))
    begun, _ = await begin_command(
        server.runtime.tenancy, owner.tenant.organisation_id, options, BytesIO(b"email\nada@world.example\n")
    )
    tenant = owner.tenant
    file = await store_file(
        server.runtime.files,
        actor_of(server.runtime.tenancy, tenant.organisation_id, UUID(application_id)),
        b'{"email": "grace@world.example", "who": "Grace"}',
        filename="contacts.jsonl",
    )
    watched = await owner.data(
        """mutation($c: UUID!, $a: UUID!) { researchContact(contactId: $c, level: 1) { level }
          createWebhookSubscription(name: "world", targetUrl: "https://hooks.example.com/", eventPatterns: ["never"]) {
            subscription { id } }
          paused: createWebhookSubscription(
            applicationId: $a, name: "paused", targetUrl: "https://hooks.example.com/") { subscription { id } } }""",
        c=made["contact"]["id"],
        a=application_id,
    )
    paused = watched["paused"]["subscription"]["id"]
    await owner.data("mutation($id: UUID!) { pauseWebhookSubscription(id: $id) { id } }", id=paused)
    email = await add_member(server.runtime, owner.tenant.organisation_id, Role.VIEWER)
    members = (await owner.data("{ members { id email } }"))["members"]
    pool, organisation_id = server.runtime.database.system, owner.tenant.organisation_id
    contact = UUID(made["contact"]["id"])
    await new_contact(pool, organisation_id, list_id=UUID(made["list"]["id"]))
    subscription = watched["createWebhookSubscription"]["subscription"]["id"]
    delivery = await pool.fetchval(FAILED_DELIVERY, owner.tenant.hidden_application_id, subscription)
    submitted, draft, spare = [await _draft(owner, contact, application_id) for _ in range(3)]
    await owner.data("mutation($id: UUID!) { submitDraft(id: $id) { id } }", id=submitted)
    return World(
        owner=owner,
        application=application_id,
        archived_application=archived_id,
        api_key=made["key"]["apiKey"]["id"],
        message_key=made["messages"]["messageKey"]["id"],
        read_key=made["reads"]["readKey"]["id"],
        account=made["account"]["id"],
        connection=made["connection"]["id"],
        member=next(one["id"] for one in members if one["email"] == email),
        invitation=made["invitation"]["invitation"]["id"],
        invitation_token=made["invitation"]["token"],
        template=made["template"]["id"],
        draft=draft,
        submitted_draft=submitted,
        spare_draft=spare,
        subscription=subscription,
        paused=paused,
        delivery=str(delivery),
        suppression=made["suppression"]["id"],
        contact=made["contact"]["id"],
        spare_contact=made["spare"]["id"],
        company=made["company"]["id"],
        contact_list=made["list"]["id"],
        archived_list=made["archived"]["id"],
        contact_import=str(begun.id),
        file=str(file.id),
    )


async def _draft(owner: Administrator, contact: UUID, application_id: str) -> str:
    created = await owner.data(
        """mutation($c: UUID!, $a: UUID!) {
          createDraft(contactId: $c, applicationId: $a, subject: "Hello", bodyText: "x") { id } }""",
        c=str(contact),
        a=application_id,
    )
    return str(created["createDraft"]["id"])


ARGUMENTS: Mapping[str, Callable[[World], dict[str, Any]]] = {
    "updateOrganisation": lambda world: {"name": "Lighthouse Two"},
    "inviteMember": lambda world: {"email": "guest@lighthouse.example", "role": "ADMIN"},
    "updateMember": lambda world: {"id": world.member, "name": "Keeper", "role": "DEVELOPER"},
    "createApplication": lambda world: {"name": "Second", "config": {"auto_mark_read": "on_received"}},
    "updateApplication": lambda world: {"id": world.application, "name": "Renamed"},
    "createApiKey": lambda world: {
        "applicationId": world.application,
        "name": "desk",
        "scopes": ["events:read"],
        "environment": "TEST",
        "expiresAt": "2999-01-01T00:00:00Z",
    },
    "rotateApiKey": lambda world: {"id": world.api_key, "overlapMinutes": 5},
    "createMessageKey": lambda world: {
        "name": "till",
        "applicationIds": [world.application],
        "signingRequired": False,
        "secretWaived": True,
    },
    "revokeMessageKey": lambda world: {"id": world.message_key},
    "createReadKey": lambda world: {
        "name": "crm",
        "scopes": ["contacts.read", "events.read"],
        "expiresAt": "2999-01-01T00:00:00Z",
    },
    "revokeReadKey": lambda world: {"id": world.read_key},
    "setDefaultBackend": lambda world: {
        "applicationId": world.application,
        "platformName": "SMS",
        "accountId": world.account,
    },
    "revokeApiKey": lambda world: {"id": world.api_key},
    "createAccount": lambda world: {"platformName": "EMAIL", "provider": "sandbox", "identifier": "letters"},
    "updateAccount": lambda world: {"id": world.account, "identifier": "renamed"},
    "createPlatformConnection": lambda world: {
        "applicationId": world.application,
        "platformName": "SMS",
        "name": "texts",
        "accountId": world.account,
    },
    "updatePlatformConnection": lambda world: {"id": world.connection, "status": "DISABLED"},
    "testPlatformConnection": lambda world: {"id": world.connection},
    "createTemplate": lambda world: {
        "applicationId": world.application,
        "identifier": "welcome",
        "subject": "Welcome, {{name}}",
        "htmlBody": "<p>Welcome</p>",
        "styles": "p { color: red }",
        "locals": {"name": "you"},
        "strict": True,
    },
    "updateTemplate": lambda world: {"id": world.template, "textBody": "Good day {{name}}"},
    "deleteTemplate": lambda world: {"id": world.template},
    "createDraft": lambda world: {
        "contactId": world.contact,
        "listId": world.contact_list,
        "applicationId": world.application,
        "subject": "Hello",
        "bodyText": "x",
    },
    "createDrafts": lambda world: {"listId": world.contact_list, "subject": "Hello", "bodyText": "x"},
    "updateDraft": lambda world: {"id": world.draft, "bodyText": "y"},
    "submitDraft": lambda world: {"id": world.draft},
    "scheduleDraft": lambda world: {"id": world.draft, "scheduledAt": "2999-01-01T00:00:00Z"},
    "cancelDraft": lambda world: {"id": world.submitted_draft},
    "discardDraft": lambda world: {"id": world.spare_draft},
    "approveDraft": lambda world: {"id": world.submitted_draft},
    "approveDrafts": lambda world: {"ids": [world.draft]},
    "writeDossier": lambda world: {
        "contactId": world.contact,
        "level": 2,
        "summary": "Likes lighthouses.",
        "facts": [{"text": "Owns one.", "source": "https://example.com"}],
        "researchedAt": "2026-01-01T00:00:00Z",
    },
    "deleteDossier": lambda world: {"contactId": world.contact},
    "setDossierLifetime": lambda world: {"days": 7},
    "researchContact": lambda world: {"contactId": world.contact, "level": 4},
    # nobody's dossier is stale: what the background writes would come at any time
    "researchContacts": lambda world: {"contactIds": [world.contact], "stale": True, "level": 1},
    "createWebhookSubscription": lambda world: {
        "applicationId": world.application,
        "name": "hooks",
        "targetUrl": "https://hooks.example.com/in",
        "eventPatterns": ["message.*"],
        "secret": "a-secret-that-has-at-least-32-characters",
        "family": "OUTERACT",
    },
    "updateWebhookSubscription": lambda world: {"id": world.subscription, "eventPatterns": ["seldom"]},
    "pauseWebhookSubscription": lambda world: {"id": world.subscription},
    "resumeWebhookSubscription": lambda world: {"id": world.paused},
    "rotateWebhookSubscriptionSecret": lambda world: {"id": world.subscription},
    "testWebhookSubscription": lambda world: {"id": world.subscription},
    "retryWebhookDelivery": lambda world: {"id": world.delivery},
    "deleteWebhookSubscription": lambda world: {"id": world.subscription},
    "updateOrganisationLocals": lambda world: {"locals": {"shop": "Lighthouse"}},
    "updateApplicationLocals": lambda world: {
        "applicationId": world.application,
        "locals": {"shop": "Ferry desk"},
    },
    "addSuppression": lambda world: {
        "applicationId": world.application,
        "platformName": "SMS",
        "address": "+1 555 867 5310",
        "note": "asked on the phone",
    },
    "removeSuppression": lambda world: {"applicationId": world.application, "id": world.suppression},
    "createContact": lambda world: {
        "email": "love@world.example",
        "name": "Ada Love",
        "addresses": [{"platformName": "TELEGRAM", "address": "4711"}],
        "companyId": world.company,
        "listId": world.contact_list,
        "fitScore": 90,
    },
    "updateContact": lambda world: {"id": world.contact, "name": "Ada", "qualificationStatus": "QUALIFIED"},
    "moveContacts": lambda world: {"contactIds": [world.spare_contact], "listId": world.contact_list},
    "deleteContact": lambda world: {"id": world.spare_contact},
    "createCompany": lambda world: {"name": "Engines", "domain": "engines.example"},
    "updateCompany": lambda world: {"id": world.company, "name": "Whole World"},
    "deleteCompany": lambda world: {"id": world.company},
    "createContactList": lambda world: {
        "name": "Engineers",
        "applicationId": world.application,
        "accountId": world.account,
    },
    "updateContactList": lambda world: {"id": world.contact_list, "goal": "A call"},
    "archiveContactList": lambda world: {"id": world.contact_list},
    "unarchiveContactList": lambda world: {"id": world.archived_list},
    "importContacts": lambda world: {
        "format": "JSONL",
        "applicationId": world.application,
        "fileId": world.file,
        "mapping": {"name": "who"},
        "onDuplicate": "UPDATE",
        "listId": world.contact_list,
    },
    "cancelContactImport": lambda world: {"id": world.contact_import},
    "deletePlatformConnection": lambda world: {"id": world.connection},
    "deleteAccount": lambda world: {"id": world.account},
    "restoreApplication": lambda world: {"id": world.archived_application, "slug": "once-more"},
    "deleteApplication": lambda world: {"id": world.application},
    "revokeInvitation": lambda world: {"id": world.invitation},
    "removeMember": lambda world: {"id": world.member},
    "changePassword": lambda world: {"currentPassword": PASSWORD, "newPassword": PASSWORD + " too"},
    "signIn": lambda world: {"email": world.owner.email, "password": PASSWORD},
    "acceptInvitation": lambda world: {
        "token": world.invitation_token,
        "name": "Guest",
        "password": PASSWORD,
    },
    "refresh": lambda world: {"refreshToken": world.owner.refresh_token},
    "signOut": lambda world: {},
}
"""Every mutation."""


def fields_of(type_name: str) -> dict[str, Any]:
    """The fields of a type."""
    kind = admin_schema().type_map[type_name]
    assert isinstance(kind, GraphQLObjectType)
    return kind.fields


def document(kind: str, name: str, given: Mapping[str, Any]) -> str:
    """A document with one field, whose arguments are variables of the same names."""
    field = fields_of(kind)[name]
    head = ", ".join(f"${one}: {field.args[one].type}" for one in given)
    passed = ", ".join(f"{one}: ${one}" for one in given)
    selected = " { __typename }" if isinstance(get_named_type(field.type), GraphQLObjectType) else ""
    return (
        f"{kind.lower()}{f'({head})' if head else ''} {{ {name}{f'({passed})' if passed else ''}{selected} }}"
    )
