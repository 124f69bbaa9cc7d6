"""What a mail server's refusal means, by the step at which it came (RFC 5321, RFC 3463)."""

import re
from enum import StrEnum

from outrider.platforms.base import Deferred, FailureCode, InDoubt, Outcome, Rejected

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_NO_SUCH_MAILBOX = frozenset({"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.4.4"})
_NO_SUCH_MAILBOX_CODES = frozenset({550, 551, 553})
_ACCOUNT_PAUSE_SECONDS = 60.0
_LONGEST_DETAIL = 300


class Step(StrEnum):
    """How far the conversation with the server had come."""

    CONNECT = "connect"
    ENCRYPT = "encrypt"
    LOGIN = "login"
    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"
    END_OF_CONTENT = "end of content"


class Trouble(Exception):
    """The conversation did not reach its end; `code` is the server's, None if it said nothing.

    `is_account`: nothing can be sent until somebody has corrected the connection's config. Raised and caught
    inside this package only: outside it is an outcome.
    """

    def __init__(self, step: Step, text: str, code: int | None = None, *, is_account: bool = False) -> None:
        super().__init__(step, text, code)
        self.step = step
        self.code = code
        self.text = text.encode("utf-8", "replace").decode()
        self.is_account = (
            is_account or code == 530 or (step in {Step.ENCRYPT, Step.LOGIN} and _is_final(code))
        )

    @property
    def detail(self) -> str:
        said = " ".join(f"{self.code or ''} {self.text}".split())
        return f"{self.step}: {said}"[:_LONGEST_DETAIL]

    @property
    def enhanced_code(self) -> str:
        found = _ENHANCED.match(self.text)
        return found.group(1) if found else ""


def outcome_of(trouble: Trouble) -> Outcome:
    """Class a trouble; silence is in doubt only once the final dot may have left."""
    if trouble.is_account:
        return Deferred(_ACCOUNT_PAUSE_SECONDS, trouble.detail, pauses_connection=True)
    if trouble.code is None and trouble.step is Step.END_OF_CONTENT:
        return InDoubt(trouble.detail)
    if not _is_final(trouble.code) or trouble.step is Step.CONNECT:
        return Deferred(None, trouble.detail)
    return Rejected(_code_of(trouble), trouble.detail)


def _is_final(code: int | None) -> bool:
    return code is not None and 500 <= code < 600


def _code_of(trouble: Trouble) -> FailureCode:
    enhanced, code = trouble.enhanced_code, trouble.code
    if "relay" in trouble.text.lower() and enhanced in {"", "5.7.1"}:
        return FailureCode.ACCOUNT_ERROR
    if enhanced in _NO_SUCH_MAILBOX and trouble.step is not Step.SENDER:
        return FailureCode.RECIPIENT_NOT_FOUND
    if enhanced.startswith("5.2."):
        # 5.2.3 is a message too long for the mailbox; the rest says that the mailbox takes nothing now.
        return FailureCode.CONTENT_REJECTED if enhanced == "5.2.3" else FailureCode.RECIPIENT_BLOCKED
    if trouble.step is Step.SENDER:
        is_size = code == 552 or enhanced == "5.3.4"
        return FailureCode.CONTENT_REJECTED if is_size else FailureCode.ACCOUNT_ERROR
    if trouble.step is Step.RECIPIENT:
        is_unknown = not enhanced and code in _NO_SUCH_MAILBOX_CODES
        return FailureCode.RECIPIENT_NOT_FOUND if is_unknown else FailureCode.RECIPIENT_BLOCKED
    return FailureCode.CONTENT_REJECTED
