"""The append, in which one call writes what callers of many tenants want, and the look at how far logs have come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from outrider.core.database.pools import Connection, Pool
from outrider.events.values import Append, AppendedDelivery, Flushed, NewIdentity, NodeType, Verdict

# Across tenants because one commit serves all who wait; the function checks every target with its item's tenant.
APPEND = """
select verdicts, stored_ids, previous_position, last_position, deliveries
from append_batch($1, $2, $3::append_item[], $4::append_target[], $5::append_identity[], $6::uuid[], $7::text[],
  $8::text[], $9::text[], $10::append_event[], $11::append_edge[], $12::append_message[], $13::append_receipt[],
  $14::append_outcome[])
"""
# The same, where files are among what is written or pointed to.
APPEND_WITH_FILES = """
select verdicts, stored_ids, previous_position, last_position, deliveries
from append_batch_with_files($1, $2, $3::append_item[], $4::append_target[], $5::append_identity[], $6::uuid[],
  $7::text[], $8::text[], $9::text[], $10::append_event[], $11::append_edge[], $12::append_message[],
  $13::append_receipt[], $14::append_outcome[], $15::append_file[], $16::append_file_end[], $17::append_part[])
"""
# The same, where transactional messages are among it.
APPEND_WITH_SUBMISSIONS = """
select verdicts, stored_ids, previous_position, last_position, deliveries
from append_batch_with_submissions($1, $2, $3::append_item[], $4::append_target[], $5::append_identity[], $6::uuid[],
  $7::text[], $8::text[], $9::text[], $10::append_event[], $11::append_edge[], $12::append_message[],
  $13::append_receipt[], $14::append_outcome[], $15::append_file[], $16::append_file_end[], $17::append_part[],
  $18::append_submission[])
"""
# Across tenants because one statement serves all who follow a log; of each only the newest position is read.
SELECT_HEADS = """
select a.id, e.position from unnest($1::uuid[]) a(id)
cross join lateral (
  select e.position from events e where e.application_id = a.id order by e.position desc limit 1) e
"""


async def select_heads(pool: Pool, application_ids: Sequence[UUID]) -> list[tuple[UUID, int]]:
    """The newest position of each application that has events."""
    rows = await pool.fetch(SELECT_HEADS, application_ids)
    return [(row["id"], row["position"]) for row in rows]


async def append_batch(
    connection: Connection,
    items: Sequence[Append],
    *,
    is_replay: bool,
    notify: str | None,
    is_known_identity: Callable[[NewIdentity], bool],
    new_types: Sequence[tuple[UUID, str]],
    patterns: Sequence[tuple[str, str]],
    timeout: float,
) -> tuple[Flushed, list[int], list[UUID | None]]:
    """Write the items in one commit; returns what it made, a verdict and a stored id for each item."""
    numbered = [(number, item) for number, item in enumerate(items, 1)]
    rows = _event_rows(numbered)
    statement, more = _more_rows(numbered)
    row = await connection.fetchrow(
        statement,
        is_replay,
        notify,
        [_item_row(item) for item in items],
        [(n, *target) for n, item in numbered for target in item.targets],
        [
            (n, *identity)
            for n, item in numbered
            for identity in item.identities
            if not is_known_identity(identity)
        ],
        [application_id for application_id, _ in new_types],
        [name for _, name in new_types],
        [event_type for event_type, _ in patterns],
        [pattern for _, pattern in patterns],
        rows.events,
        [(n, *edge) for n, item in numbered for edge in item.edges],
        rows.messages,
        rows.receipts,
        [(n, *item.outcome) for n, item in numbered if item.outcome is not None],
        *more,
        timeout=timeout,
    )
    assert row is not None
    deliveries = [AppendedDelivery(*delivery) for delivery in row["deliveries"]]
    verdicts: list[int] = row["verdicts"]
    written = [item for item, verdict in zip(items, verdicts, strict=True) if verdict == Verdict.APPENDED]
    flushed = Flushed(written, row["previous_position"], row["last_position"], deliveries)
    return flushed, verdicts, row["stored_ids"]


@dataclass(slots=True)
class _EventRows:
    """Events with what stands beside them; the sets name each other by their numbers, from 1."""

    events: list[tuple[object, ...]] = field(default_factory=list[tuple[object, ...]])
    messages: list[tuple[object, ...]] = field(default_factory=list[tuple[object, ...]])
    receipts: list[tuple[object, ...]] = field(default_factory=list[tuple[object, ...]])


def _event_rows(numbered: Sequence[tuple[int, Append]]) -> _EventRows:
    rows = _EventRows()
    for n, item in numbered:
        message = item.message
        if message is not None:
            rows.messages.append(message)
        numbers: dict[UUID, int] = {}
        for event in item.events:
            is_message = message is not None and event.id == message.id
            rows.events.append((n, *event, len(rows.messages) if is_message else None))
            numbers[event.id] = len(rows.events)
        for receipt in item.receipts:
            number = numbers[receipt.event_id] if receipt.event_id is not None else None
            rows.receipts.append((n, number, *receipt[1:]))
    return rows


def _more_rows(numbered: Sequence[tuple[int, Append]]) -> tuple[str, Sequence[list[tuple[object, ...]]]]:
    """The statement that writes what these items hold, and its further sets: none for ordinary ones."""
    submissions: list[tuple[object, ...]] = [
        (n, *item.submission) for n, item in numbered if item.submission is not None
    ]
    if submissions:
        return APPEND_WITH_SUBMISSIONS, (*_file_rows(numbered), submissions)
    has_files = any(
        item.files
        or item.file_ends
        or item.parts
        or any(target.kind == NodeType.FILE for target in item.targets)
        for _, item in numbered
    )
    return (APPEND_WITH_FILES, _file_rows(numbered)) if has_files else (APPEND, ())


def _file_rows(numbered: Sequence[tuple[int, Append]]) -> Sequence[list[tuple[object, ...]]]:
    """New files, ends of files and parts of messages."""
    return (
        [(n, *file) for n, item in numbered for file in item.files],
        [(n, *end) for n, item in numbered for end in item.file_ends],
        [(n, *part) for n, item in numbered for part in item.parts],
    )


def _item_row(item: Append) -> tuple[object, ...]:
    once = item.once_key
    if once is None:
        return (item.application_id, item.event_id, None, None, None, None)
    return (item.application_id, item.event_id, once.scope, once.key, once.request_hash, once.hours)
