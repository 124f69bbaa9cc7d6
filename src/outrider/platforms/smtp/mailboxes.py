"""Reading mailboxes: what has come since the cursor, in bounded portions, without changing anything there.

The cursor holds for one mailbox and one UIDVALIDITY. Where there is none yet, reading begins with the mail of the last
minutes: what is older was there before anybody asked us to look. Where the server has numbered its mails anew, those
of the last days are read again: who takes them in knows them as repeats.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from outrider.core import log
from outrider.core.ids import time_of
from outrider.platforms.base import ConnectionContext, JsonObject
from outrider.platforms.polling import Polled, PolledItem
from outrider.platforms.smtp.imap import Folder, ImapSession, MailboxServer, MailboxTrouble
from outrider.platforms.smtp.incoming import read_incoming
from outrider.platforms.smtp.manifest import TLS
from outrider.platforms.smtp.return_paths import ReturnPaths
from outrider.platforms.smtp.sessions import HostCheck

_MOST_MAILS: Final = 25
_MOST_BYTES: Final = 30_000_000
_LARGEST_MAIL: Final = 30_000_000
_OF_A_LARGER_MAIL: Final = 256 * 1024
_WINDOW: Final = 5_000
_READ_AGAIN: Final = timedelta(days=7)
_LOOKED_BACK: Final = timedelta(minutes=10)
_CLOCKS_APART: Final = timedelta(minutes=1)
_CONNECT_SECONDS: Final = 20.0
_LONGEST_RAW: Final = 4_000_000
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def mailbox_server(config: Mapping[str, object]) -> MailboxServer | None:
    """The mailbox that a connection's config names, None if it names none."""
    host, port = config.get("imap_host"), config.get("imap_port")
    if not isinstance(host, str) or not host:
        return None
    return MailboxServer(
        host=host,
        port=port if isinstance(port, int) else 993,
        security=str(config.get("imap_security") or TLS),
        verifies_certificates=config.get("verify_certificates") is not False,
        username=str(config.get("imap_username") or config.get("username") or config.get("from_email") or ""),
        password=str(config.get("imap_password") or config.get("password") or ""),
        folder=str(config.get("imap_mailbox") or "INBOX"),
    )


@dataclass(frozen=True, slots=True)
class _Cursor:
    """How far a mailbox was read; `at` is when it was last looked into."""

    mailbox: str
    validity: int
    uid: int
    at: datetime

    @classmethod
    def of(cls, stored: Mapping[str, object] | None, mailbox: str) -> "_Cursor | None":
        """The stored cursor, None if it is another mailbox's."""
        if stored is None or stored.get("mailbox") != mailbox:
            return None
        validity, uid, at = stored.get("validity"), stored.get("uid"), stored.get("at")
        if not isinstance(validity, int) or not isinstance(uid, int) or not isinstance(at, str):
            return None
        return cls(mailbox, validity, uid, datetime.fromisoformat(at))

    @property
    def stored(self) -> JsonObject:
        return {
            "mailbox": self.mailbox,
            "validity": self.validity,
            "uid": self.uid,
            "at": self.at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Mailboxes:
    """Reads mailboxes, a session for each look."""

    check_host: HostCheck
    paths: ReturnPaths
    contexts: dict[bool, ssl.SSLContext] = field(default_factory=dict[bool, ssl.SSLContext], repr=False)

    async def read(
        self, server: MailboxServer, stored: Mapping[str, object] | None, connection: ConnectionContext
    ) -> Polled:
        """What has come; `MailboxTrouble` if that cannot be told now."""
        session = await self._opened(server)
        try:
            folder = await session.examine(server.folder)
            cursor = _Cursor.of(stored, server.identity)
            if cursor is None:
                cursor = await _begun(session, folder, server.identity, connection)
            elif cursor.validity != folder.validity:
                cursor = await _begun_anew(session, folder, cursor)
            return await self._portion(session, folder, cursor, connection)
        finally:
            session.abort()

    async def check(self, server: MailboxServer) -> None:
        """See that the mailbox can be read, else `MailboxTrouble`."""
        session = await self._opened(server)
        try:
            await session.examine(server.folder)
            await session.close()
        finally:
            session.abort()

    async def _opened(self, server: MailboxServer) -> ImapSession:
        address = await self.check_host(server.host, server.port, _CONNECT_SECONDS)
        if address is None:
            raise MailboxTrouble("the host is unknown or may not be connected to")
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                context = await self._context(verifies=server.verifies_certificates)
                return await ImapSession.open(server, address, context)
        except TimeoutError:
            raise MailboxTrouble("the server did not answer in time") from None

    async def _context(self, *, verifies: bool) -> ssl.SSLContext:
        if verifies not in self.contexts:
            context = await asyncio.to_thread(ssl.create_default_context)
            if not verifies:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self.contexts[verifies] = context
        return self.contexts[verifies]

    async def _portion(
        self, session: ImapSession, folder: Folder, cursor: _Cursor, connection: ConnectionContext
    ) -> Polled:
        items: list[PolledItem] = []
        last = min(cursor.uid + _WINDOW, folder.next_uid - 1)
        found = await session.search(b"UID %d:%d" % (cursor.uid + 1, last)) if last > cursor.uid else []
        # a range that ends before it begins is taken the other way round
        uids = [uid for uid in found if cursor.uid < uid <= last]
        chosen = uids[:_MOST_MAILS]
        sizes = await session.sizes(chosen) if chosen else {}
        read_to, taken = max(cursor.uid, last if len(chosen) == len(uids) else 0), 0
        for number, uid in enumerate(chosen):
            size = sizes.get(uid)
            if number and taken + (size or 0) > _MOST_BYTES:
                read_to = chosen[number - 1]
                break
            if size is not None:
                taken += min(size, _LARGEST_MAIL)
                items += await self._mail(session, uid, size, connection)
            if len(chosen) < len(uids):
                read_to = uid
        at = _Cursor(cursor.mailbox, cursor.validity, read_to, datetime.now(UTC))
        return Polled(tuple(items), at.stored, has_more=read_to < folder.next_uid - 1)

    async def _mail(
        self, session: ImapSession, uid: int, size: int, connection: ConnectionContext
    ) -> list[PolledItem]:
        if size > _LARGEST_MAIL:
            log.warning("mail.cut", outcome="cut", connection_id=connection.connection_id, size=size)
        raw = await session.fetch(uid, size + 1024 if size <= _LARGEST_MAIL else _OF_A_LARGER_MAIL)
        if raw is None:
            return []
        items = await asyncio.to_thread(read_incoming, raw, connection, self.paths)
        kept = raw if len(raw) <= _LONGEST_RAW else None
        return [PolledItem(item, kept) for item in items]


async def _begun(
    session: ImapSession, folder: Folder, mailbox: str, connection: ConnectionContext
) -> _Cursor:
    """Before the mail that came since the connection was made; of an old connection, in the last minutes."""
    now = datetime.now(UTC)
    made_at, earliest = time_of(connection.connection_id), now - _LOOKED_BACK
    # an id whose time is still to come was made while the clock was ahead: when, it does not tell
    since = (earliest if made_at > now else max(made_at, earliest)) - _CLOCKS_APART
    recent = (await session.search(b"SINCE " + _day(since)))[-_WINDOW:]
    arrivals = await session.arrivals(recent) if recent else {}
    new = [uid for uid, at in arrivals.items() if at >= since]
    return _Cursor(mailbox, folder.validity, min(new, default=folder.next_uid) - 1, now)


async def _begun_anew(session: ImapSession, folder: Folder, cursor: _Cursor) -> _Cursor:
    """Before what may have come since the last look."""
    since = cursor.at - _READ_AGAIN
    log.warning("mailbox.renumbered", outcome="reading again", mailbox=cursor.mailbox, since=since)
    recent = await session.search(b"SINCE " + _day(since))
    return _Cursor(cursor.mailbox, folder.validity, min(recent, default=folder.next_uid) - 1, cursor.at)


def _day(moment: datetime) -> bytes:
    """A date as IMAP writes it; a day earlier, for servers compare with dates of their own zone."""
    day = moment - timedelta(days=1)
    return f"{day.day}-{_MONTHS[day.month - 1]}-{day.year}".encode()
