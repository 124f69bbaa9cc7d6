"""Words that the researcher's sentences are made of."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

_CHANNELS: Final = {
    "whatsapp": "WhatsApp",
    "instagram": "Instagram",
    "facebook": "Facebook",
    "telegram": "Telegram",
    "slack": "Slack",
    "discord": "Discord",
    "sms": "SMS",
    "email": "e-mail",
    "imessage": "iMessage",
}
# English, whatever the locale of this machine is
_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_LONGEST_QUOTE: Final = 160


def day(moment: datetime) -> str:
    """A day, in UTC."""
    at = moment.astimezone(UTC)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def channel_name(channel: str) -> str:
    """What people call a channel."""
    return _CHANNELS.get(channel, channel)


def counted(number: int, thing: str) -> str:
    """`1 message`, `2 messages`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def quoted(words: str) -> str:
    """The beginning of what somebody wrote, on one line."""
    line = " ".join(words.split())
    return f"“{line[: _LONGEST_QUOTE - 1].rstrip()}…”" if len(line) > _LONGEST_QUOTE else f"“{line}”"
