"""Bodies as `multipart/form-data`: one file and a few short texts, all of it in memory already."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from typing import Final

from outrider.core.errors import ValidationError
from outrider.core.storable import storable_text

_BOUNDARY: Final = re.compile(rb'boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))', re.IGNORECASE)
_MOST_PARTS: Final = 10
_MOST_HEADER_BYTES: Final = 8_192
_MOST_TEXT_BYTES: Final = 8_192


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form."""

    name: str
    content: bytes
    filename: str | None = None
    content_type: str | None = None

    def text(self) -> str:
        """Read it as a short text, or raise `ValidationError`."""
        if len(self.content) > _MOST_TEXT_BYTES:
            raise ValidationError(f"{self.name} is too long.", path=self.name)
        try:
            return storable_text(self.content.decode(), name=self.name)
        except UnicodeDecodeError:
            raise ValidationError(f"{self.name} is not UTF-8.", path=self.name) from None


def parse_form(content_type: bytes, body: bytes) -> dict[str, Part]:
    """Read the fields of a form by their names, or raise `ValidationError`; each may stand once."""
    fields: dict[str, Part] = {}
    for part in parse_parts(content_type, body):
        if part.name in fields:
            raise ValidationError(f"The field {part.name[:64]!a} stands twice.", path=part.name[:64])
        fields[part.name] = part
    return fields


def parse_parts(content_type: bytes, body: bytes, most: int = _MOST_PARTS) -> Iterator[Part]:
    """Read the fields of a form in their order, or raise `ValidationError`; a name may stand several times."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise ValidationError("The Content-Type names no boundary.")
    for raw in _raw_parts(b"\r\n--" + (found[1] or found[2]), body, most):
        yield _part(raw)


def _raw_parts(delimiter: bytes, body: bytes, most: int) -> Iterator[bytes]:
    """Give what stands between delimiters; the last one has two hyphens behind it."""
    pieces = (b"\r\n" + body).split(delimiter, most + 2)
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            return
        line, separator, raw = piece.partition(b"\r\n")
        if line.strip(b" \t") or not separator:
            break
        yield raw
    raise ValidationError(f"The form is not whole, or has more than {most} fields.")


def _part(raw: bytes) -> Part:
    head, separator, content = raw.partition(b"\r\n\r\n")
    if not separator or len(head) > _MOST_HEADER_BYTES:
        raise ValidationError("A field of the form has no end of its headers.")
    headers = _headers(head)
    disposition = headers.get("content-disposition", "")
    if disposition.split(";", 1)[0].strip().lower() != "form-data":
        raise ValidationError("A field of the form has no Content-Disposition: form-data.")
    message = Message()
    message["Content-Disposition"] = disposition
    name = message.get_param("name", header="Content-Disposition")
    if not isinstance(name, str) or not name:
        raise ValidationError("A field of the form has no name.")
    return Part(name, content, _filename(message), headers.get("content-type"))


def _filename(message: Message) -> str | None:
    """What the file is called: it may be written in any character set, so whoever sends it may name a wrong one."""
    try:
        return message.get_filename()
    except (ValueError, LookupError):
        raise ValidationError("The filename of a field of the form cannot be read.") from None


def _headers(head: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        # a header of two lines would be refused by the parser of its parameters
        found[name.strip().lower()] = value.strip().replace("\n", " ").replace("\r", " ")
    return found
