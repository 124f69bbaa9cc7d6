"""The address to which mail that cannot be delivered comes back: it names the message, and only we can make it.

RFC 5321's envelope sender, one for each message ("VERP"). Who reads a mail sees its return path, so that a
recipient can tell untruths of what was sent to him, but not of what was sent to others.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from outrider.platforms.mail_addresses import MailAddress, read_mail_address

PURPOSE: Final = "return paths"
_SIGNATURE_BYTES: Final = 8
# The id in 26 characters, the signature in 13; mail servers may change the case of a local part, and some do.
_TOKEN: Final = re.compile(r"(?<![0-9A-Za-z])b-([a-z2-7]{26})([a-z2-7]{13})(?=@)", re.IGNORECASE)
_LONGEST_LOCAL_PART: Final = 64
_MOST_TRIED: Final = 20


@dataclass(frozen=True, slots=True)
class ReturnPaths:
    """Makes return paths and reads them; `keys` are the current one and its predecessors."""

    keys: Sequence[bytes] = field(default=(), repr=False)

    def make(
        self, connection_id: UUID, message_id: UUID, sender: MailAddress, config: Mapping[str, object]
    ) -> str | None:
        """The return path of a message, None where its bounces are not read or the address has no room for it."""
        if not self.keys or not config.get("imap_host"):
            return None
        name, mark = _spelt(message_id.bytes), _spelt(_signature(self.keys[0], connection_id, message_id))
        token, domain = f"b-{name}{mark}", config.get("verp_domain")
        if isinstance(domain, str) and domain:
            read = read_mail_address(f"{token}@{domain}")
            return read.wire if read is not None else None
        base = return_address(sender, config)
        local_part = f"{base.local_part}+{token}"
        if len(local_part) > _LONGEST_LOCAL_PART or not local_part.isascii():
            return None
        return f"{local_part}@{base.ascii_domain}"

    def read(self, connection_id: UUID, texts: Iterable[str]) -> UUID | None:
        """The message that one of the addresses in these texts was made for; None for forgeries."""
        tried = 0
        for text in texts:
            for found in _TOKEN.finditer(text):
                message_id = _message_id(found[1])
                tried += 1
                if message_id is not None and self._is_ours(connection_id, message_id, found[2]):
                    return message_id
                if tried >= _MOST_TRIED:
                    return None
        return None

    def _is_ours(self, connection_id: UUID, message_id: UUID, mark: str) -> bool:
        good = [
            hmac.compare_digest(_spelt(_signature(key, connection_id, message_id)), mark.lower())
            for key in self.keys
        ]
        return any(good)


NO_RETURN_PATHS: Final = ReturnPaths()
"""Without a key there are none, and none is read."""


def return_address(sender: MailAddress, config: Mapping[str, object]) -> MailAddress:
    """Where undeliverable mail goes: `return_path`, else to the sender."""
    told = config.get("return_path")
    return (read_mail_address(told) if isinstance(told, str) and told else None) or sender


def _signature(key: bytes, connection_id: UUID, message_id: UUID) -> bytes:
    return hmac.digest(key, connection_id.bytes + message_id.bytes, hashlib.sha256)[:_SIGNATURE_BYTES]


def _spelt(content: bytes) -> str:
    return base64.b32encode(content).decode().rstrip("=").lower()


def _message_id(spelt: str) -> UUID | None:
    content = base64.b32decode(spelt.upper() + "======")
    # 26 characters hold two bits more than an id: written otherwise it was not written by us
    return UUID(bytes=content) if _spelt(content) == spelt.lower() else None
