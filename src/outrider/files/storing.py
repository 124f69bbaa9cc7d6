"""Files of a customer's own: their content is on disk, durably, before the row that names it is committed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from uuid import UUID

from outrider.core import log
from outrider.core.database.faults import faults_as_unavailable
from outrider.core.database.pools import Pool
from outrider.core.errors import NotFound, PayloadTooLarge, PlatformError, Unavailable, ValidationError
from outrider.core.ids import IdClock
from outrider.core.outgoing import FailureKind, HttpAnswer, HttpFailure, OutgoingHttp
from outrider.core.storable import storable_text
from outrider.core.turns import Turns
from outrider.events.appending import Appender
from outrider.events.values import Append, NewFile
from outrider.files import queries
from outrider.files.names import checked_mime_type, ending_for, safe_filename, told_mime_type
from outrider.files.storage import Content, ContentStorage
from outrider.files.values import FileSource, FileState, StoredFile
from outrider.platforms.base import LARGEST_FILE
from outrider.tenancy.actors import Actor, Scope

_FETCH_SECONDS = 30.0
# Contents are in memory while they come, as slowly as the other side likes: not many at once.
_FETCHES_AT_ONCE = 16
_FETCHES_AT_ONCE_EACH = 4
_TURN_SECONDS = 5.0
_LONGEST_GIVEN_NAME = 1_000
_LONGEST_URL = 4_096


@dataclass(frozen=True, slots=True)
class FilesContext:
    """What storing files needs of the process; `has_disk_space` is the appender's own check."""

    storage: ContentStorage
    appender: Appender
    ids: IdClock
    pool: Pool
    http: OutgoingHttp
    has_disk_space: Callable[[], bool]
    turns: Turns = field(
        default_factory=lambda: Turns(_FETCHES_AT_ONCE, _FETCHES_AT_ONCE_EACH, _TURN_SECONDS)
    )


async def store_file(
    context: FilesContext, actor: Actor, content: bytes, *, filename: str | None, mime_type: str | None = None
) -> StoredFile:
    """Store a file of 1 byte to 25 MB; an answer means that it is durable.

    The name loses its path and whatever cannot be shown; the type, if it is not given, follows from the name's ending.
    """
    actor.require(Scope.EVENTS_WRITE)
    _check_given(filename, mime_type)
    name = safe_filename(filename)
    return await _stored(context, actor, content, name, checked_mime_type(mime_type, name), FileSource.UPLOAD)


async def create_file_from_url(
    context: FilesContext,
    actor: Actor,
    url: str,
    *,
    filename: str | None = None,
    mime_type: str | None = None,
) -> StoredFile:
    """Fetch a file from where the caller says it is, and store it.

    Raises `PlatformError` if the other side does not give it, `ValidationError` for an address that is not fetched
    from.
    """
    actor.require(Scope.EVENTS_WRITE)
    _check_given(filename, mime_type)
    if len(url) > _LONGEST_URL:
        raise ValidationError(f"url may have at most {_LONGEST_URL} characters.", path="url")
    if mime_type is not None:
        checked_mime_type(mime_type, "")
    _check_room(context)
    async with context.turns.taken(
        actor.organisation_id, "Too many files are being fetched at once; try again."
    ):
        answer = await _fetched(context, url)
    told = answer.headers.get("Content-Type")
    name = safe_filename(filename or _name_in(url))
    kind = checked_mime_type(mime_type, name) if mime_type else told_mime_type(told, name)
    if filename is None and "." not in name:
        name += ending_for(kind)
    return await _stored(context, actor, answer.body, name, kind, FileSource.URL)


async def find_file(context: FilesContext, actor: Actor, file_id: UUID) -> StoredFile:
    """A file of the caller's application; raises `NotFound`."""
    actor.require(Scope.EVENTS_READ)
    return (await find_files(context.pool, actor.application_id, [file_id]))[0]


async def find_linked(pool: Pool, application_id: UUID, file_id: UUID) -> StoredFile | None:
    """The file that a link leads to: whoever holds one needs no other right."""
    return (await known_files(pool, application_id, [file_id])).get(file_id)


async def known_files(pool: Pool, application_id: UUID, file_ids: Sequence[UUID]) -> dict[UUID, StoredFile]:
    """Those of the files that the application has."""
    with faults_as_unavailable():
        return await queries.select_files(pool, application_id, file_ids)


async def find_files(pool: Pool, application_id: UUID, file_ids: Sequence[UUID]) -> list[StoredFile]:
    """Files in the order asked for; raises `NotFound` for the first that the application does not have."""
    found = await known_files(pool, application_id, file_ids)
    missing = next((file_id for file_id in file_ids if file_id not in found), None)
    if missing is not None:
        raise file_not_found(missing)
    return [found[file_id] for file_id in file_ids]


def file_not_found(file_id: UUID | None) -> NotFound:
    """The refusal for a file that is missing, or another application's."""
    return NotFound("File not found.", resource_type="File", resource_id=str(file_id))


async def put_content(storage: ContentStorage, content: bytes) -> Content:
    """Store a content; raises `Unavailable` where the disk does not take it."""
    try:
        return await storage.put(content)
    except OSError as fault:
        log.error("files.not_stored", outcome="failed", reason=f"{type(fault).__name__}: {fault}")
        raise Unavailable("The file could not be stored.") from fault


async def _stored(
    context: FilesContext, actor: Actor, content: bytes, filename: str, mime_type: str, source: FileSource
) -> StoredFile:
    if not content:
        raise ValidationError("The file is empty.", path="file")
    if len(content) > LARGEST_FILE:
        raise _too_large()
    _check_room(context)
    stored = await put_content(context.storage, content)
    file_id = context.ids.new()
    new = NewFile(file_id, filename, mime_type, stored.size, stored.sha256, source.value)
    await context.appender.append(Append(application_id=actor.application_id, event_id=file_id, files=(new,)))
    return StoredFile(file_id, filename, mime_type, stored.size, stored.sha256, FileState.READY, source)


def _check_given(filename: str | None, mime_type: str | None) -> None:
    for name, given in (("filename", filename), ("mimeType", mime_type)):
        if given is not None:
            storable_text(given, name=name)
            if len(given) > _LONGEST_GIVEN_NAME:
                raise ValidationError(f"{name} may have at most {_LONGEST_GIVEN_NAME} characters.", path=name)


def _check_room(context: FilesContext) -> None:
    if not (context.has_disk_space() and context.storage.has_room()):
        raise Unavailable("The disk is nearly full; nothing new is accepted.")


async def _fetched(context: FilesContext, url: str) -> HttpAnswer:
    answer = await context.http.request(
        "GET", url, timeout_s=_FETCH_SECONDS, purpose="file", max_response_bytes=LARGEST_FILE
    )
    match answer:
        case HttpFailure(kind=FailureKind.REFUSED_TARGET | FailureKind.INVALID_URL):
            raise ValidationError(f"The file cannot be fetched: {answer.detail}.", path="url")
        case HttpFailure():
            raise PlatformError("The file could not be fetched.", reason=answer.kind.value)
        case HttpAnswer(status=status) if not 200 <= status < 300:
            raise PlatformError(f"The file could not be fetched: the answer was {status}.", status=status)
        case HttpAnswer(truncated=True) if len(answer.body) >= LARGEST_FILE:
            raise _too_large()
        case HttpAnswer(truncated=True):
            raise PlatformError("The file could not be fetched: the connection was lost.")
        case HttpAnswer(body=b""):
            raise PlatformError("The file could not be fetched: the answer is empty.")
        case _:
            return answer


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(f"A file may have at most {LARGEST_FILE} bytes.", limit=LARGEST_FILE)


def _name_in(url: str) -> str:
    return unquote(urlsplit(url).path.rpartition("/")[2])
