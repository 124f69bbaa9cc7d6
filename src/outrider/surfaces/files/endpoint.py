"""`GET /files/{id}?…`: the content of a file for whoever holds a link to it, streamed.

200 with the content; 404 for anything that is not a whole link of ours to a file that is there, all alike; 410 for a
link whose time is over; 503 while the file is yet to be fetched from its platform, or the database cannot be asked.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import BinaryIO, Final
from urllib.parse import quote
from uuid import UUID

import orjson

from outrider.core import log
from outrider.core.asgi import Receive, Scope, Send, respond
from outrider.core.errors import AppError
from outrider.core.metrics import Metrics
from outrider.files.links import BadLink, FileLinks
from outrider.files.storage import ContentStorage
from outrider.files.values import FileState, StoredFile

PREFIX: Final = "/files/"
_METHODS: Final = ("GET", "HEAD")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9 !#$&+.^_`|~()\[\]{}=@,;-]+")
# A browser shows these by itself, and no script in them runs; all else it is told to save.
_SHOWN: Final = re.compile(
    r"image/(png|jpeg|gif|webp|avif|bmp)|(audio|video)/[a-z0-9.+-]+|application/pdf|text/plain"
)
_POLICY: Final = (
    b"content-security-policy",
    b"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
)
_PDF: Final = "application/pdf"
_SAFETY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"referrer-policy", b"no-referrer"),
)
Find = Callable[[UUID, UUID], Awaitable[StoredFile | None]]


class FilesEndpoint:
    """The ASGI endpoint; `find` looks a file up in its application."""

    def __init__(self, *, links: FileLinks, storage: ContentStorage, find: Find, metrics: Metrics) -> None:
        self._links = links
        self._storage = storage
        self._find = find
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        try:
            status = await self._answer(scope, send)
        except AppError as error:
            log.warning("file.refused", outcome="refused", code=error.code, reason=error.message)
            status = await _refuse(send, 503, error.code, "Try again.", (b"retry-after", b"1"))
        self._metrics.http_requests_total.add("files", str(status))

    async def _answer(self, scope: Scope, send: Send) -> int:
        if scope["method"] not in _METHODS:
            return await _refuse(
                send, 405, "METHOD_NOT_ALLOWED", "A file is read with GET.", (b"allow", b"GET, HEAD")
            )
        query = scope["query_string"].decode("latin-1")
        target = self._links.read(str(scope["path"]).removeprefix(PREFIX), query)
        if target is BadLink.EXPIRED:
            return await _refuse(send, 410, "GONE", "This link has expired.")
        if isinstance(target, BadLink):
            return await _missing(send)
        found = await self._find(target.application_id, target.file_id)
        if found is None or found.state is FileState.FAILED:
            return await _missing(send)
        if found.sha256 is None:
            return await _refuse(
                send, 503, "UNAVAILABLE", "The file is yet to be fetched.", (b"retry-after", b"1")
            )
        try:
            content = await self._storage.opened(found.sha256)
        except OSError as fault:
            log.error("file.unreadable", outcome="failed", file_id=found.id, reason=type(fault).__name__)
            return await _missing(send)
        with content:
            await self._stream(send, found, content, is_wanted=scope["method"] == "GET")
        return 200

    async def _stream(self, send: Send, file: StoredFile, content: BinaryIO, *, is_wanted: bool) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _headers(file)})
        if is_wanted:
            async with aclosing(self._storage.chunks(content)) as chunks:
                async for chunk in chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _headers(file: StoredFile) -> list[tuple[bytes, bytes]]:
    kind = file.mime_type + ("; charset=utf-8" if file.mime_type == "text/plain" else "")
    return [
        (b"content-type", kind.encode()),
        (b"content-length", str(file.size).encode()),
        (b"content-disposition", disposition(file.filename, file.mime_type).encode()),
        (b"cache-control", b"private, max-age=3600, immutable"),
        # a browser's own viewer of PDF does not open inside a sandbox, and is one itself
        *(() if file.mime_type == _PDF else (_POLICY,)),
        *_SAFETY,
    ]


def disposition(filename: str, mime_type: str) -> str:
    """How a browser treats a file and what it calls it; a name beyond ASCII is also written as RFC 6266 has it."""
    way = "inline" if _SHOWN.fullmatch(mime_type) else "attachment"
    if _PLAIN_NAME.fullmatch(filename):
        return f'{way}; filename="{filename}"'
    plain = "".join(one if _PLAIN_NAME.fullmatch(one) else "_" for one in filename)
    return f"{way}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


async def _missing(send: Send) -> int:
    return await _refuse(send, 404, "NOT_FOUND", "There is no such file.")


async def _refuse(send: Send, status: int, code: str, message: str, *headers: tuple[bytes, bytes]) -> int:
    body = orjson.dumps({"error": {"code": code, "message": message, "details": {}}})
    await respond(send, status, body, headers=[*headers, (b"cache-control", b"no-store")])
    return status
