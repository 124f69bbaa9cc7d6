"""Submitted messages, found: by id, or the newest that fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Pool
from outrider.core.errors import NotFound, QueryTooExpensive, ValidationError
from outrider.messaging.submissions.addressing import recipients_like
from outrider.messaging.submissions.queries import Wanted, select_page, select_submitted
from outrider.messaging.submissions.showing import STATUSES
from outrider.messaging.submissions.values import Submitted
from outrider.tenancy.backends import BackendDirectory
from outrider.tenancy.message_keys import MessageSender

MOST_LISTED: Final = 200
DEFAULT_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class FindingContext:
    """What finding messages needs of the process."""

    pool: Pool
    backends: BackendDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which messages are wanted: those that fit everything that is given."""

    limit: int = DEFAULT_LISTED
    before: UUID | None = None
    status: str | None = None
    project: str | None = None
    to: str | None = None
    id_from_submitter: str | None = None
    id_from_backend: str | None = None


async def find_submitted(context: FindingContext, sender: MessageSender, message_id: UUID) -> Submitted:
    """Find a message of an application that the key reaches; raises `NotFound` for every other."""
    with faults_as_unavailable():
        found = await select_submitted(context.pool, sender.organisation_id, message_id)
    if found is None or not sender.reaches(found.application_id):
        raise NotFound("Message not found.", resource_type="Message", resource_id=str(message_id))
    return found


async def list_submitted(
    context: FindingContext, sender: MessageSender, search: Search
) -> Sequence[Submitted]:
    """List the newest messages of the applications that the key reaches; one more than asked for if there are more."""
    if search.status is not None and search.status not in STATUSES:
        raise ValidationError(f"status must be one of: {', '.join(STATUSES)}.", path="status")
    if not 1 <= search.limit <= MOST_LISTED:
        raise ValidationError(f"limit must be a number from 1 to {MOST_LISTED}.", path="limit")
    application_id = await _application(context, sender, search.project)
    if search.project is not None and application_id is None:
        return []
    wanted = Wanted(
        before=search.before,
        application_ids=None if sender.application_ids is None else sorted(sender.application_ids),
        application_id=application_id,
        recipients=None if search.to is None else recipients_like(search.to),
        id_from_submitter=search.id_from_submitter,
        id_from_backend=search.id_from_backend,
        status=search.status,
    )
    with faults_as_unavailable():
        try:
            return await select_page(context.pool, sender.organisation_id, wanted, search.limit + 1)
        except asyncpg.QueryCanceledError:
            raise QueryTooExpensive from None


async def _application(context: FindingContext, sender: MessageSender, project: str | None) -> UUID | None:
    if project is None:
        return None
    found = await context.backends.project(sender.organisation_id, project)
    return None if found is None else found.id
