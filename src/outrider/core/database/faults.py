"""When the database cannot be asked, callers hear `Unavailable` instead of a driver's exception."""

from collections.abc import Generator
from contextlib import contextmanager

import asyncpg

from outrider.core import log
from outrider.core.errors import Unavailable

# Lost or refused connections, a stopping or starting server, no room for a connection, a lock not granted in time.
DATABASE_FAULTS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    # what a connection raises that was terminated while nobody used it
    asyncpg.InternalClientError,
)
# What a loop of its own outlives: these, and statements that fail for any reason.
STATEMENT_FAULTS = (*DATABASE_FAULTS, asyncpg.PostgresError)


@contextmanager
def faults_as_unavailable() -> Generator[None]:
    """Turn a fault of the database into `Unavailable`; an error in a statement stays what it is."""
    try:
        yield
    except DATABASE_FAULTS as fault:
        log.warning("database.unavailable", outcome="failed", reason=f"{type(fault).__name__}: {fault}")
        raise Unavailable from fault
