"""The SMTP provider: mail out through a server of the customer's choice, and in from a mailbox of theirs."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from outrider.platforms.base import (
    ConnectionContext,
    Deferred,
    FailureCode,
    FetchedFile,
    Healthy,
    InboundRequest,
    Manifest,
    Outbound,
    Outcome,
    ParsedWebhook,
    Rejected,
    Sent,
    Unhealthy,
    Unrecognised,
)
from outrider.platforms.letters import Letter, write_letter
from outrider.platforms.mail_addresses import read_mail_address
from outrider.platforms.polling import Polled
from outrider.platforms.smtp.imap import MailboxTrouble
from outrider.platforms.smtp.mailboxes import Mailboxes, mailbox_server
from outrider.platforms.smtp.manifest import MANIFEST
from outrider.platforms.smtp.pool import SessionPool
from outrider.platforms.smtp.replies import Trouble, outcome_of
from outrider.platforms.smtp.return_paths import NO_RETURN_PATHS, ReturnPaths, return_address
from outrider.platforms.smtp.sessions import HostCheck, Server, Session

_MARGIN_SECONDS = 1.0
_POLL_SECONDS = 60.0


class SmtpAdapter:
    """Keeps conversations with mail servers in a pool, and nothing else."""

    def __init__(
        self,
        check_host: HostCheck,
        paths: ReturnPaths = NO_RETURN_PATHS,
        *,
        attempt_seconds: float = MANIFEST.attempt_seconds,
    ) -> None:
        self._manifest = replace(MANIFEST, attempt_seconds=attempt_seconds)
        self._pool = SessionPool(check_host)
        self._paths = paths
        self._mailboxes = Mailboxes(check_host, paths)

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    def normalise_address(self, address: str) -> str | None:
        read = read_mail_address(address)
        return read.shown if read is not None else None

    async def send(self, outbound: Outbound, connection: ConnectionContext) -> Outcome:
        give_up_at = asyncio.get_running_loop().time() + self._manifest.attempt_seconds - _MARGIN_SECONDS
        letter = await write_letter(outbound, connection.config)
        if isinstance(letter, Rejected):
            return letter
        letter = self._with_return_path(letter, outbound, connection)
        server = Server.of(connection.config)
        try:
            async with self._pool.session(connection.connection_id, server, give_up_at) as session:
                return await _hand_over(session, letter, give_up_at)
        except Trouble as trouble:
            return outcome_of(trouble)

    def _with_return_path(self, letter: Letter, outbound: Outbound, connection: ConnectionContext) -> Letter:
        sender = read_mail_address(letter.sender)
        if sender is None:
            return letter
        path = self._paths.make(connection.connection_id, outbound.event_id, sender, connection.config)
        return replace(letter, sender=path or return_address(sender, connection.config).wire)

    async def find_outcome(self, outbound: Outbound, connection: ConnectionContext) -> Sent | Rejected | None:
        del outbound, connection
        return None  # SMTP has no way to ask

    async def fetch_file(
        self, reference: Mapping[str, object], connection: ConnectionContext
    ) -> FetchedFile | Rejected | Deferred:
        del reference, connection
        return Rejected(FailureCode.UNKNOWN, "files come with their mail")

    async def check(self, connection: ConnectionContext) -> Healthy | Unhealthy:
        give_up_at = asyncio.get_running_loop().time() + self._manifest.attempt_seconds - _MARGIN_SECONDS
        server = Server.of(connection.config)
        try:
            session = await self._pool.open_new(server, give_up_at)
            try:
                await session.ask_nothing(give_up_at)
            finally:
                session.close()
        except Trouble as trouble:
            return Unhealthy(f"The mail server cannot be used: {trouble.detail}")
        mailbox = mailbox_server(connection.config)
        if mailbox is not None:
            try:
                async with asyncio.timeout_at(give_up_at):
                    await self._mailboxes.check(mailbox)
            except (MailboxTrouble, TimeoutError) as trouble:
                return Unhealthy(f"The mailbox cannot be read: {trouble or 'no answer in time'}")
        return Healthy(f"Logged in as {server.username}." if server.username else "Connected.")

    @property
    def polled_with(self) -> str:
        return "imap_host"

    def poll_seconds(self, connection: ConnectionContext) -> float | None:
        seconds = connection.config.get("imap_poll_seconds")
        if mailbox_server(connection.config) is None:
            return None
        return float(seconds) if isinstance(seconds, int) else _POLL_SECONDS

    async def poll(
        self, cursor: Mapping[str, object] | None, connection: ConnectionContext
    ) -> Polled | Deferred:
        server = mailbox_server(connection.config)
        if server is None:
            return Deferred(None, "the connection names no mailbox")
        try:
            return await self._mailboxes.read(server, cursor, connection)
        except MailboxTrouble as trouble:
            return Deferred(None, str(trouble))

    async def verify(self, request: InboundRequest, connection: ConnectionContext) -> bool:
        del request, connection
        return False  # a mail server calls no webhook

    def parse(self, request: InboundRequest, connection: ConnectionContext) -> ParsedWebhook:
        del request, connection
        return ParsedWebhook((Unrecognised(None, "SMTP has no webhooks"),))

    async def close(self) -> None:
        await self._pool.close()


async def _hand_over(session: Session, letter: Letter, give_up_at: float) -> Outcome:
    if letter.needs_smtputf8 and not session.takes_smtputf8:
        return Rejected(
            FailureCode.ACCOUNT_ERROR, "the mail server does not take addresses beyond ASCII (SMTPUTF8)"
        )
    try:
        await session.hand_over(letter, give_up_at)
    except Trouble as trouble:
        # After an answer the conversation can go on; after silence nobody knows where it stands.
        if trouble.code is None:
            session.close()
        return outcome_of(trouble)
    return Sent(letter.message_id)
