"""What the sandbox does with a message, read from the recipient's address; the table is in the manifest."""

import re
from dataclasses import dataclass
from enum import StrEnum, auto

from outrider.platforms.base import FailureCode


class Receipts(StrEnum):
    """What the simulated vendor tells of a message after (or before) it answered the send."""

    NONE = auto()
    DELIVERED = auto()
    READ = auto()
    FAILED = auto()
    DELIVERED_FIRST = auto()


class Asked(StrEnum):
    """What the simulated vendor answers when asked about a send in doubt."""

    NOTHING = auto()
    SENT = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class Accepts:
    """The message is taken, `after_seconds`."""

    after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Refuses:
    """The message is refused for good."""

    code: FailureCode


@dataclass(frozen=True, slots=True)
class PutsOff:
    """The first `attempts` are put off; `retry_after` is a rate limit that holds for the whole connection."""

    attempts: int
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class LosesAnswer:
    """The message is taken, but the answers to the first `attempts` get lost."""

    attempts: int
    asked: Asked = Asked.NOTHING


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What happens to a message to one address."""

    answer: Accepts | Refuses | PutsOff | LosesAnswer
    receipts: Receipts = Receipts.NONE


_WORDS = re.compile(
    r"(?<![a-z])(delivered|read|receipt-first|rejected|deferred|doubt-found|doubt-refused|doubt|slow"
    r"|throttled|bounced|blocked|unacceptable|window-closed)(?![a-z])(?:-(\d{1,4})(?![0-9a-z]))?"
)
_NUMBERED = re.compile(r"55501(\d\d)$")
_WORD_OF_NUMBER = (
    "sent",
    "delivered",
    "read",
    "receipt-first",
    "rejected",
    "deferred",
    "doubt",
    "slow",
    "doubt-found",
    "throttled",
    "bounced",
    "blocked",
    "unacceptable",
    "window-closed",
    "doubt-refused",
)
_RECEIPTS = {
    "delivered": Receipts.DELIVERED,
    "read": Receipts.READ,
    "receipt-first": Receipts.DELIVERED_FIRST,
    "bounced": Receipts.FAILED,
}
_SLOW_SECONDS = 3


def behaviour_of(address: str) -> Behaviour:
    """Read the behaviour from an address; the first word of each kind decides."""
    answer: Accepts | Refuses | PutsOff | LosesAnswer | None = None
    receipts: Receipts | None = None
    for word, number in _words_of(address.lower()):
        if word in _RECEIPTS:
            receipts = receipts or _RECEIPTS[word]
        else:
            answer = answer or _answer_of(word, int(number) if number else None)
    return Behaviour(answer or Accepts(), receipts or Receipts.NONE)


def _words_of(address: str) -> list[tuple[str, str]]:
    digits = re.sub(r"[\s().-]", "", address).removeprefix("+")
    if digits.isascii() and digits.isdecimal():
        numbered = _NUMBERED.search(digits)
        number = int(numbered.group(1)) if numbered else 0
        return [(_WORD_OF_NUMBER[number], "")] if number < len(_WORD_OF_NUMBER) else []
    local_part, at, _ = address.rpartition("@")
    return _WORDS.findall(local_part if at and local_part else address)


def _answer_of(word: str, number: int | None) -> Accepts | Refuses | PutsOff | LosesAnswer:
    times = 1 if number is None else number
    answers: dict[str, Accepts | Refuses | PutsOff | LosesAnswer] = {
        "rejected": Refuses(FailureCode.RECIPIENT_NOT_FOUND),
        "blocked": Refuses(FailureCode.RECIPIENT_BLOCKED),
        "unacceptable": Refuses(FailureCode.CONTENT_REJECTED),
        "window-closed": Refuses(FailureCode.WINDOW_CLOSED),
        "deferred": PutsOff(times),
        "throttled": PutsOff(times, retry_after=1.0),
        "doubt": LosesAnswer(times),
        "doubt-found": LosesAnswer(times, Asked.SENT),
        "doubt-refused": LosesAnswer(times, Asked.REFUSED),
        "slow": Accepts(after_seconds=float(_SLOW_SECONDS if number is None else number)),
    }
    return answers.get(word, Accepts())
