"""What contacts may consist of: names, scores, and addresses in the one form in which they are compared."""

import re
from typing import Final

from outrider.core.errors import ValidationError
from outrider.core.storable import storable_text
from outrider.outreach.values import Address, QualificationStatus
from outrider.platforms.base import Channel
from outrider.platforms.mail_addresses import read_mail_address
from outrider.platforms.phone_numbers import read_phone_number

LONGEST_ADDRESS: Final = 320
LONGEST_TEXT: Final = 4_000
_PHONE: Final = "phone"
_PHONES: Final = frozenset({Channel.SMS, Channel.WHATSAPP, Channel.IMESSAGE})
_LONGEST_DOMAIN: Final = 253
# What nearly all addresses are: nothing that a closer look could find fault with, or would change.
_PLAIN: Final = r"(?:[a-z0-9](?:[a-z0-9]|-(?!-))*(?<!-)\.)+[a-z]{2,20}"
_PLAIN_DOMAIN: Final = re.compile(_PLAIN)
_PLAIN_MAIL: Final = re.compile(rf"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@{_PLAIN}")
_LONGEST_PLAIN: Final = 64
_WEBSITE: Final = re.compile(r"(?:https?://)?(?:www\.)?([^/?#:@\s]+)\.?(?:[:/?#].*)?", re.IGNORECASE)


def checked_mail(text: str, field: str = "email") -> tuple[str, Address]:
    """Give a mail address as it is shown, and as it is compared, or refuse it."""
    trimmed = text.strip()
    if len(trimmed) <= _LONGEST_PLAIN and _PLAIN_MAIL.fullmatch(trimmed):
        return trimmed, Address(Channel.EMAIL.value, trimmed.lower())
    read = read_mail_address(storable_text(trimmed, name=field)) if len(trimmed) <= LONGEST_ADDRESS else None
    if read is None:
        raise ValidationError(f"{_shown(text)} is not a mail address.", path=field)
    # what platform users of mail are called, in lower case: `contact_address` of the migrations does that
    return read.shown, Address(Channel.EMAIL.value, read.shown.lower())


def checked_address(channel: Channel, text: str, field: str = "address") -> Address:
    """Give an address on a channel as it is compared, or refuse it."""
    if channel is Channel.EMAIL:
        return checked_mail(text, field)[1]
    trimmed = storable_text(text.strip(), name=field)
    if channel in _PHONES:
        number = read_phone_number(trimmed)
        if number is not None:
            return Address(_PHONE, number)
        if channel is Channel.IMESSAGE and "@" in trimmed:
            return Address(_PHONE, checked_mail(trimmed, field)[1].address)
        raise ValidationError(
            f"{_shown(text)} is not a phone number: an international one is expected, such as +4930123456.",
            path=field,
        )
    if not trimmed or len(trimmed) > LONGEST_ADDRESS:
        raise ValidationError(f"{field} must have 1 to {LONGEST_ADDRESS} characters.", path=field)
    return Address(channel.value, trimmed.lower())


def checked_domain(text: str, field: str = "domain") -> str:
    """Give the domain of a company, also of its website's address, in lower case and ASCII; or refuse it."""
    found = _WEBSITE.fullmatch(text.strip()) if len(text) <= LONGEST_TEXT else None
    if found and len(found[1]) <= _LONGEST_PLAIN and _PLAIN_DOMAIN.fullmatch(found[1]):
        return found[1]
    # a domain is what mail can be sent to: read by whoever reads addresses
    read = read_mail_address(f"a@{found[1]}") if found and len(found[1]) <= _LONGEST_DOMAIN else None
    if read is None or "." not in read.ascii_domain:
        raise ValidationError(f"{_shown(text)} is not a domain.", path=field)
    return read.ascii_domain.lower()


def checked_score(value: int | None, field: str) -> int | None:
    """Give a score as it is, or refuse it."""
    if value is not None and not 0 <= value <= 100:
        raise ValidationError(f"{field} must be a number from 0 to 100.", path=field)
    return value


def checked_status(text: str, field: str = "qualificationStatus") -> QualificationStatus:
    """Read a status in any case, or refuse it."""
    try:
        return QualificationStatus(text.strip().lower())
    except ValueError:
        known = ", ".join(one.value for one in QualificationStatus)
        raise ValidationError(f"{_shown(text)} is no status: {known}.", path=field) from None


def checked_text(text: str | None, field: str) -> str | None:
    """Give a longer text without the space around it, None for an empty one; or refuse it."""
    if text is None or not text.strip():
        return None
    if len(text) > LONGEST_TEXT:
        raise ValidationError(f"{field} has at most {LONGEST_TEXT:,} characters.", path=field)
    return storable_text(text.strip(), name=field)


def _shown(text: str) -> str:
    """A text as a message may quote it."""
    return ascii(text if len(text) <= 60 else text[:60] + "…")
