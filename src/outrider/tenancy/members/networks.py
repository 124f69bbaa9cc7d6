"""The networks that a member has signed in from: what is tried from there is counted apart from what others try.

A network is kept as a digest under a key of the installation, with the address that signed in: whoever reads the
database cannot try all networks. A member has few of them, and none for long.
"""

import hmac
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Connection
from outrider.tenancy.context import TenancyContext
from outrider.tenancy.members import cross_tenant, queries

MOST_NETWORKS: Final = 8
REMEMBERED: Final = timedelta(days=90)
"""After the last time that the member signed in from there."""
_PURPOSE: Final = "member networks"


def network_digests(context: TenancyContext, *, email: str, address: str) -> Sequence[bytes]:
    """What an e-mail address in a network is kept as: now, and under earlier master keys."""
    told = f"{address} {email}".encode("utf-8", "surrogatepass")
    return [hmac.digest(key, told, "sha256") for key in context.sealer.derived_keys(_PURPOSE)]


async def is_known(context: TenancyContext, email: str, digests: Sequence[bytes]) -> bool:
    """Whether the member of this address has signed in from a network; False too if there is no such member."""
    with faults_as_unavailable():
        return await cross_tenant.is_network_known(context.database.system, email, digests, REMEMBERED)


async def remember_network(
    connection: Connection, organisation_id: UUID, member_id: UUID, network: bytes
) -> None:
    """Know a network from now on; of too many the one that was left the longest is forgotten."""
    await queries.upsert_network(connection, organisation_id, member_id, network)
    await queries.delete_networks(connection, organisation_id, member_id, but_newest=MOST_NETWORKS)


async def forget_networks(connection: Connection, organisation_id: UUID, member_id: UUID) -> None:
    """Know none of a member's networks any more: whoever had its password may have been there."""
    await queries.delete_networks(connection, organisation_id, member_id, but_newest=0)
