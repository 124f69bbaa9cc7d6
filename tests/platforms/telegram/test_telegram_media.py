"""Files, places, contacts and reactions to Telegram, in parts that are resumed; and files from it."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from outrider.core.outgoing import OutgoingHttp
from outrider.platforms.base import (
    LARGEST_FILE,
    Channel,
    ConnectionContext,
    Deferred,
    FetchedFile,
    Outbound,
    OutboundFile,
    Outcome,
    Rejected,
    Sent,
)
from outrider.platforms.conformance_case import file_of
from outrider.platforms.telegram.adapter import TelegramAdapter
from tests.platforms.connections import connection_of, text_to
from tests.platforms.http_vendor import Asked, HttpVendor, Reply, http_vendor

TOKEN = "700100200:AAF-token_of_the_bot_000000000000001"


def _taken(message_id: int = 5) -> Reply:
    return Reply(
        200, {"ok": True, "result": {"message_id": message_id, "chat": {"id": 51, "type": "private"}}}
    )


@pytest.fixture
async def bot_api() -> AsyncGenerator[HttpVendor]:
    async with http_vendor(lambda _: _taken()) as vendor:
        yield vendor


@pytest.fixture
def connection(bot_api: HttpVendor) -> ConnectionContext:
    return connection_of(Channel.TELEGRAM, bot_token=TOKEN, api_base_url=bot_api.url)


def _file(mime_type: str = "image/png", filename: str = "a.png", size: int | None = None) -> OutboundFile:
    file = replace(file_of(filename, b"bytes"), mime_type=mime_type)
    return file if size is None else replace(file, size=size)


def _media(*files: OutboundFile, kind: str = "image", caption: str | None = "Look") -> Outbound:
    content: dict[str, object] = {"media": {"id": str(files[0].id)}, "type": kind}
    return replace(
        text_to("51"), content=content | ({"caption": caption} if caption else {}), files=tuple(files)
    )


def _methods(bot_api: HttpVendor) -> list[str]:
    return [asked.path.rpartition("/")[2] for asked in bot_api.asked]


@pytest.mark.parametrize(
    ("mime_type", "kind", "method", "field"),
    [
        ("image/png", "image", "sendPhoto", "photo"),
        ("image/gif", "image", "sendAnimation", "animation"),
        ("image/tiff", "image", "sendDocument", "document"),
        ("image/png", "document", "sendDocument", "document"),
        ("video/mp4", "video", "sendVideo", "video"),
        ("video/webm", "video", "sendDocument", "document"),
        ("audio/mpeg", "audio", "sendAudio", "audio"),
        ("audio/ogg", "audio", "sendVoice", "voice"),
        ("application/pdf", "document", "sendDocument", "document"),
    ],
)
async def test_a_file_is_uploaded_as_what_it_is(
    mime_type: str,
    kind: str,
    method: str,
    field: str,
    *,
    outgoing: OutgoingHttp,
    bot_api: HttpVendor,
    connection: ConnectionContext,
) -> None:
    outbound = _media(_file(mime_type, 'Grüße "1".bin'), kind=kind)

    assert await TelegramAdapter(outgoing).send(outbound, connection) == Sent("51:5")

    (asked,) = bot_api.asked
    assert asked.path.endswith(f"/{method}")
    assert asked.form == {"chat_id": 51, "caption": "Look", field: b"bytes"}
    assert 'filename="Grüße %221%22.bin"'.encode() in asked.body


async def test_a_photo_that_is_too_large_goes_as_a_document(
    outgoing: OutgoingHttp, bot_api: HttpVendor, connection: ConnectionContext
) -> None:
    await TelegramAdapter(outgoing).send(_media(_file(size=10_000_001)), connection)

    assert _methods(bot_api) == ["sendDocument"]


@pytest.mark.parametrize(
    ("content", "method", "parameters"),
    [
        (
            {"type": "location", "location": {"latitude": 1.5, "longitude": -2}},
            "sendLocation",
            {"latitude": 1.5, "longitude": -2},
        ),
        (
            {"type": "location", "location": {"latitude": 1, "longitude": 2, "address": "1 Quay"}},
            "sendVenue",
            {"latitude": 1, "longitude": 2, "title": "1 Quay", "address": "1 Quay"},
        ),
        (
            {"type": "contact", "contact": {"name": "Ada King Byron", "phone": "+1202"}},
            "sendContact",
            {"phone_number": "+1202", "first_name": "Ada", "last_name": "King Byron"},
        ),
    ],
)
async def test_places_and_contacts(
    content: dict[str, object],
    method: str,
    parameters: dict[str, object],
    *,
    outgoing: OutgoingHttp,
    bot_api: HttpVendor,
    connection: ConnectionContext,
) -> None:
    outbound = replace(text_to("51"), content=content)

    assert await TelegramAdapter(outgoing).send(outbound, connection) == Sent("51:5")
    assert _methods(bot_api) == [method]
    assert bot_api.asked[0].json == {"chat_id": 51, **parameters}


@pytest.mark.parametrize(("emoji", "wanted"), [("👍", [{"type": "emoji", "emoji": "👍"}]), ("", [])])
async def test_reactions_are_set_and_taken_back(
    emoji: str,
    wanted: list[object],
    *,
    outgoing: OutgoingHttp,
    bot_api: HttpVendor,
    connection: ConnectionContext,
) -> None:
    bot_api.reply_with(Reply(200, {"ok": True, "result": True}))
    content = {"type": "reaction", "reaction": {"emoji": emoji, "message_id": "51:41"}}
    outbound = replace(text_to("51"), content=content)

    outcome = await TelegramAdapter(outgoing).send(outbound, connection)

    assert outcome == Sent(f"reaction:{outbound.delivery_id}")
    assert bot_api.asked[0].json == {"chat_id": 51, "message_id": 41, "reaction": wanted}


async def test_a_reaction_to_what_telegram_does_not_know_is_rejected(
    outgoing: OutgoingHttp, bot_api: HttpVendor, connection: ConnectionContext
) -> None:
    content = {"type": "reaction", "reaction": {"emoji": "👍", "message_id": "wamid.x"}}

    outcome = await TelegramAdapter(outgoing).send(replace(text_to("51"), content=content), connection)

    assert isinstance(outcome, Rejected)
    assert bot_api.asked == []


async def test_the_first_part_is_the_reply(
    outgoing: OutgoingHttp, bot_api: HttpVendor, connection: ConnectionContext
) -> None:
    outbound = replace(_media(_file(), _file()), reply_to_external_id="51:40")

    await TelegramAdapter(outgoing).send(outbound, connection)

    reply = {"message_id": 40, "allow_sending_without_reply": True}
    assert [asked.form.get("reply_parameters") for asked in bot_api.asked] == [reply, None]


async def test_parts_go_out_in_order_and_are_recorded_before_the_next(
    outgoing: OutgoingHttp, bot_api: HttpVendor, connection: ConnectionContext
) -> None:
    bot_api.reply_with(_taken(1), _taken(2), _taken(3))
    recorded: list[tuple[int, str, int]] = []

    async def record(number: int, external_id: str) -> None:
        recorded.append((number, external_id, len(bot_api.asked)))

    outbound = replace(
        text_to("51", "All"), files=(_file(), _file("application/pdf", "b.pdf")), record_part=record
    )

    outcome = await TelegramAdapter(outgoing).send(outbound, connection)

    assert outcome == Sent("51:1", ("51:1", "51:2", "51:3"))
    assert _methods(bot_api) == ["sendMessage", "sendPhoto", "sendDocument"]
    assert recorded == [(0, "51:1", 1), (1, "51:2", 2)]


async def test_a_later_attempt_goes_on_at_the_first_unsent_part(
    outgoing: OutgoingHttp, bot_api: HttpVendor, connection: ConnectionContext
) -> None:
    bot_api.reply_with(_taken(1), Reply(500, {"ok": False, "error_code": 500, "description": "Internal"}))
    outbound = _media(_file(), _file("application/pdf", "b.pdf"))
    adapter = TelegramAdapter(outgoing)

    first = await adapter.send(outbound, connection)
    bot_api.reply_with(_taken(2))
    second = await adapter.send(replace(outbound, sent_parts=("51:1",), attempt=2), connection)

    assert isinstance(first, Deferred)
    assert second == Sent("51:1", ("51:1", "51:2"))
    assert _methods(bot_api) == ["sendDocument"]


async def test_without_time_for_another_part_the_message_waits_for_its_next_attempt(
    outgoing: OutgoingHttp, bot_api: HttpVendor, connection: ConnectionContext
) -> None:
    adapter = TelegramAdapter(outgoing, attempt_seconds=1.4)

    outcome: Outcome = await adapter.send(_media(_file(), _file()), connection)

    assert isinstance(outcome, Deferred)
    assert outcome.retry_after == 1.0
    assert len(bot_api.asked) == 1


# From Telegram.


def _serving(content: bytes, path: str = "photos/file 1.jpg") -> Any:
    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/getFile"):
            return Reply(200, {"ok": True, "result": {"file_id": "f", "file_path": path}})
        return Reply(200, content, {"content-type": "application/octet-stream"})

    return answer


async def test_a_file_is_asked_for_and_downloaded(
    outgoing: OutgoingHttp, bot_api: HttpVendor, connection: ConnectionContext
) -> None:
    bot_api.answer = _serving(b"jpeg")

    fetched = await TelegramAdapter(outgoing).fetch_file({"file_id": "f"}, connection)

    assert fetched == FetchedFile(b"jpeg")
    assert bot_api.asked[0].json == {"file_id": "f"}
    assert bot_api.asked[1].path == f"/file/bot{TOKEN}/photos/file%201.jpg"


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (
            Reply(400, {"ok": False, "error_code": 400, "description": "Bad Request: file is too big"}),
            Rejected,
        ),
        (Reply(200, {"ok": True, "result": {}}), Rejected),
        (Reply(401, {"ok": False, "error_code": 401, "description": "Unauthorized"}), Deferred),
        (Reply(500, b""), Deferred),
        (Reply(200, b"<html>"), Deferred),
    ],
)
async def test_files_that_are_not_given(
    reply: Reply, outcome: type, outgoing: OutgoingHttp, bot_api: HttpVendor, connection: ConnectionContext
) -> None:
    bot_api.reply_with(reply)

    assert isinstance(await TelegramAdapter(outgoing).fetch_file({"file_id": "f"}, connection), outcome)


async def test_a_file_that_is_larger_than_it_should_be_is_not_read_whole(
    outgoing: OutgoingHttp, bot_api: HttpVendor, connection: ConnectionContext
) -> None:
    bot_api.answer = _serving(bytes(LARGEST_FILE + 1))

    assert isinstance(await TelegramAdapter(outgoing).fetch_file({"file_id": "f"}, connection), Rejected)
