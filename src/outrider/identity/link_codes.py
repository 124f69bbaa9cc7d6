"""Link codes: somebody gets one on one connection and sends it from another, to be known as the same person."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from outrider.core.database.pools import Connection
from outrider.core.errors import ValidationError
from outrider.core.ids import time_of
from outrider.identity import facts, queries
from outrider.identity.code_texts import new_code
from outrider.identity.committing import Change, IdentityContext, commit
from outrider.identity.platform_users import refuse_missing_person
from outrider.identity.users import require_person
from outrider.identity.values import LinkCode
from outrider.tenancy.actors import Actor, Scope

GENERATED: Final = "link_code.generated"
EXPIRY_MINUTES: Final = 15
MOST_MINUTES: Final = 7 * 24 * 60
MOST_USES: Final = 1_000


async def generate_link_code(
    context: IdentityContext,
    actor: Actor,
    platform_user_id: UUID,
    *,
    expiry_minutes: int = EXPIRY_MINUTES,
    max_uses: int = 1,
) -> LinkCode:
    """Draw a code that leads to this platform user's user, for a while and a number of uses."""
    actor.require(Scope.USERS_WRITE)
    _check_within(expiry_minutes, MOST_MINUTES, path="expiryMinutes")
    _check_within(max_uses, MOST_USES, path="maxUses")
    application_id = actor.application_id

    async def work(connection: Connection) -> Change[LinkCode]:
        person = await queries.select_platform_user(connection, application_id, platform_user_id)
        if person is None:
            refuse_missing_person(platform_user_id)
        await require_person(connection, application_id, person.user_id, path="platformUserId")
        event_id = context.ids.new()
        expires_at = time_of(event_id) + timedelta(minutes=expiry_minutes)
        new = queries.NewLinkCode(event_id, platform_user_id, max_uses, expires_at)
        code = await _stored_code(connection, application_id, new)
        payload = {
            "code": code,
            "expiry_minutes": expiry_minutes,
            "max_uses": max_uses,
            "uses": 0,
            "generated_by_platform_user_id": platform_user_id,
        }
        edges = [facts.edge_to("generated_by", person)]
        item = facts.single(context.ids, application_id, event_id, GENERATED, payload, edges=edges)
        return Change(LinkCode(code, expires_at, event_id), item)

    return (await commit(context, application_id, {GENERATED}, work)).result


async def _stored_code(connection: Connection, application_id: UUID, new: queries.NewLinkCode) -> str:
    while True:
        # of 10^12 codes a few are taken
        code = new_code()
        if await queries.insert_link_code(connection, application_id, code, new):
            return code


def _check_within(number: int, most: int, *, path: str) -> None:
    if not 1 <= number <= most:
        raise ValidationError(f"{path} must be a number from 1 to {most}.", path=path)
