"""Who works on outreach: a member as its role allows, or the operator at the command line (None)."""

from outrider.core.errors import ValidationError
from outrider.tenancy.members.acting import ActingMember
from outrider.tenancy.members.roles import Permission

MOST_LISTED = 200


def require(by: ActingMember | None, permission: Permission = Permission.OUTREACH) -> None:
    """Raise `Forbidden` unless they may."""
    if by is not None:
        by.require(permission)


def checked_first(first: int) -> int:
    """Give the size of a page as it is, or refuse it."""
    if not 1 <= first <= MOST_LISTED:
        raise ValidationError(f"first must be a number from 1 to {MOST_LISTED}.", path="first")
    return first
