"""What adapters with an HTTP API share: how a call that got no answer ends, and what a vendor asks to wait."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

from outrider.core.outgoing import HttpAnswer, HttpFailure
from outrider.platforms.base import Deferred, InDoubt

LONGEST_PAUSE_SECONDS = 24 * 3600.0


class VendorHttp(Protocol):
    """The guarded HTTP client as adapters use it."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        purpose: str,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        max_response_bytes: int = ...,
    ) -> HttpAnswer | HttpFailure:
        """Make one call; never raises for what the other side does."""
        ...


def outcome_of_failure(failure: HttpFailure) -> Deferred | InDoubt:
    """A call without an answer: in doubt if the vendor may have read the request, else put off."""
    if failure.may_have_been_sent:
        return InDoubt(f"no answer: {failure.kind}")
    return Deferred(None, f"not reached: {failure.kind}")


def bounded_pause(seconds: float) -> float:
    """A pause that a vendor asked for, within reason."""
    return min(max(0.0, seconds), LONGEST_PAUSE_SECONDS)  # in this order NaN is no pause


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """The seconds that a `Retry-After` header asks for, as a number or a date; None if it says neither."""
    value = next((value.strip() for name, value in headers.items() if name.lower() == "retry-after"), "")
    if not value:
        return None
    try:
        return bounded_pause(float(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return bounded_pause((moment - datetime.now(UTC)).total_seconds()) if moment.tzinfo else None
