"""The SMTP provider: mail out through a server of the customer's choice."""

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
from outrider.platforms.smtp.manifest import MANIFEST
from outrider.platforms.smtp.pool import SessionPool
from outrider.platforms.smtp.replies import Trouble, outcome_of
from outrider.platforms.smtp.sessions import HostCheck, Server, Session

_MARGIN_SECONDS = 1.0


class SmtpAdapter:
    """Keeps conversations with mail servers in a pool, and nothing else."""

    def __init__(self, check_host: HostCheck, *, attempt_seconds: float = MANIFEST.attempt_seconds) -> None:
        self._manifest = replace(MANIFEST, attempt_seconds=attempt_seconds)
        self._pool = SessionPool(check_host)

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
        server = Server.of(connection.config)
        try:
            async with self._pool.session(connection.connection_id, server, give_up_at) as session:
                return await _hand_over(session, letter, give_up_at)
        except Trouble as trouble:
            return outcome_of(trouble)

    async def find_outcome(self, outbound: Outbound, connection: ConnectionContext) -> Sent | Rejected | None:
        del outbound, connection
        return None  # SMTP has no way to ask

    async def fetch_file(
        self, reference: Mapping[str, object], connection: ConnectionContext
    ) -> FetchedFile | Rejected | Deferred:
        del reference, connection
        return Rejected(FailureCode.UNKNOWN, "nothing comes in through SMTP")

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
        return Healthy(f"Logged in as {server.username}." if server.username else "Connected.")

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
