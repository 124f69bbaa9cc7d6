"""How often somebody may try a password: by the e-mail address that is signed in to, and by where it comes from.

Every attempt counts before anything is compared, in the database, so that all processes agree; one that
succeeds counts back. What comes from a network that the member has signed in from is counted for that network alone:
guesses from anywhere else do not keep it out, and its own take nothing from others. Nobody elsewhere is told whether
an address is a member's.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.hashing import hash_secret
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.members import cross_tenant
from outrider.tenancy.members.errors import TooManyAttempts
from outrider.tenancy.members.networks import is_known, network_digests

WINDOW: Final = timedelta(minutes=15)
MOST_OF_EMAIL: Final = 10
"""From all networks that are not known, and once more from each that is."""
MOST_OF_ADDRESS: Final = 100
"""From one network, for whatever e-mail addresses."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was counted."""

    subjects: tuple[bytes, bytes]
    network: bytes
    """What the network is remembered as if the attempt succeeds."""
    is_known: bool
    """From a network that the member has signed in from."""


async def take_attempt(context: TenancyContext, *, email: str, address: str) -> Attempt:
    """Count an attempt, or raise `TooManyAttempts`."""
    digests = network_digests(context, email=email, address=address)
    known = await is_known(context, email, digests)
    guessed = digests[0] if known else hash_secret(f"email {email}")
    attempt = Attempt((guessed, hash_secret(f"address {address}")), digests[0], known)
    with faults_as_unavailable():
        rows = await cross_tenant.take_attempts(context.database.system, attempt.subjects, WINDOW)
    for row in rows:
        limit = MOST_OF_EMAIL if row.subject == guessed else MOST_OF_ADDRESS
        if row.taken > limit:
            raise TooManyAttempts(limit, row.ends_at, context.ids.now())
    return attempt


async def succeed(context: TenancyContext, attempt: Attempt) -> None:
    """Count an attempt back: the password was right."""
    with faults_as_unavailable():
        await cross_tenant.give_back_attempts(context.database.system, attempt.subjects)
