"""How often somebody may try a password: by the address that is signed in to, and by the one that it comes from.

Every attempt counts before anything is compared, in the database, so that all processes agree; one that
succeeds counts back. Nobody is told whether an address is a member's.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.hashing import hash_secret
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.members import cross_tenant
from outrider.tenancy.members.errors import TooManyAttempts

WINDOW: Final = timedelta(minutes=15)
MOST_OF_EMAIL: Final = 10
MOST_OF_ADDRESS: Final = 100


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was counted."""

    email: bytes
    address: bytes


async def take_attempt(context: TenancyContext, *, email: str, address: str) -> Attempt:
    """Count an attempt, or raise `TooManyAttempts`."""
    attempt = Attempt(hash_secret(f"email {email}"), hash_secret(f"address {address}"))
    with faults_as_unavailable():
        rows = await cross_tenant.take_attempts(
            context.database.system, [attempt.email, attempt.address], WINDOW
        )
    for row in rows:
        limit = MOST_OF_EMAIL if row.subject == attempt.email else MOST_OF_ADDRESS
        if row.taken > limit:
            raise TooManyAttempts(limit, row.ends_at, context.ids.now())
    return attempt


async def succeed(context: TenancyContext, attempt: Attempt) -> None:
    """Count an attempt back: the password was right."""
    with faults_as_unavailable():
        await cross_tenant.give_back_attempts(
            context.database.system, [attempt.email, attempt.address], attempt.email
        )
