"""Redeeming link codes, by a call or found in what somebody writes.

The code owner's user is kept and absorbs the redeemer's. Transactions on the people of one application come one
after another, so a use is counted before the next one is judged. Whoever guesses is ignored for a while.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, assert_never
from uuid import UUID

from msgspec.structs import replace

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Connection
from outrider.core.errors import AppError, NotFound, ValidationError
from outrider.events.bodies import shown_time
from outrider.events.values import Answer, Append, NewEdge, NewEvent
from outrider.identity import facts, queries
from outrider.identity.code_texts import is_code
from outrider.identity.committing import Change, IdentityContext, commit, create_people
from outrider.identity.errors import LinkCodeExhausted, LinkCodeExpired
from outrider.identity.merging import MERGED, absorb
from outrider.identity.platform_users import refuse_missing_person
from outrider.identity.users import require_person
from outrider.identity.values import Activation, PlatformUser
from outrider.tenancy.actors import Actor, Scope

ACTIVATED: Final = "link_code.activation"
BLOCKED: Final = "system.link_code.blocked"
MOST_MISSES: Final = 5
MISSES_WITHIN: Final = timedelta(minutes=15)
BLOCKED_FOR: Final = timedelta(minutes=15)
_TYPES: Final = frozenset({ACTIVATED, MERGED, BLOCKED})


@dataclass(frozen=True, slots=True)
class _Activated:
    activation: Activation
    events: tuple[NewEvent, ...]
    edges: tuple[NewEdge, ...]


@dataclass(frozen=True, slots=True)
class _Refused:
    """The code does not count; there is an event only where its sender is ignored from now on."""

    error: AppError
    events: tuple[NewEvent, ...] = ()
    edges: tuple[NewEdge, ...] = ()


@dataclass(frozen=True, slots=True)
class _Redeemer:
    """Who sent which code, and the message in which it was found."""

    application_id: UUID
    person: PlatformUser
    code: str
    message_id: UUID | None


async def activate_link_code(
    context: IdentityContext, actor: Actor, code: str, platform_user_id: UUID
) -> Activation:
    """Redeem a code for a platform user.

    Raises `NotFound` for a code that was never drawn (and for any while the platform user is ignored),
    `LinkCodeExpired`, `LinkCodeExhausted`, and `ValidationError` for one's own user.
    """
    actor.require(Scope.USERS_WRITE)
    code = code.strip()
    if not is_code(code):
        raise ValidationError(
            "A link code is 16 digits in four groups, as in 1234-5678-9012-5924; the last is their checksum.",
            path="code",
        )
    application_id = actor.application_id

    async def work(connection: Connection) -> Change[_Activated | _Refused]:
        person = await queries.select_platform_user(connection, application_id, platform_user_id)
        if person is None:
            refuse_missing_person(platform_user_id)
        end = await _redeem(context, connection, _Redeemer(application_id, person, code, None))
        if not end.events:
            return Change(end)
        item = Append(
            application_id=application_id, event_id=end.events[0].id, events=end.events, edges=end.edges
        )
        return Change(end, item)

    end = (await commit(context, application_id, _TYPES, work)).result
    match end:
        case _Activated():
            return end.activation
        case _Refused():
            raise end.error
        case _:
            assert_never(end)


async def are_codes_wanted(context: IdentityContext, application_id: UUID) -> bool:
    """Whether the application wants link codes in messages redeemed."""
    with faults_as_unavailable():
        return await queries.select_auto_detect(context.pool, application_id)


async def append_with_code(context: IdentityContext, message: Append, code: str) -> Answer:
    """Append an inbound message and redeem the code in it for its sender, in one commit.

    A code that does not count changes nothing else; a repeated message changes nothing at all.
    """
    (sender,) = message.identities

    async def work(connection: Connection) -> Change[_Activated | _Refused]:
        await create_people(context, connection, message.application_id, message.identities)
        person = await queries.select_platform_user(
            connection, message.application_id, sender.platform_user_id
        )
        assert person is not None, "created a moment ago"
        redeemer = _Redeemer(message.application_id, person, code, message.event_id)
        end = await _redeem(context, connection, redeemer)
        events, edges = (*message.events, *end.events), (*message.edges, *end.edges)
        return Change(end, replace(message, identities=(), events=events, edges=edges))

    types = _TYPES | {event.event_type for event in message.events}
    return (await commit(context, message.application_id, types, work)).answer


async def _redeem(
    context: IdentityContext, connection: Connection, redeemer: _Redeemer
) -> _Activated | _Refused:
    application_id, person, code = redeemer.application_id, redeemer.person, redeemer.code
    if await queries.is_blocked(connection, application_id, person.id):
        return _Refused(_unknown(code))
    row = await queries.select_link_code(connection, application_id, code)
    owner = row and await queries.select_platform_user(connection, application_id, row.platform_user_id)
    if row is None or owner is None:
        return await _missed(context, connection, redeemer)
    if row.is_expired:
        return _Refused(LinkCodeExpired())
    if row.uses >= row.max_uses:
        return _Refused(LinkCodeExhausted())
    if owner.user_id == person.user_id:
        return _Refused(
            ValidationError("The platform user belongs to the code owner's user already.", path="code")
        )
    try:
        await require_person(connection, application_id, person.user_id, path="platformUserId")
    except ValidationError as refusal:
        return _Refused(refusal)
    return await _activate(context, connection, redeemer, row, owner)


async def _activate(
    context: IdentityContext,
    connection: Connection,
    redeemer: _Redeemer,
    row: queries.LinkCodeRow,
    owner: PlatformUser,
) -> _Activated:
    application_id, person = redeemer.application_id, redeemer.person
    await queries.use_link_code(connection, application_id, row.code)
    event_id, merge_id = context.ids.new(), context.ids.new()
    merge, moved = await absorb(
        connection, application_id, person.user_id, owner.user_id, merge_id, origin=event_id
    )
    payload = {
        "code": row.code,
        "source_platform_user_id": owner.id,
        "target_platform_user_id": person.id,
        "merged_user_id": owner.user_id,
        "link_code_event_id": row.event_id,
    }
    edges = [facts.edge_to("source", owner), facts.edge_to("target", person)]
    # it follows from the message that holds the code, else from the code itself
    origin = redeemer.message_id or row.event_id
    event = facts.event(application_id, event_id, ACTIVATED, payload, edges=edges, origin=origin)
    activation = Activation(
        event_id=event_id,
        merge_event_id=merge_id,
        link_code_event_id=row.event_id,
        source_platform_user_id=owner.id,
        target_platform_user_id=person.id,
        user_id=owner.user_id,
        absorbed_user_id=person.user_id,
        merged_platform_user_ids=moved,
    )
    return _Activated(activation, (event, merge), tuple(facts.rows(context.ids, event_id, edges)))


async def _missed(context: IdentityContext, connection: Connection, redeemer: _Redeemer) -> _Refused:
    """Count a code that does not exist; too many in a short time, and its sender is ignored."""
    application_id, person = redeemer.application_id, redeemer.person
    error = _unknown(redeemer.code)
    misses = await queries.count_miss(connection, application_id, person.id, MISSES_WITHIN)
    if misses < MOST_MISSES:
        return _Refused(error)
    until = await queries.block(connection, application_id, person.id, BLOCKED_FOR)
    event_id = context.ids.new()
    payload = {"platform_user_id": person.id, "wrong_codes": misses, "blocked_until": shown_time(until)}
    edges = [facts.edge_to("blocked", person)]
    event = facts.event(application_id, event_id, BLOCKED, payload, edges=edges, origin=redeemer.message_id)
    return _Refused(error, (event,), tuple(facts.rows(context.ids, event_id, edges)))


def _unknown(code: str) -> NotFound:
    return NotFound("Link code not found.", resource_type="LinkCode", resource_id=code)
