"""What operations on members refuse with."""

import math
from datetime import datetime

from outrider.core.errors import AppError, ErrorKind, RateLimited


class LastOwner(AppError):
    """The organisation would have no active owner left."""

    kind = ErrorKind.CONFLICT
    code = "LAST_OWNER"


class TooManyAttempts(RateLimited):
    """Too many wrong passwords."""

    def __init__(self, limit: int, ends_at: datetime, now: datetime) -> None:
        self.retry_after = max(1, math.ceil((ends_at - now).total_seconds()))
        super().__init__(
            f"Too many wrong passwords; try again in {self.retry_after} seconds.",
            limit=limit,
            reset_at=ends_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
