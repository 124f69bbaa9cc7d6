"""Webhooks that are forms, urlencoded or multipart: what is broken reads as empty, and nothing here raises."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote

from outrider.core.storable import shown_json

_MOST_FIELDS: Final = 1_000
_MOST_HEADER_BYTES: Final = 8_192
_BOUNDARY: Final = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))', re.IGNORECASE)
_TYPE: Final = re.compile(r"^content-type:\s*([\w.+-]+/[\w.+-]+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file in a form."""

    name: str
    filename: str
    mime_type: str | None
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """The first value of each field, NUL and lone surrogates shown as U+FFFD, and the files."""

    fields: Mapping[str, str]
    files: tuple[FormFile, ...] = ()

    def text(self, name: str) -> str | None:
        """A field that says something, else None."""
        return self.fields.get(name) or None


def form_pairs(body: bytes) -> list[tuple[str, str]]:
    """The names and values of an urlencoded body as they were sent, in their order."""
    try:
        return parse_qsl(
            body.decode("utf-8", "replace"),
            keep_blank_values=True,
            errors="replace",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        return []


def read_form(headers: Mapping[str, str], body: bytes) -> Form:
    """Read a form of either kind; of a multipart one that is not whole, what came before its end."""
    kind = headers.get("content-type", "")
    if not kind.lower().startswith("multipart/"):
        return Form(_first(form_pairs(body)))
    boundary = _BOUNDARY.search(kind)
    if boundary is None:
        return Form({})
    pairs: list[tuple[str, str]] = []
    files: list[FormFile] = []
    for head, content in _parts(b"\r\n--" + (boundary[1] or boundary[2]).encode(), b"\r\n" + body):
        name, filename = _parameter(head, "name"), _parameter(head, "filename")
        if filename:
            files.append(FormFile(_shown(name), _shown(filename), _type_in(head), content))
        else:
            pairs.append((name, content.decode("utf-8", "replace")))
    return Form(_first(pairs), tuple(files))


def _parts(delimiter: bytes, body: bytes) -> Iterator[tuple[str, bytes]]:
    """The headers and the content of each part; what has no headers is none."""
    # what only begins like the delimiter is content
    lines = re.compile(re.escape(delimiter) + rb"(--)?[ \t]*(?=\r\n|\Z)")
    begins: int | None = None
    for number, line in enumerate(lines.finditer(body)):
        if begins is not None:
            head, separator, content = body[begins : line.start()].partition(b"\r\n\r\n")
            if separator and len(head) <= _MOST_HEADER_BYTES:
                yield head.decode("utf-8", "replace"), content
        if line[1] or number > _MOST_FIELDS:
            return
        begins = line.end()


def _parameter(head: str, name: str) -> str:
    """A parameter of Content-Disposition, quoted or in its extended form."""
    quoted = re.search(rf'[;\s]{name}="((?:[^"\\]|\\.)*)"', head)
    if quoted is not None:
        return re.sub(r"\\(.)", r"\1", quoted[1])
    extended = re.search(rf"[;\s]{name}\*=(?:UTF-8|utf-8)'[^']*'([^;\s]*)", head)
    return unquote(extended[1], errors="replace") if extended is not None else ""


def _type_in(head: str) -> str | None:
    found = _TYPE.search(head)
    return found[1].lower() if found is not None else None


def _first(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(_shown(name), _shown(value))
    return found


def _shown(text: str) -> str:
    shown = shown_json(text)
    return shown if isinstance(shown, str) else ""
