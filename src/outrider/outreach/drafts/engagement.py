"""What came of a draft after it was sent: opened, clicked, answered, bounced, each with the event that says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Pool
from outrider.outreach.drafts import queries_engagement as queries
from outrider.outreach.drafts.queries_engagement import EngagementRow

_WORDS: Final[Mapping[str, str]] = {
    "message.sent": "sent",
    "message.delivered": "delivered",
    "message.read": "opened",
    "message.opened": "opened",
    "message.clicked": "clicked",
    "message.complained": "complained",
    "message.unsubscribed": "unsubscribed",
    "message.inbound": "replied",
}


@dataclass(frozen=True, slots=True)
class Engagement:
    """One thing that came of a draft: sent, delivered, opened, clicked, replied, bounced, complained, unsubscribed.

    `failed` is a message that could not be sent at all. `detail` is what was clicked, why it bounced, how the answer
    begins.
    """

    type: str
    at: datetime
    event_id: UUID
    detail: str | None


async def engagement_of(pool: Pool, organisation_id: UUID, draft_id: UUID) -> Sequence[Engagement]:
    """All that came of a draft, the oldest first; of one that was not sent, or is not there, nothing."""
    with faults_as_unavailable():
        rows = await queries.select_engagement(pool, organisation_id, draft_id)
    return sorted(
        (Engagement(_word(row), row.at, row.event_id, row.detail) for row in rows),
        key=lambda one: (one.at, one.event_id),
    )


def _word(row: EngagementRow) -> str:
    """A mail that came back, at once or later, has bounced; one that never went out has failed."""
    if row.event_type != "message.failed":
        return _WORDS[row.event_type]
    return "bounced" if row.is_bounce else "failed"
