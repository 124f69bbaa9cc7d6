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


class NotResendable(AppError):
    """Only a message that has failed can be sent again."""

    kind = ErrorKind.CONFLICT
    code = "NOT_RESENDABLE"
