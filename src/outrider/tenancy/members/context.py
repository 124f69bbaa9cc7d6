"""What operations on members need of the process beside the settings."""

from dataclasses import dataclass

from outrider.core.passwords import Passwords
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.members.signing_keys import SigningKeys


@dataclass(frozen=True, slots=True)
class AccessContext:
    """The effects of signing in and of managing members."""

    tenancy: TenancyContext
    passwords: Passwords
    keys: SigningKeys


def open_access(tenancy: TenancyContext, passwords: Passwords | None = None) -> AccessContext:
    """Build a context of its own on the tenants of a database."""
    keys = SigningKeys(tenancy.database.system, tenancy.sealer, tenancy.ids)
    return AccessContext(tenancy, passwords or Passwords(), keys)
