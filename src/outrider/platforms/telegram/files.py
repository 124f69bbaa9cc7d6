"""Files that people sent to a bot: `getFile` tells where one lies for the next hour, then it is downloaded."""

import time
from collections.abc import Mapping
from typing import Final

from outrider.core.outgoing import HttpAnswer, HttpFailure
from outrider.platforms.base import (
    FETCH_SECONDS,
    LARGEST_FILE,
    Deferred,
    FailureCode,
    FetchedFile,
    InDoubt,
    Rejected,
)
from outrider.platforms.telegram.answers import Done, Moved, meaning_of
from outrider.platforms.telegram.client import Bot, call, download
from outrider.platforms.vendor_http import VendorHttp
from outrider.platforms.vendor_json import as_object, as_text

_MARGIN_SECONDS: Final = 1.0
_ASK_SECONDS: Final = 10.0


async def fetch(
    http: VendorHttp, bot: Bot, reference: Mapping[str, object]
) -> FetchedFile | Rejected | Deferred:
    """Fetch a file by the id that came with its message."""
    give_up_at = time.monotonic() + FETCH_SECONDS - _MARGIN_SECONDS
    file_id = as_text(reference.get("file_id"))
    if file_id is None:
        return Rejected(FailureCode.UNKNOWN, "the message named no file")
    path = await _path_of(http, bot, file_id)
    if not isinstance(path, str):
        return path
    return _content_of(await download(http, bot, path, give_up_at - time.monotonic(), LARGEST_FILE))


async def _path_of(http: VendorHttp, bot: Bot, file_id: str) -> str | Rejected | Deferred:
    answer = await call(http, bot, "getFile", {"file_id": file_id}, _ASK_SECONDS)
    if isinstance(answer, HttpFailure):
        return Deferred(None, f"not reached: {answer.kind}")
    match meaning_of(answer, bot):
        case Done(result):
            path = as_text(as_object(result).get("file_path"))
            return path or Rejected(FailureCode.UNKNOWN, "the Bot API does not give this file")
        case Rejected() | Deferred() as problem:
            return problem
        case InDoubt(detail):
            return Deferred(None, detail)
        case Moved():
            return Deferred(None, "the answer makes no sense")


def _content_of(answer: HttpAnswer | HttpFailure) -> FetchedFile | Rejected | Deferred:
    match answer:
        case HttpFailure(kind=kind):
            return Deferred(None, f"no answer: {kind}")
        case HttpAnswer(status=200, truncated=False):
            return FetchedFile(answer.body)
        case HttpAnswer(status=200) if len(answer.body) >= LARGEST_FILE:
            return Rejected(FailureCode.CONTENT_REJECTED, f"the file has more than {LARGEST_FILE} bytes")
        case HttpAnswer(status=200):
            return Deferred(None, "the connection was lost")
        case HttpAnswer(status=status):
            return Deferred(None, f"the download was answered with {status}")
