"""The master key belongs to the database: a server with another one must not start on it.

Its secrets could not be opened, and the ids of people, which derive from the key, would not be found again.
"""

from outrider.core.database.pools import Database
from outrider.core.sealing import SealBroken, Sealer
from outrider.runtime import cross_tenant


class WrongMasterKey(SealBroken):
    """The master key is not the one that this database began with."""


async def check_master_key(database: Database, sealer: Sealer) -> None:
    """Raise `WrongMasterKey` unless this is the database's key; the first to come gives it its key."""
    ours = sealer.first_key_id
    known = await cross_tenant.keep_first_key(database.system, ours)
    if known != ours:
        raise WrongMasterKey(
            f"This database began with the master key {known.hex()}, this server has {ours.hex()}: its secrets"
            " could not be opened. Bring that key back, as OUTRIDER_MASTER_KEY or as master.key in the data"
            " directory; after a change of keys it stays the last of the old ones."
        )
