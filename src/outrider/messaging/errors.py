"""What messaging refuses."""

from outrider.core.errors import AppError, ErrorKind


class NotCancellable(AppError):
    """The message can no longer be cancelled: it was sent, has failed, or is being sent."""

    kind = ErrorKind.CONFLICT
    code = "NOT_CANCELLABLE"


class NotResolvable(AppError):
    """Only a message that is held in doubt can be resolved by hand."""

    kind = ErrorKind.CONFLICT
    code = "NOT_RESOLVABLE"


class RecipientSuppressed(AppError):
    """The recipient is on the application's suppression list: nothing was stored.

    Raise it with `reason`, `since` and `event_id`.
    """

    kind = ErrorKind.CONFLICT
    code = "RECIPIENT_SUPPRESSED"


class NotResendable(AppError):
    """Only a message that has failed can be sent again."""

    kind = ErrorKind.CONFLICT
    code = "NOT_RESENDABLE"
