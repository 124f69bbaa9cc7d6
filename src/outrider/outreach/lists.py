"""Lists of contacts: made, changed, archived and brought back; contacts put on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

from msgspec import UNSET, UnsetType

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Connection
from outrider.core.errors import NotFound, ValidationError
from outrider.core.ids import time_of
from outrider.outreach import queries, queries_lists
from outrider.outreach.acting import checked_first, require
from outrider.outreach.checking import checked_text
from outrider.outreach.queries_lists import ListRow
from outrider.outreach.values import ContactList, Page, SourceType
from outrider.tenancy.context import TenancyContext, append_audit, settings_transaction
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.roles import Permission
from outrider.tenancy.naming import checked_name

T = TypeVar("T")

MOST_MOVED: Final = 1_000
"""How many contacts one call may put on a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewList:
    """A list to make. Its drafts are sent through an account, in an application."""

    name: str
    source_type: SourceType = SourceType.MANUAL
    description: str | None = None
    connection_point: str | None = None
    goal: str | None = None
    application_id: UUID | None = None
    account_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChanges:
    """What to change; unset leaves it, None removes it."""

    name: str | None = None
    description: str | UnsetType | None = UNSET
    connection_point: str | UnsetType | None = UNSET
    goal: str | UnsetType | None = UNSET
    application_id: UUID | UnsetType | None = UNSET
    account_id: UUID | UnsetType | None = UNSET


async def create_list(
    context: TenancyContext, organisation_id: UUID, new: NewList, *, by: ActingMember | None
) -> ContactList:
    """Make a list; it belongs to the member who makes it."""
    require(by)
    list_id = context.ids.new()
    row = ListRow(
        id=list_id,
        name=checked_name(new.name),
        source_type=new.source_type.value,
        description=checked_text(new.description, "description"),
        connection_point=checked_text(new.connection_point, "connectionPoint"),
        goal=checked_text(new.goal, "goal"),
        member_id=None if by is None else by.id,
        application_id=new.application_id,
        account_id=new.account_id,
        archived_at=None,
        created_at=time_of(list_id),
    )
    async with settings_transaction(context, organisation_id) as connection:
        await _check_sender(connection, organisation_id, new.application_id, new.account_id)
        await queries_lists.insert_list(connection, organisation_id, row)
        return await _audited(context, connection, organisation_id, list_id, "created", by)


async def update_list(
    context: TenancyContext,
    organisation_id: UUID,
    list_id: UUID,
    changes: ListChanges,
    *,
    by: ActingMember | None,
) -> ContactList:
    """Change a list."""
    require(by)
    async with settings_transaction(context, organisation_id) as connection:
        before = await _locked(connection, organisation_id, list_id)
        application_id = _after(before.application_id, changes.application_id)
        account_id = _after(before.account_id, changes.account_id)
        await _check_sender(
            connection,
            organisation_id,
            # what it had before may be gone by now
            application_id if application_id != before.application_id else None,
            account_id if account_id != before.account_id else None,
        )
        row = ListRow(
            id=list_id,
            name=before.name if changes.name is None else checked_name(changes.name),
            source_type=before.source_type.value,
            description=checked_text(_after(before.description, changes.description), "description"),
            connection_point=checked_text(
                _after(before.connection_point, changes.connection_point), "connectionPoint"
            ),
            goal=checked_text(_after(before.goal, changes.goal), "goal"),
            member_id=before.member_id,
            application_id=application_id,
            account_id=account_id,
            archived_at=before.archived_at,
            created_at=before.created_at,
        )
        await queries_lists.update_list(connection, organisation_id, row)
        return await _audited(context, connection, organisation_id, list_id, "updated", by)


async def archive_list(
    context: TenancyContext, organisation_id: UUID, list_id: UUID, *, by: ActingMember | None
) -> ContactList:
    """Put a list away: its contacts stay on it, and nobody comes to it."""
    return await _archived(context, organisation_id, list_id, is_archived=True, by=by)


async def unarchive_list(
    context: TenancyContext, organisation_id: UUID, list_id: UUID, *, by: ActingMember | None
) -> ContactList:
    """Bring a list back."""
    return await _archived(context, organisation_id, list_id, is_archived=False, by=by)


async def get_list(
    context: TenancyContext, organisation_id: UUID, list_id: UUID, *, by: ActingMember | None
) -> ContactList | None:
    """A list, None if there is none of this id."""
    require(by, Permission.READ)
    async with settings_transaction(context, organisation_id) as connection:
        return await queries_lists.select_list(connection, organisation_id, list_id)


async def find_list(context: TenancyContext, organisation_id: UUID, name: str) -> ContactList | None:
    """The list of this name, None if there is none; `ValidationError` if there are several."""
    async with settings_transaction(context, organisation_id) as connection:
        found = await queries_lists.find_lists(connection, organisation_id, name)
    if len(found) > 1:
        raise ValidationError(f"Several lists are called {name!r}: name it by its id.", path="list")
    return found[0] if found else None


async def list_lists(
    context: TenancyContext,
    organisation_id: UUID,
    *,
    first: int,
    after: UUID | None = None,
    is_archived_wanted: bool = False,
    by: ActingMember | None,
) -> Page[ContactList]:
    """List lists, the newest first; archived ones only if they are asked for."""
    require(by, Permission.READ)
    checked_first(first)
    with faults_as_unavailable():
        rows = await queries_lists.select_lists(
            context.database.reads, organisation_id, first + 1, after, is_archived_wanted=is_archived_wanted
        )
    return Page(rows[:first], len(rows) > first, after is not None)


async def count_contacts(context: TenancyContext, organisation_id: UUID, list_id: UUID) -> int:
    """How many contacts are on a list."""
    with faults_as_unavailable():
        return await queries_lists.count_contacts(context.database.reads, organisation_id, list_id)


async def move_contacts(
    context: TenancyContext,
    organisation_id: UUID,
    contact_ids: Sequence[UUID],
    list_id: UUID | None,
    *,
    by: ActingMember | None,
) -> int:
    """Put contacts on a list, or on none; gives how many were elsewhere. All of them or, if one is missing, none."""
    require(by)
    asked = list(dict.fromkeys(contact_ids))
    if not 1 <= len(asked) <= MOST_MOVED:
        raise ValidationError(f"contactIds must name 1 to {MOST_MOVED:,} contacts.", path="contactIds")
    async with settings_transaction(context, organisation_id) as connection:
        await queries.lock_contacts(connection, organisation_id)
        await check_joinable(connection, organisation_id, list_id)
        missing = await queries.select_missing(connection, organisation_id, asked)
        if missing is not None:
            raise NotFound("Contact not found.", resource_type="Contact", resource_id=str(missing))
        moved = await queries.move_contacts(connection, organisation_id, asked, list_id)
        payload = {"list_id": list_id, "count": len(moved), "contact_ids": moved}
        await append_audit(context, connection, organisation_id, "system.contacts.moved", payload, by=by)
    return len(moved)


async def check_joinable(connection: Connection, organisation_id: UUID, list_id: UUID | None) -> None:
    """Refuse a list that contacts cannot come to: one that is missing, or archived. It stays so until the commit."""
    if list_id is None:
        return
    found = await _locked(connection, organisation_id, list_id)
    if found.archived_at is not None:
        raise ValidationError("The list is archived: bring it back first.", path="listId")


def missing_list(list_id: UUID) -> NotFound:
    """The refusal for a list that is missing, or another organisation's."""
    return NotFound("List not found.", resource_type="ContactList", resource_id=str(list_id))


def _after(before: T, change: T | UnsetType) -> T:
    return before if isinstance(change, UnsetType) else change


async def _archived(
    context: TenancyContext,
    organisation_id: UUID,
    list_id: UUID,
    *,
    is_archived: bool,
    by: ActingMember | None,
) -> ContactList:
    require(by)
    async with settings_transaction(context, organisation_id) as connection:
        before = await _locked(connection, organisation_id, list_id)
        if (before.archived_at is not None) is is_archived:
            return before
        row = ListRow(
            **{name: getattr(before, name) for name in ListRow.__slots__ if name != "archived_at"},
            archived_at=context.ids.now() if is_archived else None,
        )
        await queries_lists.update_list(connection, organisation_id, row)
        done = "archived" if is_archived else "unarchived"
        return await _audited(context, connection, organisation_id, list_id, done, by)


async def _locked(connection: Connection, organisation_id: UUID, list_id: UUID) -> ContactList:
    found = await queries_lists.select_list(connection, organisation_id, list_id, is_locked=True)
    if found is None:
        raise missing_list(list_id)
    return found


async def _check_sender(
    connection: Connection, organisation_id: UUID, application_id: UUID | None, account_id: UUID | None
) -> None:
    if application_id is None and account_id is None:
        return
    has_application, has_account = await queries_lists.select_sender(
        connection, organisation_id, application_id, account_id
    )
    if application_id is not None and not has_application:
        raise NotFound("Application not found.", resource_type="Application", resource_id=str(application_id))
    if account_id is not None and not has_account:
        raise NotFound("Account not found.", resource_type="Account", resource_id=str(account_id))


async def _audited(
    context: TenancyContext,
    connection: Connection,
    organisation_id: UUID,
    list_id: UUID,
    done: str,
    by: ActingMember | None,
) -> ContactList:
    """The list as it is now, after the event that says what was done to it."""
    made = await queries_lists.select_list(connection, organisation_id, list_id)
    assert made is not None, "it is locked"
    payload = {
        "list_id": list_id,
        "name": made.name,
        "application_id": made.application_id,
        "account_id": made.account_id,
    }
    await append_audit(context, connection, organisation_id, f"system.contact_list.{done}", payload, by=by)
    return made
