"""Files that come with a submitted message: their content is on disk, durably, before anything names it."""

from collections.abc import Sequence
from typing import Final

from outrider.core.errors import Unavailable, ValidationError
from outrider.core.storable import storable_text
from outrider.events.values import NewFile
from outrider.files.names import safe_filename, told_mime_type
from outrider.files.storing import FilesContext, put_content
from outrider.files.values import FileSource
from outrider.messaging.contents import MOST_FILES
from outrider.messaging.submissions.addressing import refuse_controls
from outrider.messaging.submissions.values import Attachment, SubmitRequest
from outrider.platforms.base import LARGEST_FILE, Capability, Manifest

_PATH: Final = "attachments[]"


async def stored_attachments(
    context: FilesContext, manifest: Manifest, request: SubmitRequest
) -> Sequence[NewFile]:
    """Check the files and store their content; their rows are the message's to append."""
    given = request.attachments
    if not given:
        return ()
    if Capability.SEND_MEDIA not in manifest.capabilities:
        raise ValidationError(f"{manifest.label} cannot send files.", path=_PATH)
    if len(given) > MOST_FILES:
        raise ValidationError(f"At most {MOST_FILES} files go with one message.", path=_PATH)
    for one in given:
        _check(one)
    total, limit = sum(len(one.content) for one in given), manifest.attachments_limit
    if limit is not None and total > limit:
        raise ValidationError(
            f"The files have {total} bytes; {manifest.label} takes at most {limit}.", path=_PATH
        )
    if not (context.has_disk_space() and context.storage.has_room()):
        raise Unavailable("The disk is nearly full; nothing new is accepted.")
    return [await _stored(context, one) for one in given]


def _check(one: Attachment) -> None:
    if one.filename is not None:
        refuse_controls(storable_text(one.filename, name=_PATH), _PATH)
    if not one.content:
        raise ValidationError("A file is empty.", path=_PATH)
    if len(one.content) > LARGEST_FILE:
        raise ValidationError(f"A file may have at most {LARGEST_FILE} bytes.", path=_PATH)


async def _stored(context: FilesContext, one: Attachment) -> NewFile:
    name = safe_filename(one.filename)
    content = await put_content(context.storage, one.content)
    return NewFile(
        context.ids.new(),
        name,
        told_mime_type(one.mime_type, name),
        content.size,
        content.sha256,
        FileSource.UPLOAD.value,
    )
