"""Files that come in through the sandbox: their bytes stand in the webhook, or the sandbox makes some of its own."""

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from outrider.platforms.base import Deferred, FailureCode, FetchedFile, InboundFile, JsonObject, Rejected
from outrider.platforms.vendor_json import as_name, as_text

MEDIA_KINDS: Final = ("image", "video", "audio", "document")
# One grey pixel: what an image is when nobody has given another.
_PIXEL: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
_OWN_TYPES: Final = {
    "image": "image/png",
    "video": "video/mp4",
    "audio": "audio/ogg",
    "document": "text/plain",
}


def inbound_file(kind: str, media: JsonObject) -> InboundFile:
    """A file of a webhook's entry, read leniently."""
    given = as_text(media.get("base64"))
    reference: JsonObject = {"kind": kind}
    if given is not None:
        reference["base64"] = given
    if media.get("missing") is True:
        reference["missing"] = True
    mime_type = as_text(media.get("mime_type"))
    return InboundFile(
        reference,
        filename=as_name(media.get("filename")),
        mime_type=mime_type or (None if given is not None else _OWN_TYPES[kind]),
    )


def fetched_file(reference: Mapping[str, object]) -> FetchedFile | Rejected | Deferred:
    """The bytes of a file, or why there are none."""
    if reference.get("missing") is True:
        return Rejected(FailureCode.UNKNOWN, "the sandbox has no such file")
    given = reference.get("base64")
    if not isinstance(given, str):
        kind = str(reference.get("kind"))
        return FetchedFile(_PIXEL if kind == "image" else f"A {kind} of the sandbox.\n".encode())
    try:
        return FetchedFile(base64.b64decode(given, validate=True))
    except (binascii.Error, ValueError):
        return Rejected(FailureCode.CONTENT_REJECTED, "the bytes are not base64")
