"""An IMAP server with one mailbox, which a test fills, renumbers, and makes misbehave."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

_UIDS = re.compile(rb"UID (\d+):(\d+|\*)")


@dataclass
class ImapVendor:
    """The mailbox: mails by their uid. `says` replaces the answer to a command that begins so."""

    port: int = 0
    validity: int = 7
    mails: dict[int, bytes] = field(default_factory=dict[int, bytes])
    next_uid: int = 1
    says: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    commands: list[bytes] = field(default_factory=list[bytes])

    def put(self, mail: bytes, *, gap: int = 0) -> int:
        """Put a mail into the mailbox."""
        uid = self.next_uid + gap
        self.mails[uid], self.next_uid = mail, uid + 1
        return uid

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak to one client."""
        writer.write(self.says.get(b"", b"* OK ready\r\n"))
        try:
            while line := (await reader.readline()).rstrip(b"\r\n"):
                tag, _, command = line.partition(b" ")
                self.commands.append(command)
                writer.write(self._said(tag, command))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    def _said(self, tag: bytes, command: bytes) -> bytes:
        for start, text in self.says.items():
            if start and command.startswith(start):
                return text.replace(b"TAG", tag)
        return self._answer(command) + tag + b" OK done\r\n"

    def _answer(self, command: bytes) -> bytes:
        if command.startswith(b"EXAMINE"):
            return b"* OK [UIDVALIDITY %d] ok\r\n* OK [UIDNEXT %d] ok\r\n" % (self.validity, self.next_uid)
        if command.startswith(b"UID SEARCH"):
            found = _UIDS.search(command)
            wanted = [
                uid
                for uid in sorted(self.mails)
                if found is None or int(found[1]) <= uid <= (int(found[2]) if found[2] != b"*" else uid)
            ]
            return b"* SEARCH" + b"".join(b" %d" % uid for uid in wanted) + b"\r\n"
        if command.startswith(b"UID FETCH"):
            uids = [int(uid) for uid in command.split()[2].split(b",")]
            return b"".join(self._fetched(uid, command) for uid in uids if uid in self.mails)
        return b""

    def _fetched(self, uid: int, command: bytes) -> bytes:
        mail = self.mails[uid]
        if b"RFC822.SIZE" in command:
            return b"* 1 FETCH (UID %d RFC822.SIZE %d)\r\n" % (uid, len(mail))
        if b"INTERNALDATE" in command:
            now = datetime.now(UTC).strftime("%d-%b-%Y %H:%M:%S +0000").encode()
            return b'* 1 FETCH (UID %d INTERNALDATE "%b")\r\n' % (uid, now)
        most = int(command.rpartition(b".")[2].rstrip(b">)"))
        part = mail[:most]
        return b"* 1 FETCH (UID %d BODY[]<0> {%d}\r\n%b)\r\n" % (uid, len(part), part)


@asynccontextmanager
async def imap_vendor() -> AsyncGenerator[ImapVendor]:
    """Run one on a free port."""
    vendor = ImapVendor()
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0)
    vendor.port = server.sockets[0].getsockname()[1]
    try:
        yield vendor
    finally:
        server.close()
