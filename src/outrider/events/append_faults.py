"""What it means that a flush failed: the same again may succeed, or one of its items is at fault."""

import asyncpg

_ODD_TRIES = 3
# The statement may have run although its answer was lost, or did surely not run: both are safe to replay.
LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresSystemError,
)
# Some item's data is at fault: the transaction was rolled back, or the values did not even leave this process.
_BAD_DATA = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ValueError,
    TypeError,
    OverflowError,
)


def is_worth_repeating(error: Exception, tries: int, items: int, *, is_replay: bool) -> bool:
    """Whether the same batch may succeed later; else it is halved, in search of the item at fault."""
    if isinstance(error, asyncpg.UniqueViolationError):
        # the call whose answer was lost was still running, and has committed by now
        return is_replay and tries < _ODD_TRIES
    if isinstance(error, _BAD_DATA):
        return False
    if isinstance(error, asyncpg.QueryCanceledError) and items > 1:
        # it may be too much for the time that a statement has
        return tries < _ODD_TRIES
    # what is neither lost nor bad data is tried again, and then the culprit is looked for
    return isinstance(error, LOST) or tries < _ODD_TRIES
