"""The mutations of read keys, from arguments to operations."""

from dataclasses import dataclass, field
from uuid import UUID

from outrider.surfaces.admin_graphql.calling import Arguments, Call
from outrider.tenancy import administering
from outrider.tenancy.read_keys import NewReadKey, ReadKey


@dataclass(frozen=True, slots=True)
class ReadKeyWithToken:
    """A new read key, and what is told once."""

    read_key: ReadKey
    token: str = field(repr=False)


async def create_read_key(call: Call, given: Arguments) -> object:
    """`createReadKey`."""
    new = NewReadKey(name=given["name"], scopes=given["scopes"], expires_at=given.get("expiresAt"))
    created = await administering.create_read_key(call.tenancy, call.member, new)
    return ReadKeyWithToken(await _read_key(call, created.id), created.token)


async def revoke_read_key(call: Call, given: Arguments) -> object:
    """`revokeReadKey`."""
    await administering.revoke_read_key(call.tenancy, call.member, given["id"])
    return await _read_key(call, given["id"])


async def _read_key(call: Call, key_id: UUID) -> ReadKey:
    return next(key for key in await call.read_keys() if key.id == key_id)
