"""What a mail server's final word means in the receipts of providers (RFC 3463, RFC 5321)."""

import re
from typing import Final

from outrider.platforms.failure_codes import FailureCode

_ENHANCED: Final = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_NO_SUCH_MAILBOX: Final = frozenset({"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.4.1", "5.4.4"})
_TOO_LARGE: Final = frozenset({"5.2.3", "5.3.4"})


def enhanced_code_in(text: str) -> str:
    """The first enhanced status code in what a server said, empty if there is none."""
    found = _ENHANCED.search(text[:2_000])
    return found[1] if found is not None else ""


def code_of_bounce(enhanced: str, code: int | None = None) -> FailureCode:
    """Class a bounce by its enhanced status code or, where there is none, by the reply's code."""
    if enhanced in _NO_SUCH_MAILBOX or (not enhanced and code in {550, 551, 553}):
        return FailureCode.RECIPIENT_NOT_FOUND
    if enhanced in _TOO_LARGE or enhanced.startswith(("5.6.", "5.7.")) or (not enhanced and code == 554):
        return FailureCode.CONTENT_REJECTED
    if enhanced.startswith(("5.2.", "4.2.")) or (not enhanced and code in {450, 452, 552}):
        return FailureCode.RECIPIENT_BLOCKED
    return FailureCode.UNKNOWN
