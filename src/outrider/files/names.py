"""What files are called and of which type they are: names that are safe anywhere, types that a header can carry."""

import mimetypes
import re
from typing import Final

from outrider.core.errors import ValidationError
from outrider.core.storable import shown_json

LONGEST_FILENAME: Final = 255
LONGEST_MIME_TYPE: Final = 127
UNNAMED: Final = "file"
OCTETS: Final = "application/octet-stream"

_PATHS: Final = re.compile(r"[/\\]")
# Controls, and the marks that change the direction of writing: they disguise the end of a name.
_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)
_FORBIDDEN: Final = re.compile(r'[<>:"|?*]')
_MIME_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")
# A table of our own: what the machine's says would differ between processes.
_KNOWN: Final = mimetypes.MimeTypes(filenames=())
for _type, _ending in (
    ("image/webp", ".webp"),
    ("audio/ogg", ".oga"),
    ("audio/ogg", ".ogg"),
    ("image/heic", ".heic"),
):
    _KNOWN.add_type(_type, _ending)


def safe_filename(given: str | None) -> str:
    """The last part of a name or path, without what could not be shown or stored; never empty."""
    shown = shown_json(given or "")
    name = _PATHS.split(shown if isinstance(shown, str) else "")[-1]
    name = _FORBIDDEN.sub("_", _UNSEEN.sub("", name)).strip().strip(".").strip()
    return _shortened(name) or UNNAMED


def checked_mime_type(given: str | None, filename: str) -> str:
    """The type as given, without parameters, or what the name's ending says; raises `ValidationError`."""
    if given is None or not given.strip():
        return guessed_mime_type(filename)
    mime_type = given.split(";")[0].strip().lower()
    if len(mime_type) > LONGEST_MIME_TYPE or not _MIME_TYPE.fullmatch(mime_type):
        raise ValidationError("mimeType must look like image/png.", path="mimeType")
    return mime_type


def told_mime_type(told: str | None, filename: str) -> str:
    """The type as another server tells it, or what the name's ending says; never refuses."""
    try:
        mime_type = checked_mime_type(told, filename)
    except ValidationError:
        return guessed_mime_type(filename)
    return guessed_mime_type(filename) if mime_type == OCTETS else mime_type


def guessed_mime_type(filename: str) -> str:
    """What a name's ending says."""
    guessed, encoding = _KNOWN.guess_type(f"x/{filename}")
    return guessed if guessed is not None and encoding is None else OCTETS


def ending_for(mime_type: str) -> str:
    """The usual ending of names of a type, with its dot; nothing for an unknown one."""
    usual = {
        "image/jpeg": ".jpg",
        "audio/ogg": ".ogg",
        "audio/mpeg": ".mp3",
        "text/plain": ".txt",
        OCTETS: "",
    }
    return usual.get(mime_type, _KNOWN.guess_extension(mime_type) or "")


def _shortened(name: str) -> str:
    """At most so many bytes as any file system takes, the ending kept."""
    if len(name.encode()) <= LONGEST_FILENAME:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 16:
        stem, ending = name, ""
    tail = f"{dot}{ending}" if ending else ""
    room = LONGEST_FILENAME - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore") + tail
