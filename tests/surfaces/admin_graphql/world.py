"""An organisation with one of everything, and arguments with which every mutation succeeds there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from graphql import GraphQLObjectType, get_named_type

from outrider.surfaces.admin_graphql.schema import SCHEMA
from outrider.tenancy.members.roles import Role
from tests.administrators import PASSWORD, Administrator, add_member
from tests.clients import Server

MISSING = "00000000-0000-7000-8000-000000000000"


@dataclass(frozen=True)
class World:
    """The ids of an organisation's things, and tokens for those who are not signed in."""

    owner: Administrator
    application: str
    api_key: str
    message_key: str
    read_key: str
    account: str
    connection: str
    member: str
    invitation: str
    invitation_token: str
    template: str
    suppression: str

    @property
    def ids(self) -> dict[str, str]:
        """The ids by their kinds."""
        kinds = (
            "application",
            "api_key",
            "message_key",
            "read_key",
            "account",
            "connection",
            "member",
            "invitation",
            "template",
            "suppression",
        )
        return {kind: getattr(self, kind) for kind in kinds}


async def new_world(server: Server, owner: Administrator) -> World:
    """Make one of everything."""
    application = await owner.data('mutation { createApplication(name: "World") { id } }')
    application_id = application["createApplication"]["id"]
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
        }""",
        a=application_id,
        # whoever accepts needs an address that no other test has
        guest=f"guest-{uuid4().hex}@lighthouse.example",
    )
    email = await add_member(server.runtime, owner.tenant.organisation_id, Role.VIEWER)
    members = (await owner.data("{ members { id email } }"))["members"]
    return World(
        owner=owner,
        application=application_id,
        api_key=made["key"]["apiKey"]["id"],
        message_key=made["messages"]["messageKey"]["id"],
        read_key=made["reads"]["readKey"]["id"],
        account=made["account"]["id"],
        connection=made["connection"]["id"],
        member=next(one["id"] for one in members if one["email"] == email),
        invitation=made["invitation"]["invitation"]["id"],
        invitation_token=made["invitation"]["token"],
        template=made["template"]["id"],
        suppression=made["suppression"]["id"],
    )


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
    "deletePlatformConnection": lambda world: {"id": world.connection},
    "deleteAccount": lambda world: {"id": world.account},
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
    kind = SCHEMA.type_map[type_name]
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
