"""Mail addresses in one form: what every provider that sends mail reads and compares."""

import re
from dataclasses import dataclass
from typing import Final

import email_validator

# Which domains can be reached is for the mail server to say: `.local` and `localhost` are real on many networks.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()
# What people write without quotes: letters of any script, and full stops. What separates addresses is not among it.
_UNQUOTED: Final = re.compile(r"""\s*([^\s<>"(),:;@\\\[\]][^<>"(),:;@\\\[\]]*)(<[^<>]*>)\s*""")


@dataclass(frozen=True, slots=True)
class MailAddress:
    """One mailbox: its domain as people read it and as DNS spells it."""

    local_part: str
    domain: str
    ascii_domain: str

    @property
    def shown(self) -> str:
        """The canonical form: domain in lower case and in its own script."""
        return f"{self.local_part}@{self.domain}"

    @property
    def wire(self) -> str:
        """The form for headers and envelopes: the domain in ASCII, which every server takes."""
        return f"{self.local_part}@{self.ascii_domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only servers that offer SMTPUTF8 can take this address."""
        return not self.local_part.isascii()


def read_mail_address(text: str) -> MailAddress | None:
    """Read one bare address, None if it cannot be one. Asks no DNS."""
    try:
        read = email_validator.validate_email(
            text.strip(), check_deliverability=False, globally_deliverable=False, test_environment=True
        )
    except email_validator.EmailNotValidError:
        return None
    return MailAddress(read.local_part, read.domain, read.ascii_domain)


def read_named_address(text: str) -> tuple[str, str] | None:
    """Read `addr` or `Name <addr>` as its name, which may be empty, and its bare address; None if it is neither."""
    unquoted = _UNQUOTED.fullmatch(text)
    if unquoted is not None:
        text = f'"{unquoted[1].strip()}" {unquoted[2]}'
    try:
        read = email_validator.validate_email(
            text.strip(),
            check_deliverability=False,
            globally_deliverable=False,
            test_environment=True,
            allow_display_name=True,
        )
    except email_validator.EmailNotValidError:
        return None
    return read.display_name or "", f"{read.local_part}@{read.domain}"
