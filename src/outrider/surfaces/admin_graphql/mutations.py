"""The mutations: what each needs, and the operation that it calls."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from outrider.core.errors import ValidationError
from outrider.platforms.base import Channel
from outrider.surfaces.admin_graphql import contact_mutations, dossier_mutations, webhook_mutations
from outrider.surfaces.admin_graphql.calling import Arguments, Call
from outrider.surfaces.admin_graphql.draft_mutations import DRAFT_MUTATIONS
from outrider.surfaces.admin_graphql.read_key_mutations import create_read_key, revoke_read_key
from outrider.surfaces.admin_graphql.suppressing import add_suppression, remove_suppression
from outrider.surfaces.admin_graphql.template_mutations import (
    create_template,
    delete_template,
    update_template,
)
from outrider.templates import managing as managing_templates
from outrider.tenancy import administering, administering_connections, managing_accounts
from outrider.tenancy.actors import Environment
from outrider.tenancy.administering import AdministeredApplication
from outrider.tenancy.api_keys import ApiKey, CreatedApiKey, NewApiKey
from outrider.tenancy.application_settings import ApplicationChanges
from outrider.tenancy.applications import missing_application
from outrider.tenancy.connections import NewConnection
from outrider.tenancy.managing_accounts import NewOwnAccount
from outrider.tenancy.managing_connections import ConnectionChanges
from outrider.tenancy.members import invitations, managing, signing_in
from outrider.tenancy.members.managing import MemberChanges
from outrider.tenancy.members.roles import Permission, Role
from outrider.tenancy.message_keys import MessageKey, NewMessageKey


@dataclass(frozen=True, slots=True)
class Mutation:
    """How a mutation is carried out; without `permission` every member may, and a `public` one anybody."""

    run: Callable[[Call, Arguments], Awaitable[object]]
    permission: Permission | None = None
    public: bool = False


@dataclass(frozen=True, slots=True)
class KeyWithToken:
    """A new key, and what is told once."""

    api_key: ApiKey
    token: str

    def __repr__(self) -> str:
        return f"KeyWithToken({self.api_key!r})"


@dataclass(frozen=True, slots=True)
class MessageKeyWithSecrets:
    """A new message key, and what is told once."""

    message_key: MessageKey
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)


async def _sign_in(call: Call, given: Arguments) -> object:
    return await signing_in.sign_in(
        call.administration.access, email=given["email"], password=given["password"], address=call.address
    )


async def _refresh(call: Call, given: Arguments) -> object:
    return await signing_in.refresh(call.administration.access, given["refreshToken"])


async def _sign_out(call: Call, _given: Arguments) -> object:
    await signing_in.sign_out(call.administration.access, call.member)
    return True


async def _change_password(call: Call, given: Arguments) -> object:
    return await signing_in.change_password(
        call.administration.access,
        call.member,
        current=given["currentPassword"],
        new=given["newPassword"],
        address=call.address,
    )


async def _accept_invitation(call: Call, given: Arguments) -> object:
    return await invitations.accept_invitation(
        call.administration.access,
        token=given["token"],
        name=given["name"],
        password=given["password"],
        address=call.address,
    )


async def _update_organisation(call: Call, given: Arguments) -> object:
    return await administering.rename_organisation(call.tenancy, call.member, given["name"])


async def _invite_member(call: Call, given: Arguments) -> object:
    role = Role[given["role"]]
    return await invitations.invite_member(call.tenancy, call.member, email=given["email"], role=role)


async def _revoke_invitation(call: Call, given: Arguments) -> object:
    await invitations.revoke_invitation(call.tenancy, call.member, given["id"])
    return True


async def _update_member(call: Call, given: Arguments) -> object:
    role, status = given.get("role"), given.get("status")
    changes = MemberChanges(
        name=given.get("name"),
        role=Role[role] if role else None,
        status=status.lower() if status else None,
    )
    return await managing.update_member(
        call.tenancy, call.member.organisation_id, given["id"], changes, by=call.member
    )


async def _remove_member(call: Call, given: Arguments) -> object:
    return await managing.remove_member(
        call.tenancy, call.member.organisation_id, given["id"], by=call.member
    )


async def _create_application(call: Call, given: Arguments) -> object:
    application_id = await administering.create_application(
        call.tenancy,
        call.member,
        name=given["name"],
        slug=given.get("slug"),
        config=given.get("config"),
    )
    return await _application(call, application_id)


async def _update_application(call: Call, given: Arguments) -> object:
    changes = ApplicationChanges(name=given.get("name"), config=given.get("config"))
    await administering.change_application(call.tenancy, call.member, given["id"], changes)
    return await _application(call, given["id"])


async def _delete_application(call: Call, given: Arguments) -> object:
    await administering.archive_application(call.tenancy, call.member, given["id"])
    return await _application(call, given["id"])


async def _restore_application(call: Call, given: Arguments) -> object:
    await administering.restore_application(call.tenancy, call.member, given["id"], given.get("slug"))
    return await _application(call, given["id"])


async def _create_api_key(call: Call, given: Arguments) -> object:
    new = NewApiKey(
        application_id=given["applicationId"],
        name=given["name"],
        scopes=given["scopes"],
        environment=Environment[given.get("environment") or Environment.LIVE.name],
        expires_at=given.get("expiresAt"),
    )
    return await _with_token(call, await administering.create_api_key(call.tenancy, call.member, new))


async def _rotate_api_key(call: Call, given: Arguments) -> object:
    minutes = given.get("overlapMinutes")
    if minutes is None:
        raise ValidationError("overlapMinutes must not be null.", path="overlapMinutes")
    created = await administering.rotate_api_key(
        call.tenancy, call.member, given["id"], timedelta(minutes=minutes)
    )
    return await _with_token(call, created)


async def _revoke_api_key(call: Call, given: Arguments) -> object:
    await administering.revoke_api_key(call.tenancy, call.member, given["id"])
    return await _api_key(call, given["id"])


async def _create_message_key(call: Call, given: Arguments) -> object:
    new = NewMessageKey(
        name=given["name"],
        application_ids=given.get("applicationIds"),
        is_signing_required=given.get("signingRequired") is not False,
        is_secret_waived=given.get("secretWaived") is True,
    )
    created = await administering.create_message_key(call.tenancy, call.member, new)
    return MessageKeyWithSecrets(await _message_key(call, created.id), created.secret, created.passphrase)


async def _revoke_message_key(call: Call, given: Arguments) -> object:
    await administering.revoke_message_key(call.tenancy, call.member, given["id"])
    return await _message_key(call, given["id"])


async def _set_default_backend(call: Call, given: Arguments) -> object:
    await administering_connections.set_default_backend(
        call.tenancy,
        call.member,
        given["applicationId"],
        channel=Channel[given["platformName"]],
        account_id=given.get("accountId"),
    )
    return await _application(call, given["applicationId"])


async def _create_account(call: Call, given: Arguments) -> object:
    new = NewOwnAccount(
        channel=Channel[given["platformName"]],
        provider=given.get("provider"),
        identifier=given.get("identifier"),
        config=given.get("config"),
    )
    return await managing_accounts.create_account(call.tenancy, call.member, new)


async def _update_account(call: Call, given: Arguments) -> object:
    return await managing_accounts.update_account(
        call.tenancy,
        call.member,
        given["id"],
        identifier=given.get("identifier"),
        config=given.get("config"),
    )


async def _delete_account(call: Call, given: Arguments) -> object:
    return await managing_accounts.delete_account(call.tenancy, call.member, given["id"])


async def _create_connection(call: Call, given: Arguments) -> object:
    new = NewConnection(
        channel=Channel[given["platformName"]],
        name=given["name"],
        provider=given.get("provider"),
        identifier=given.get("identifier"),
        account_id=given.get("accountId"),
        config=given.get("config"),
        in_doubt_policy=(given.get("inDoubtPolicy") or "RETRY").lower(),
    )
    created = await administering_connections.connect(call.tenancy, call.member, given["applicationId"], new)
    view = await administering_connections.get_connection(call.tenancy, call.member, created.id)
    return replace(view, webhook_url=created.webhook_url or view.webhook_url)


async def _update_connection(call: Call, given: Arguments) -> object:
    policy, status = given.get("inDoubtPolicy"), given.get("status")
    changes = ConnectionChanges(
        name=given.get("name"),
        config=given.get("config"),
        in_doubt_policy=policy.lower() if policy else None,
        status=status.lower() if status else None,
    )
    await administering_connections.change_connection(call.tenancy, call.member, given["id"], changes)
    return await administering_connections.get_connection(call.tenancy, call.member, given["id"])


async def _delete_connection(call: Call, given: Arguments) -> object:
    return await administering_connections.disconnect(call.tenancy, call.member, given["id"])


async def _test_connection(call: Call, given: Arguments) -> object:
    return await administering_connections.try_connection(
        call.administration.checking, call.member, given["id"]
    )


async def _update_organisation_locals(call: Call, given: Arguments) -> object:
    await managing_templates.set_locals(call.administration.templates, call.member, None, given["locals"])
    return await administering.get_organisation(call.tenancy, call.member)


async def _update_application_locals(call: Call, given: Arguments) -> object:
    application_id = given["applicationId"]
    await managing_templates.set_locals(
        call.administration.templates, call.member, application_id, given["locals"]
    )
    return await _application(call, application_id)


async def _application(call: Call, application_id: UUID) -> AdministeredApplication:
    for one in await call.applications():
        if one.id == application_id:
            return one
    raise missing_application(application_id)


async def _with_token(call: Call, created: CreatedApiKey) -> KeyWithToken:
    return KeyWithToken(await _api_key(call, created.id), created.token)


async def _message_key(call: Call, key_id: UUID) -> MessageKey:
    return next(key for key in await call.message_keys() if key.id == key_id)


async def _api_key(call: Call, key_id: UUID) -> ApiKey:
    return next(key for key in await call.api_keys() if key.id == key_id)


MUTATIONS: Final[Mapping[str, Mutation]] = {
    "signIn": Mutation(_sign_in, public=True),
    "refresh": Mutation(_refresh, public=True),
    "acceptInvitation": Mutation(_accept_invitation, public=True),
    "signOut": Mutation(_sign_out),
    "changePassword": Mutation(_change_password),
    "updateOrganisation": Mutation(_update_organisation, Permission.ORGANISATION),
    "inviteMember": Mutation(_invite_member, Permission.MEMBERS),
    "revokeInvitation": Mutation(_revoke_invitation, Permission.MEMBERS),
    "updateMember": Mutation(_update_member, Permission.MEMBERS),
    "removeMember": Mutation(_remove_member, Permission.MEMBERS),
    "createApplication": Mutation(_create_application, Permission.APPLICATIONS),
    "updateApplication": Mutation(_update_application, Permission.SETTINGS),
    "deleteApplication": Mutation(_delete_application, Permission.APPLICATIONS),
    "restoreApplication": Mutation(_restore_application, Permission.APPLICATIONS),
    "createApiKey": Mutation(_create_api_key, Permission.KEYS),
    "rotateApiKey": Mutation(_rotate_api_key, Permission.KEYS),
    "revokeApiKey": Mutation(_revoke_api_key, Permission.KEYS),
    "createMessageKey": Mutation(_create_message_key, Permission.KEYS),
    "revokeMessageKey": Mutation(_revoke_message_key, Permission.KEYS),
    "createReadKey": Mutation(create_read_key, Permission.KEYS),
    "revokeReadKey": Mutation(revoke_read_key, Permission.KEYS),
    "setDefaultBackend": Mutation(_set_default_backend, Permission.CONNECTIONS),
    "createAccount": Mutation(_create_account, Permission.CONNECTIONS),
    "updateAccount": Mutation(_update_account, Permission.CONNECTIONS),
    "deleteAccount": Mutation(_delete_account, Permission.CONNECTIONS),
    "createPlatformConnection": Mutation(_create_connection, Permission.CONNECTIONS),
    "updatePlatformConnection": Mutation(_update_connection, Permission.CONNECTIONS),
    "deletePlatformConnection": Mutation(_delete_connection, Permission.CONNECTIONS),
    "testPlatformConnection": Mutation(_test_connection, Permission.CONNECTIONS),
    "createTemplate": Mutation(create_template, Permission.TEMPLATES),
    "updateTemplate": Mutation(update_template, Permission.TEMPLATES),
    "deleteTemplate": Mutation(delete_template, Permission.TEMPLATES),
    **{name: Mutation(run, Permission.OUTREACH) for name, run in DRAFT_MUTATIONS.items()},
    "updateOrganisationLocals": Mutation(_update_organisation_locals, Permission.TEMPLATES),
    "updateApplicationLocals": Mutation(_update_application_locals, Permission.TEMPLATES),
    "writeDossier": Mutation(dossier_mutations.write_dossier, Permission.OUTREACH),
    "deleteDossier": Mutation(dossier_mutations.delete_dossier, Permission.OUTREACH),
    "setDossierLifetime": Mutation(dossier_mutations.set_dossier_lifetime, Permission.OUTREACH),
    "researchContact": Mutation(dossier_mutations.research_contact, Permission.OUTREACH),
    "researchContacts": Mutation(dossier_mutations.research_contacts, Permission.OUTREACH),
    "createWebhookSubscription": Mutation(webhook_mutations.create_subscription, Permission.SETTINGS),
    "updateWebhookSubscription": Mutation(webhook_mutations.update_subscription, Permission.SETTINGS),
    "pauseWebhookSubscription": Mutation(webhook_mutations.pause_subscription, Permission.SETTINGS),
    "resumeWebhookSubscription": Mutation(webhook_mutations.resume_subscription, Permission.SETTINGS),
    "deleteWebhookSubscription": Mutation(webhook_mutations.delete_subscription, Permission.SETTINGS),
    "rotateWebhookSubscriptionSecret": Mutation(webhook_mutations.rotate_secret, Permission.SETTINGS),
    "testWebhookSubscription": Mutation(webhook_mutations.test_subscription, Permission.SETTINGS),
    "retryWebhookDelivery": Mutation(webhook_mutations.retry_delivery, Permission.SETTINGS),
    "addSuppression": Mutation(add_suppression, Permission.SUPPRESSIONS),
    "removeSuppression": Mutation(remove_suppression, Permission.SUPPRESSIONS),
    "createContact": Mutation(contact_mutations.create_contact, Permission.OUTREACH),
    "updateContact": Mutation(contact_mutations.update_contact, Permission.OUTREACH),
    "deleteContact": Mutation(contact_mutations.delete_contact, Permission.OUTREACH),
    "createCompany": Mutation(contact_mutations.create_company, Permission.OUTREACH),
    "updateCompany": Mutation(contact_mutations.update_company, Permission.OUTREACH),
    "deleteCompany": Mutation(contact_mutations.delete_company, Permission.OUTREACH),
    "createContactList": Mutation(contact_mutations.create_contact_list, Permission.OUTREACH),
    "updateContactList": Mutation(contact_mutations.update_contact_list, Permission.OUTREACH),
    "archiveContactList": Mutation(contact_mutations.archive_contact_list, Permission.OUTREACH),
    "unarchiveContactList": Mutation(contact_mutations.unarchive_contact_list, Permission.OUTREACH),
    "moveContacts": Mutation(contact_mutations.move_contacts, Permission.OUTREACH),
    "importContacts": Mutation(contact_mutations.import_contacts, Permission.OUTREACH),
    "cancelContactImport": Mutation(contact_mutations.cancel_contact_import, Permission.OUTREACH),
}


async def carry_out(name: str, call: Call, arguments: Mapping[str, Any]) -> object:
    """Carry out a mutation; what is read from now on is read anew."""
    try:
        call.forget_lists()
        return await MUTATIONS[name].run(call, arguments)
    finally:
        call.forget_lists()
