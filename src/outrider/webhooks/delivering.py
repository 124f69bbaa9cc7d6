"""Delivering events to subscriptions: the dispatcher's handler that signs, posts, and says what to record."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from time import monotonic
from uuid import UUID

import orjson

from outrider.core import log
from outrider.core.database.faults import DATABASE_FAULTS
from outrider.core.database.pools import Pool
from outrider.core.errors import Unavailable
from outrider.core.ids import IdClock, time_of
from outrider.core.outgoing import HttpAnswer, HttpFailure, OutgoingHttp
from outrider.dispatch.values import ANY_LENGTH, LONGEST_KEPT, Ended, QueueRow, Work
from outrider.events.bodies import fragment, outbound_body, webhook_body
from outrider.events.values import Append, AppendedDelivery, DeliveryOutcome, NewEdge, NewEvent
from outrider.messaging.auto_marking import NO_MARK, AutoMarking, Mark, mark_processed
from outrider.messaging.submissions.as_of import submitted_as_of
from outrider.messaging.submissions.showing import shown_message
from outrider.webhooks import cross_tenant, queries
from outrider.webhooks.patterns import OUTBOUND, OUTKIT, TEST, outkit_event
from outrider.webhooks.signing import outbound_headers, signature_headers
from outrider.webhooks.subscription_directory import SubscriptionDirectory, SubscriptionEntry

INBOUND = "message.inbound"
DISABLED = "system.subscription.disabled"
_TIMEOUT_SECONDS = 15.0
_REMEMBER_SECONDS = 2.0
_MINUTE, _HOUR = 60, 3_600
RETRY_SECONDS = (
    5,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
_JITTER = 0.1
_FAILING_DAYS = 5
_GONE = 410
_SLOW_DOWN = frozenset({429, 502, 503, 504})
_LONGEST_PAUSE = 3_600.0
_DETAIL_CHARACTERS = 1_000
_TYPE_AT = len('"event_id":"') + 36 + len('","event_type":"')


@dataclass(frozen=True, slots=True)
class _Frozen:
    """What all deliveries of an event share, and the event's origin."""

    shared: str
    origin_event_id: UUID | None

    @property
    def event_type(self) -> str:
        """The type, read from its fixed place."""
        return self.shared[_TYPE_AT : self.shared.index('"', _TYPE_AT)]


@dataclass(frozen=True, slots=True)
class WebhookHandler:
    """What delivering webhooks needs; `disable` stops an endpoint (True if it was active until now)."""

    subscriptions: SubscriptionDirectory
    http: OutgoingHttp
    ids: IdClock
    pool: Pool
    disable: Callable[[UUID, UUID, str], Awaitable[bool]]
    marking: AutoMarking

    def handed(self, item: Append | None, delivery: AppendedDelivery) -> object:
        """The fragment that was appended or released with the item."""
        if item is None:
            return None
        released = item.outcome.release_fragment if item.outcome is not None else None
        if released is None or delivery.event_id != item.event_id:
            fragments = (event.fragment for event in item.events if event.id == delivery.event_id)
            released = next(fragments, None)
        if released is None or len(released) > LONGEST_KEPT:
            return None
        return _Frozen(released, delivery.origin_event_id)

    async def load(self, rows: Sequence[QueueRow]) -> Sequence[object]:
        """The frozen fragments of the rows, in one statement."""
        return await self._load(rows, LONGEST_KEPT)

    async def _load(self, rows: Sequence[QueueRow], longest: int) -> Sequence[object]:
        keys = [(row.application_id, row.event_id) for row in rows]
        found = await cross_tenant.load_frozen(self.pool, keys, longest)
        return [None if one is None else _Frozen(*one) for one in found]

    async def attempt(self, work: Work) -> Ended:
        """Post once and turn the answer into what to record."""
        try:
            return await self._attempted(work)
        except (Unavailable, *DATABASE_FAULTS):
            # no attempt was made, and none is counted
            raise
        except Exception as error:  # noqa: BLE001 -- a bug of ours: the schedule ends this delivery, too
            log.exception("webhook.broken", error, delivery_id=work.row.id)
            return self._put_off(work, f"internal error ({type(error).__name__})")

    async def _attempted(self, work: Work) -> Ended:
        row = work.row
        frozen = work.cargo
        if not isinstance(frozen, _Frozen):
            (frozen,) = await self._load([row], ANY_LENGTH)
        entry = await self.subscriptions.get(row.application_id, row.target_id)
        reason = _reason_to_drop(entry, frozen)
        if reason is not None or entry is None or not isinstance(frozen, _Frozen):
            return _dropped(work, reason or "gone", self.ids.now())
        if not entry.secrets:
            return self._put_off(work, "the secret that signs cannot be opened: its master key is missing")
        body = await self._body(row, entry, frozen)
        if body is None:
            return _dropped(work, "not_submitted", self.ids.now())
        started_at, began = self.ids.now(), monotonic()
        answer = await self._post(work, entry, body)
        duration_ms = round((monotonic() - began) * 1000)
        log.wide(
            "delivery.attempted",
            outcome="ok" if _is_success(answer) else "failed",
            application_id=row.application_id,
            subscription_id=row.target_id,
            event_id=row.event_id,
            delivery_id=row.id,
            attempt=row.attempts + 1,
            status=answer.status if isinstance(answer, HttpAnswer) else None,
            reason=None if isinstance(answer, HttpAnswer) else f"{answer.kind}: {answer.detail}",
            duration_ms=duration_ms,
        )
        return await self._ended(work, entry, frozen, answer, started_at, duration_ms)

    async def _body(self, row: QueueRow, entry: SubscriptionEntry, frozen: _Frozen) -> bytes | None:
        """The body in the words of the endpoint's family; None for a message that is not told of there."""
        if entry.family == OUTBOUND:
            contact_id = await cross_tenant.told_contact(
                self.pool, entry.organisation_id, row.application_id, row.event_id
            )
            return outbound_body(entry.organisation_id, contact_id, frozen.shared)
        if entry.family != OUTKIT or frozen.event_type == TEST:
            return webhook_body(row.id, row.target_id, frozen.shared, frozen.origin_event_id)
        # the message as it was at this event: the same on every attempt
        message = await submitted_as_of(self.pool, row.application_id, row.event_id)
        if message is None:
            return None
        return orjson.dumps(
            {
                "id": str(row.id),
                "webhook_id": str(row.target_id),
                "event": outkit_event(frozen.event_type),
                "object_type": "message",
                "object_id": str(message.id),
                "data": shown_message(message),
            }
        )

    async def _post(self, work: Work, entry: SubscriptionEntry, body: bytes) -> HttpAnswer | HttpFailure:
        row = work.row
        is_outbound = entry.family == OUTBOUND
        sign = outbound_headers if is_outbound else signature_headers
        headers = sign(entry.secrets, str(row.id), int(time.time()), body)
        headers["Content-Type"] = "application/json"
        headers["X-Outbound-Attempt" if is_outbound else "X-Outeract-Attempt"] = str(row.attempts + 1)
        return await self.http.request(
            "POST",
            entry.target_url,
            headers=headers,
            body=body,
            timeout_s=_TIMEOUT_SECONDS,
            purpose="webhook",
        )

    async def _ended(
        self,
        work: Work,
        entry: SubscriptionEntry,
        frozen: _Frozen,
        answer: HttpAnswer | HttpFailure,
        started_at: datetime,
        duration_ms: int,
    ) -> Ended:
        outcome = _outcome(work, started_at, duration_ms, answer)
        if _is_success(answer):
            if entry.failing_since is not None:
                await self._remember(entry, is_failing=False)
            succeeded = outcome._replace(result="succeeded", final_state="succeeded")
            events, edges = await self._mark(work.row, frozen)
            return Ended(_append(work, succeeded, events=events, edges=edges))
        if isinstance(answer, HttpAnswer) and answer.status == _GONE:
            return await self._disabled(work, entry, outcome, "the endpoint answered 410")
        if entry.failing_since is None:
            await self._remember(entry, is_failing=True)
        elif self.ids.now() - entry.failing_since > timedelta(days=_FAILING_DAYS):
            reason = f"nothing but failures for {_FAILING_DAYS} days"
            return await self._disabled(work, entry, outcome, reason)
        return replace(
            self._scheduled(work, outcome._replace(result="failed")),
            pause_seconds=_pause_of(answer),
            is_target_at_fault=True,
        )

    def _put_off(self, work: Work, detail: str) -> Ended:
        """The fault is ours: it counts on the schedule and not against the endpoint."""
        outcome = _outcome(work, self.ids.now(), 0, None)
        return self._scheduled(work, outcome._replace(result="broken", detail=detail))

    def _scheduled(self, work: Work, outcome: DeliveryOutcome) -> Ended:
        """Once more later, until the schedule is at its end."""
        attempts = work.row.attempts
        if attempts >= len(RETRY_SECONDS):
            failed = outcome._replace(final_state="failed", reason="retries_exhausted")
            return Ended(_append(work, failed))
        due_at = self.ids.now() + _retry_after(attempts)
        append = _append(work, outcome._replace(next_state="ready", due_at=due_at))
        return Ended(append, retry_at=due_at)

    async def _mark(self, row: QueueRow, frozen: _Frozen) -> Mark:
        if frozen.event_type != INBOUND:
            return NO_MARK
        return await mark_processed(self.marking, row.application_id, row.event_id)

    async def _disabled(
        self, work: Work, entry: SubscriptionEntry, outcome: DeliveryOutcome, reason: str
    ) -> Ended:
        is_new = await self.disable(entry.application_id, entry.subscription_id, reason)
        ended = outcome._replace(result="failed", final_state="failed", reason="endpoint_disabled")
        events = (self._disabled_event(entry, reason),) if is_new else ()
        return Ended(_append(work, ended, events=events), is_target_at_fault=True)

    def _disabled_event(self, entry: SubscriptionEntry, reason: str) -> NewEvent:
        event_id = self.ids.new()
        application_id = entry.application_id
        payload = orjson.dumps({"subscription_id": str(entry.subscription_id), "reason": reason}).decode()
        shared = fragment(
            application_id=application_id,
            event_id=event_id,
            event_type=DISABLED,
            payload=payload,
            edges=(),
            created_at=time_of(event_id),
        )
        return NewEvent(application_id, event_id, DISABLED, payload, fragment=shared)

    async def _remember(self, entry: SubscriptionEntry, *, is_failing: bool) -> None:
        try:
            async with asyncio.timeout(_REMEMBER_SECONDS):
                await queries.set_failing(
                    self.pool, entry.application_id, entry.subscription_id, is_failing=is_failing
                )
        except DATABASE_FAULTS as fault:
            # the attempt was made and must be recorded as what it was; the next one tells the same
            log.warning("subscription.unmarked", outcome="failed", reason=f"{type(fault).__name__}: {fault}")


def _reason_to_drop(entry: SubscriptionEntry | None, frozen: object) -> str | None:
    if entry is None:
        return "subscription_deleted"
    if not entry.is_active:
        return f"subscription_{entry.status}"
    if not isinstance(frozen, _Frozen):
        return "event_gone"
    is_wanted = frozen.event_type == TEST or entry.wants(frozen.event_type)
    return None if is_wanted else "no_longer_matches"


def _dropped(work: Work, reason: str, now: datetime) -> Ended:
    outcome = _outcome(work, now, 0, None)._replace(result="dropped", final_state="dropped", reason=reason)
    return Ended(_append(work, outcome))


def _append(
    work: Work,
    outcome: DeliveryOutcome,
    *,
    events: Sequence[NewEvent] = (),
    edges: Sequence[NewEdge] = (),
) -> Append:
    row = work.row
    return Append(
        application_id=row.application_id,
        event_id=row.id,
        events=events,
        edges=edges,
        outcome=outcome,
        is_new_fact=False,
    )


def _outcome(
    work: Work, started_at: datetime, duration_ms: int, answer: HttpAnswer | HttpFailure | None
) -> DeliveryOutcome:
    row = work.row
    return DeliveryOutcome(
        shard=row.shard,
        epoch=work.epoch,
        position=row.position,
        delivery_id=row.id,
        number=row.attempts + 1,
        result="",
        final_state=None,
        reason=None,
        next_state=None,
        due_at=None,
        started_at=started_at,
        duration_ms=duration_ms,
        status_code=answer.status if isinstance(answer, HttpAnswer) else None,
        detail=_detail(answer),
        release_fragment=None,
    )


def _detail(answer: HttpAnswer | HttpFailure | None) -> str | None:
    match answer:
        case HttpAnswer() if not _is_success(answer):
            return answer.body[:_DETAIL_CHARACTERS].decode("utf-8", "replace").replace("\0", "\ufffd")
        case HttpFailure():
            return f"{answer.kind}: {answer.detail}"[:_DETAIL_CHARACTERS]
        case _:
            return None


def _is_success(answer: HttpAnswer | HttpFailure) -> bool:
    return isinstance(answer, HttpAnswer) and 200 <= answer.status < 300


def _retry_after(attempts: int) -> timedelta:
    return timedelta(seconds=RETRY_SECONDS[attempts] * random.uniform(1 - _JITTER, 1 + _JITTER))


def _pause_of(answer: HttpAnswer | HttpFailure) -> float | None:
    """How long the endpoint asks to be left alone: `Retry-After`, with the statuses that mean it."""
    if not isinstance(answer, HttpAnswer) or answer.status not in _SLOW_DOWN:
        return None
    seconds = _seconds_of(answer.headers.get("Retry-After", "").strip())
    return None if seconds is None else min(max(seconds, 0.0), _LONGEST_PAUSE)


def _seconds_of(asked: str) -> float | None:
    """`Retry-After` is a number of seconds or a date."""
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    try:
        moment = parsedate_to_datetime(asked)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - time.time()
