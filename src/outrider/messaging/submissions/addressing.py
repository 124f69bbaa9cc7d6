"""Addresses of submitted messages: `addr`, or for mail `Name <addr>` too, read by a library."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from outrider.core.errors import ValidationError
from outrider.platforms.base import Channel
from outrider.platforms.mail_addresses import read_mail_address, read_named_address

_LONGEST: Final = 1_000
_PHONE: Final = re.compile(r"\+?[0-9 ().-]{5,30}")
_LINE_ENDS: Final = frozenset("\u2028\u2029")


def refuse_controls(text: str, path: str) -> str:
    """Give a text that may stand in a header as it is, or refuse it."""
    if any(unicodedata.category(one) in {"Cc", "Cs"} or one in _LINE_ENDS for one in text):
        raise ValidationError(f"{path} must not hold line breaks or other control characters.", path=path)
    if len(text) > _LONGEST:
        raise ValidationError(f"{path} may have at most {_LONGEST} characters.", path=path)
    return text


def bare_address(text: str, channel: Channel, path: str) -> str:
    """Give the address in what was given, or refuse it; how it is spelt is the provider's to say."""
    refuse_controls(text, path)
    if channel is not Channel.EMAIL:
        return text.strip()
    address = mailbox_of(text)
    if address is None:
        raise ValidationError(f"{path} is not a mail address: {text[:100]!r}.", path=path)
    return address


def mailbox_of(text: str) -> str | None:
    """The bare address of `addr` or `Name <addr>`, None if it is neither."""
    found = read_named_address(text)
    return None if found is None else found[1]


def recipients_like(text: str) -> Sequence[str]:
    """How a recipient may have been stored that is asked for like this."""
    found = {text.strip()}
    address = mailbox_of(text)
    if address is not None:
        read = read_mail_address(address)
        found.add(read.shown if read is not None else address)
    if _PHONE.fullmatch(text.strip()):
        found.add("+" + "".join(one for one in text if one in "0123456789"))
    return sorted(found)
