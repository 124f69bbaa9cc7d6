"""Conversations with mail servers that are kept for the next mail: few for each server, not for long."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from outrider.platforms.smtp.replies import Step, Trouble
from outrider.platforms.smtp.sessions import HostCheck, Server, Session


@dataclass(slots=True)
class _Idle:
    session: Session
    expiry: asyncio.TimerHandle


@dataclass(slots=True)
class _Lane:
    """The conversations of one connection with one server."""

    slots: asyncio.Semaphore
    idle: list[_Idle] = field(default_factory=list[_Idle])
    users: int = 0


class SessionPool:
    """Hands out conversations, at most `limit` at once for each key; used ones stay for `idle_seconds`."""

    def __init__(self, check_host: HostCheck, *, limit: int = 4, idle_seconds: float = 30.0) -> None:
        self._check_host = check_host
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._lanes: dict[Hashable, _Lane] = {}
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._is_closed = False

    @asynccontextmanager
    async def session(self, owner: Hashable, server: Server, give_up_at: float) -> AsyncGenerator[Session]:
        """A conversation that nobody else uses meanwhile; `Trouble` if there is none to be had in time."""
        key = (owner, server)
        lane = self._lanes.setdefault(key, _Lane(asyncio.Semaphore(self._limit)))
        lane.users += 1
        try:
            await _take_slot(lane, give_up_at)
            try:
                session = await self._fresh(lane, server, give_up_at)
                async with _closed_on_error(session):
                    yield session
                self._keep(key, lane, session)
            finally:
                lane.slots.release()
        finally:
            lane.users -= 1
            self._forget_if_unused(key, lane)

    async def close(self) -> None:
        """Close what is kept; what is in use closes when its user is done."""
        self._is_closed = True
        for key, lane in tuple(self._lanes.items()):
            while lane.idle:
                idle = lane.idle.pop()
                idle.expiry.cancel()
                idle.session.close()
            self._forget_if_unused(key, lane)
        await asyncio.sleep(0)

    async def _fresh(self, lane: _Lane, server: Server, give_up_at: float) -> Session:
        while lane.idle:
            idle = lane.idle.pop()
            idle.expiry.cancel()
            async with _closed_on_error(idle.session):
                if await idle.session.is_fresh(give_up_at):
                    return idle.session
            idle.session.close()
        return await self.open_new(server, give_up_at)

    async def open_new(self, server: Server, give_up_at: float) -> Session:
        """A conversation that nobody had before, the caller's to close; `Trouble` if there is none to be had."""
        address = await self._address_of(server, give_up_at)
        context = await self._context(verifies=server.verifies_certificates)
        return await Session.open(server, address, context, give_up_at)

    async def _address_of(self, server: Server, give_up_at: float) -> str:
        left = give_up_at - asyncio.get_running_loop().time()
        address = await self._check_host(server.host, server.port, left) if left > 0 else None
        if address is None:
            raise Trouble(Step.CONNECT, "the host is unknown or may not be connected to")
        return address

    async def _context(self, *, verifies: bool) -> ssl.SSLContext:
        if verifies not in self._contexts:
            context = await asyncio.to_thread(ssl.create_default_context)
            if not verifies:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._contexts[verifies] = context
        return self._contexts[verifies]

    def _keep(self, key: Hashable, lane: _Lane, session: Session) -> None:
        if self._is_closed or not session.is_open:
            session.close()
            return
        loop = asyncio.get_running_loop()
        lane.idle.append(
            _Idle(session, loop.call_later(self._idle_seconds, self._expire, key, lane, session))
        )

    def _expire(self, key: Hashable, lane: _Lane, session: Session) -> None:
        lane.idle = [idle for idle in lane.idle if idle.session is not session]
        session.close()
        self._forget_if_unused(key, lane)

    def _forget_if_unused(self, key: Hashable, lane: _Lane) -> None:
        if lane.users == 0 and not lane.idle:
            self._lanes.pop(key, None)


async def _take_slot(lane: _Lane, give_up_at: float) -> None:
    try:
        async with asyncio.timeout_at(give_up_at):
            await lane.slots.acquire()
    except TimeoutError:
        raise Trouble(Step.CONNECT, "every conversation with the server was busy") from None


@asynccontextmanager
async def _closed_on_error(session: Session) -> AsyncGenerator[None]:
    try:
        yield
    except BaseException:
        session.close()
        raise
