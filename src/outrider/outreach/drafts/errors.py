"""What drafts refuse."""

from outrider.core.errors import AppError, ErrorKind, NotFound


class DraftConflict(AppError):
    """The draft is in a state in which this cannot be done.

    Raise it with `state`.
    """

    kind = ErrorKind.CONFLICT
    code = "DRAFT_CONFLICT"


def missing_draft(draft_id: object) -> NotFound:
    """The refusal of a draft that is not there, or another organisation's."""
    return NotFound("Draft not found.", resource_type="Draft", resource_id=str(draft_id))
