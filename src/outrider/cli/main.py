"""The command `outrider`: reads the arguments, loads the one command they name, tells failures in a sentence.

Exit status 0 is success, 1 a failure that the message explains, 2 wrong arguments or settings. A command's
module is imported only when it is the one: those of the server take half a second.
"""

import asyncio
import importlib
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, cast

import asyncpg
import uvloop

from outrider.cli.arguments import Arguments, build_parser
from outrider.core.config import ConfigError
from outrider.core.data_dirs import DataDirUnusable, FilesNotShared
from outrider.core.database.embedded import EmbeddedPostgresError
from outrider.core.database.faults import DATABASE_FAULTS
from outrider.core.database.migrating import SchemaMismatch
from outrider.core.database.pools import UnreachableServer, UnsafeServer
from outrider.core.errors import AppError
from outrider.core.sealing import SealBroken
from outrider.core.sockets import CannotListen

Run: TypeAlias = Callable[[Arguments], Awaitable[int]]

_INTERRUPTED = 130
# Their messages say everything that an operator needs.
_TOLD = (
    CannotListen,
    DataDirUnusable,
    EmbeddedPostgresError,
    FilesNotShared,
    SchemaMismatch,
    SealBroken,
    UnreachableServer,
    UnsafeServer,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    parser = build_parser()
    if not (sys.argv[1:] if argv is None else argv):
        parser.print_help(sys.stderr)
        sys.exit(2)
    arguments = parser.parse_args(argv, Arguments())
    run = cast("Run", importlib.import_module(f"outrider.cli.{arguments.command}").run)
    try:
        return uvloop.run(_awaited(run, arguments))
    except ConfigError as error:
        _tell("The settings cannot be used:", *(f"  {problem}" for problem in error.problems))
        return 2
    except _TOLD as error:
        _tell(str(error))
    except AppError as error:
        _tell(error.message if error.__cause__ is None else f"{error.message} ({error.__cause__})")
    except asyncpg.PostgresError as error:
        _tell(f"PostgreSQL refused: {error}")
    except DATABASE_FAULTS as error:
        _tell(f"Not possible: {error or type(error).__name__}")
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _INTERRUPTED
    return 1


async def _awaited(run: Run, arguments: Arguments) -> int:
    return await run(arguments)


def _tell(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr)
