"""Works for lanes, without a database."""

from uuid import UUID, uuid4

from outrider.dispatch.values import QueueRow, Work, shard_of


def new_work(
    target: UUID, key: int | None = None, *, position: int = 0, attempts: int = 0, work_id: UUID | None = None
) -> Work:
    """One delivery to a target."""
    work_id = work_id or uuid4()
    row = QueueRow(
        UUID(int=1),
        shard_of(target),
        position,
        work_id,
        "message",
        work_id,
        target,
        key,
        "ready",
        attempts,
        None,
        None,
    )
    return Work(row, 1, None)


def again(work: Work) -> Work:
    """The same delivery as it is read again after an attempt."""
    return Work(work.row._replace(attempts=work.row.attempts + 1), work.epoch, None)
