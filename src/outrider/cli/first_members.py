"""The owner that `bootstrap` and `dev` make, whose password is known to whoever ran them."""

from dataclasses import dataclass, field
from uuid import UUID

from outrider.core.errors import ResourceExists
from outrider.core.hashing import new_token
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.members.context import open_access
from outrider.tenancy.members.managing import (
    MemberChanges,
    NewMember,
    create_member,
    find_member,
    reset_password,
    update_member,
)
from outrider.tenancy.members.roles import Role
from outrider.tenancy.naming import slug_of

PASSWORD_BYTES = 18


@dataclass(frozen=True, slots=True)
class FirstMember:
    """How to sign in."""

    email: str
    password: str = field(repr=False)


async def provide_owner(
    context: TenancyContext, organisation_id: UUID, organisation_name: str
) -> FirstMember:
    """Create the organisation's first owner, or give it a new password."""
    slug = slug_of(organisation_name)
    email, password = f"admin@{slug}.example", new_token(PASSWORD_BYTES)
    access = open_access(context)
    known = await find_member(context, organisation_id, email)
    if known is not None:
        changes = MemberChanges(role=Role.OWNER, status="active")
        await update_member(context, organisation_id, known.id, changes, by=None)
        await reset_password(access, organisation_id, known.id, password)
        return FirstMember(email, password)
    try:
        new = NewMember(email=email, name="Admin", role=Role.OWNER, password=password)
        await create_member(access, organisation_id, new)
    except ResourceExists:
        # addresses are unique over all organisations, their names are not
        email = f"admin@{slug}-{organisation_id.hex[-12:]}.example"
        new = NewMember(email=email, name="Admin", role=Role.OWNER, password=password)
        await create_member(access, organisation_id, new)
    return FirstMember(email, password)
