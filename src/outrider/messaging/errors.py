"""What messaging refuses."""

from outrider.core.errors import AppError, ErrorKind


class NotCancellable(AppError):
    """The message can no longer be cancelled: it was sent, has failed, or is being sent."""

    kind = ErrorKind.CONFLICT
    code = "NOT_CANCELLABLE"
