"""`outrider members`: adds, lists and removes members. Only a new password goes to standard output."""

import sys
from collections.abc import Callable, Sequence
from uuid import UUID

from outrider.cli.arguments import Arguments
from outrider.cli.first_members import PASSWORD_BYTES
from outrider.cli.opening import chosen_organisation, load_settings, opened_tenancy
from outrider.cli.tables import print_table
from outrider.core.errors import NotFound
from outrider.core.hashing import new_token
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.members.context import open_access
from outrider.tenancy.members.managing import (
    NewMember,
    create_member,
    find_member,
    list_members,
    remove_member,
    reset_password,
)
from outrider.tenancy.members.roles import Role
from outrider.tenancy.members.values import Member


async def run(arguments: Arguments) -> int:
    """Do what the action says, for the organisation that was named or the only one there is."""
    async with opened_tenancy(load_settings()) as context:
        organisation_id = await chosen_organisation(context, arguments.organisation)
        match arguments.action:
            case "add":
                await _add(context, organisation_id, arguments)
            case "list":
                _print_table(await list_members(context, organisation_id, by=None))
            case "reset-password":
                member = await _found(context, organisation_id, arguments.email)
                password = new_token(PASSWORD_BYTES)
                await reset_password(open_access(context), organisation_id, member.id, password)
                _tell(member, password)
            case _:
                member = await _found(context, organisation_id, arguments.email)
                await remove_member(context, organisation_id, member.id, by=None)
                print("Removed.", file=sys.stderr)
    return 0


async def _add(context: TenancyContext, organisation_id: UUID, arguments: Arguments) -> None:
    password = new_token(PASSWORD_BYTES)
    new = NewMember(
        email=arguments.email,
        name=arguments.name or arguments.email.partition("@")[0],
        role=Role(arguments.member_role),
        password=password,
    )
    _tell(await create_member(open_access(context), organisation_id, new), password)


async def _found(context: TenancyContext, organisation_id: UUID, email: str) -> Member:
    member = await find_member(context, organisation_id, email)
    if member is None:
        raise NotFound(f"The organisation has no member {email!r}.")
    return member


def _tell(member: Member, password: str) -> None:
    print(f"The password of {member.email} ({member.role.value}); it is not shown again:", file=sys.stderr)
    print(password)


def _print_table(members: Sequence[Member]) -> None:
    columns: tuple[tuple[str, Callable[[Member], str]], ...] = (
        ("id", lambda member: str(member.id)),
        ("email", lambda member: member.email),
        ("role", lambda member: member.role.value),
        ("status", lambda member: member.status),
        ("signed in", _signed_in),
        ("name", lambda member: member.name),
    )
    print_table(members, columns)


def _signed_in(member: Member) -> str:
    return f"{member.last_signed_in_at:%Y-%m-%d %H:%M}" if member.last_signed_in_at else "-"
