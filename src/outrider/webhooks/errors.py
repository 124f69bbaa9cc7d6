"""What webhooks refuse."""

from outrider.core.errors import AppError, ErrorKind


class NotRetryable(AppError):
    """Only a delivery that has failed or was dropped can be tried again."""

    kind = ErrorKind.CONFLICT
    code = "NOT_RETRYABLE"
