"""What identity refuses."""

from outrider.core.errors import AppError, ErrorKind


class LinkCodeExpired(AppError):
    """The link code has expired; a new one is needed."""

    kind = ErrorKind.GONE
    code = "LINK_CODE_EXPIRED"


class LinkCodeExhausted(AppError):
    """The link code was used as often as it may be."""

    kind = ErrorKind.GONE
    code = "LINK_CODE_EXHAUSTED"
