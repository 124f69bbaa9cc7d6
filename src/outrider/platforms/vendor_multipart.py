"""Bodies of `multipart/form-data` as vendors' upload calls want them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from secrets import token_hex


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file in a form."""

    filename: str
    mime_type: str
    content: bytes = field(repr=False)


def form_of(fields: Mapping[str, str], files: Iterable[tuple[str, FilePart]]) -> tuple[str, bytes]:
    """The form's content type and its bytes; files may have a name in common."""
    boundary = f"outrider-{token_hex(16)}"
    parts: list[bytes] = []
    for name, text in fields.items():
        head = f'Content-Disposition: form-data; name="{_quoted(name)}"'
        parts += [_head(boundary, head), text.encode("utf-8", "replace"), b"\r\n"]
    for name, file in files:
        head = (
            f'Content-Disposition: form-data; name="{_quoted(name)}"; filename="{_quoted(file.filename)}"\r\n'
            f"Content-Type: {file.mime_type}"
        )
        parts += [_head(boundary, head), file.content, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)


def _head(boundary: str, lines: str) -> bytes:
    return f"--{boundary}\r\n{lines}\r\n\r\n".encode("utf-8", "replace")


def _quoted(name: str) -> str:
    """As browsers write names: what could end the header or its quotes is escaped."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
