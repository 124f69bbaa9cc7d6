"""Telegram's updates: what people say and react becomes items, everything else is kept raw."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from outrider.core.outgoing import OutgoingHttp
from outrider.platforms.base import (
    Channel,
    InboundFile,
    InboundMessage,
    InboundReaction,
    InboundRequest,
    Sender,
    Unrecognised,
)
from outrider.platforms.telegram.adapter import TelegramAdapter
from outrider.platforms.telegram.inbound import SECRET_TOKEN_HEADER, parse_webhook
from tests.platforms.connections import connection_of
from tests.platforms.telegram.updates import CHANNEL, GROUP, PERSON, message, reaction_update, text_update

SHARED = os.environ.get("OUTRIDER_SHARED")


def _parse(update: object) -> InboundMessage | Unrecognised:
    (item,) = parse_webhook(json.dumps(update).encode()).items
    assert isinstance(item, InboundMessage | Unrecognised)
    return item


def _message(update: object) -> InboundMessage:
    item = _parse(update)
    assert isinstance(item, InboundMessage)
    return item


def test_a_text_in_a_private_chat() -> None:
    assert _message(text_update()) == InboundMessage(
        dedupe_key="update:7",
        external_id="51:41",
        sender=Sender("51", "Ines Okafor"),
        conversation="51",
        content={"type": "text", "text": "When does the ferry leave?", "role": "user"},
        written_at=datetime(2026, 11, 20, 10, 20, tzinfo=UTC),
    )


def test_a_text_in_a_group_is_answered_to_the_group() -> None:
    item = _message(text_update(chat=GROUP))

    assert (item.external_id, item.conversation) == ("-100987654321:41", "-100987654321")
    assert item.sender.external_id == "51"


def test_a_channel_post_is_written_by_its_channel() -> None:
    post = message(chat=CHANNEL, sender_chat=CHANNEL, **{"from": None})

    item = _message({"update_id": 7, "channel_post": post})

    assert item.sender == Sender("-100555", "Tide tables")
    assert item.conversation == "-100555"


def test_an_admin_who_writes_in_the_groups_name_is_the_group() -> None:
    stand_in = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}

    item = _message(text_update(chat=GROUP, sender_chat=GROUP, **{"from": stand_in}))

    assert item.sender == Sender("-100987654321", "Harbour crew")


@pytest.mark.parametrize(
    ("person", "name"),
    [
        ({"id": 1, "first_name": "Ada"}, "Ada"),
        ({"id": 1, "last_name": "Byron"}, "Byron"),
        ({"id": 1, "username": "ada"}, "ada"),
        ({"id": 1, "first_name": "  "}, None),
        ({"id": 1, "first_name": 7}, None),
        ({"id": 1}, None),
        ({"id": 1, "first_name": "x" * 400}, "x" * 255),
    ],
)
def test_a_senders_name_is_what_there_is_of_it(person: dict[str, Any], name: str | None) -> None:
    assert _message(text_update(**{"from": person})).sender == Sender("1", name)


def test_a_caption_without_what_it_stands_under_counts_as_text() -> None:
    assert _message(text_update(text=None, caption="The quay")).content["text"] == "The quay"


@pytest.mark.parametrize(
    ("sent", "kind", "file"),
    [
        (
            {"photo": [{"file_id": "s", "width": 90}, {"file_id": "l", "width": 800, "file_size": 9}]},
            "image",
            InboundFile({"file_id": "l"}, None, "image/jpeg", 9),
        ),
        (
            {"video": {"file_id": "v", "file_name": "a.mp4", "mime_type": "video/mp4"}},
            "video",
            InboundFile({"file_id": "v"}, "a.mp4", "video/mp4", None),
        ),
        (
            {"animation": {"file_id": "g"}, "document": {"file_id": "d"}},
            "video",
            InboundFile({"file_id": "g"}, None, "video/mp4", None),
        ),
        ({"video_note": {"file_id": "n"}}, "video", InboundFile({"file_id": "n"}, None, "video/mp4", None)),
        ({"audio": {"file_id": "a"}}, "audio", InboundFile({"file_id": "a"}, None, "audio/mpeg", None)),
        ({"voice": {"file_id": "o"}}, "audio", InboundFile({"file_id": "o"}, None, "audio/ogg", None)),
        ({"document": {"file_id": "d"}}, "document", InboundFile({"file_id": "d"}, None, None, None)),
        ({"sticker": {"file_id": "w"}}, "image", InboundFile({"file_id": "w"}, None, "image/webp", None)),
        (
            {"sticker": {"file_id": "t", "is_animated": True}},
            "document",
            InboundFile({"file_id": "t"}, None, "application/x-tgsticker", None),
        ),
    ],
)
def test_media_names_its_file(sent: dict[str, Any], kind: str, file: InboundFile) -> None:
    item = _message(text_update(text=None, caption="Look", **sent))

    assert item.content == {"type": kind, "caption": "Look", "role": "user"}
    assert item.files == (file,)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (
            {"location": {"latitude": 1.5, "longitude": -2}},
            {"type": "location", "location": {"latitude": 1.5, "longitude": -2}},
        ),
        (
            {
                "venue": {"title": "Pier", "address": "1 Quay", "location": {"latitude": 1, "longitude": 2}},
                "location": {"latitude": 1, "longitude": 2},
            },
            {
                "type": "location",
                "location": {"latitude": 1, "longitude": 2, "name": "Pier", "address": "1 Quay"},
            },
        ),
        (
            {"contact": {"phone_number": "+1202", "first_name": "Ada", "last_name": "Byron"}},
            {"type": "contact", "contact": {"name": "Ada Byron", "phone": "+1202"}},
        ),
    ],
)
def test_places_and_contacts(sent: dict[str, Any], said: dict[str, Any]) -> None:
    assert _message(text_update(text=None, **sent)).content == {**said, "role": "user"}


@pytest.mark.parametrize(
    ("now", "before", "emoji"),
    [
        (("👍",), (), "👍"),
        (("❤",), ("👍",), "❤"),
        (("👍", "🔥"), ("👍",), "🔥"),
        (("👍",), ("👍", "🔥"), "👍"),
        ((), ("👍",), ""),
    ],
)
def test_a_reaction_says_what_is_there_now(now: tuple[str, ...], before: tuple[str, ...], emoji: str) -> None:
    (item,) = parse_webhook(json.dumps(reaction_update(*now, before=before)).encode()).items

    assert item == InboundReaction("update:15", "51:41", Sender("51", "Ines Okafor"), "51", emoji)


def test_reactions_of_channels_and_of_other_kinds() -> None:
    told = reaction_update(
        user=None,
        actor_chat=CHANNEL,
        chat=GROUP,
        new_reaction=[{"type": "custom_emoji", "custom_emoji_id": "5"}, {"type": "paid"}],
    )

    (item,) = parse_webhook(json.dumps(told).encode()).items

    assert isinstance(item, InboundReaction)
    assert (item.sender.external_id, item.conversation) == ("-100555", "-100987654321")
    assert item.emoji == "custom_emoji:5"


def test_a_reply_names_what_it_answers() -> None:
    assert _message(text_update(reply_to_message=message(message_id=12))).reply_to_external_id == "51:12"


def test_the_opening_of_a_topic_is_not_answered() -> None:
    opening = message(message_id=2, chat=GROUP, text=None, forum_topic_created={"name": "Repairs"})

    assert _message(text_update(chat=GROUP, reply_to_message=opening)).reply_to_external_id is None


@pytest.mark.parametrize("date", [0, -5, None, "1795170000", True, 10**30])
def test_a_date_that_is_none_reads_as_absent(date: object) -> None:
    assert _message(text_update(date=date)).written_at is None


def test_without_update_id_the_message_itself_is_the_key() -> None:
    assert _message({"message": message()}).dedupe_key == "message:51:41"


@pytest.mark.parametrize(
    ("update", "note"),
    [
        ({"update_id": 7, "edited_message": message()}, "update of kind edited_message"),
        ({"update_id": 7, "callback_query": {"id": "1", "from": PERSON}}, "update of kind callback_query"),
        (
            {"update_id": 7, "message_reaction": {"message_id": 41}},
            "message_reaction without sender, chat or message_id",
        ),
        ({"update_id": 7, "invented_in_2031": {}}, "update of kind invented_in_2031"),
        ({"update_id": 7}, "update of kind nothing"),
        ({"update_id": 7, "message": []}, "update of kind message"),
        (text_update(text=None, location={"latitude": 91, "longitude": 2}), "message without text"),
        (text_update(text=None, photo=[{"width": 1}], video={"file_id": 7}), "message without text"),
        (text_update(text=None, poll={"question": "?"}), "message without text"),
        (text_update(text=None), "message without text"),
        (text_update(message_id=None), "message without sender, chat or message_id"),
        (text_update(chat=None), "message without sender, chat or message_id"),
        (text_update(**{"from": {"first_name": "Nobody"}}), "message without sender, chat or message_id"),
    ],
)
def test_everything_else_is_unrecognised_with_its_kind(update: object, note: str) -> None:
    assert _parse(update) == Unrecognised("update:7", note)


@pytest.mark.parametrize("body", [b"", b"hello", b"[]", b'"x"', b"\xff\xfe", b"{"])
def test_what_is_no_update_has_no_key(body: bytes) -> None:
    (item,) = parse_webhook(body).items

    assert isinstance(item, Unrecognised)
    assert item.dedupe_key is None


def test_nul_and_half_pairs_are_shown_as_replacement_characters() -> None:
    update = text_update(text="a\x00b \ud83d c", **{"from": {**PERSON, "first_name": "I\x00nes"}})

    item = _message(update)

    assert item.content["text"] == "a\ufffdb \ufffd c"
    assert item.sender.name == "I\ufffdnes Okafor"


@pytest.mark.parametrize(("header", "is_authentic"), [(None, True), ("anything", True), ("\udcff", True)])
async def test_without_a_secret_token_the_path_secret_is_enough(
    header: str | None, is_authentic: bool, outgoing: OutgoingHttp
) -> None:
    headers = {} if header is None else {SECRET_TOKEN_HEADER: header}
    connection = connection_of(Channel.TELEGRAM, bot_token="1:A")

    assert await TelegramAdapter(outgoing).verify(InboundRequest(headers, b"{}"), connection) is is_authentic


def _samples() -> list[str]:
    if SHARED is None:
        return []
    return sorted(path.name for path in (Path(SHARED) / "samples" / "telegram").glob("*.json"))


@pytest.mark.skipif(SHARED is None, reason="OUTRIDER_SHARED does not say where the sample webhooks are")
@pytest.mark.parametrize("name", _samples())
def test_the_samples_read_as_expected(name: str) -> None:
    samples = Path(SHARED or "") / "samples"
    (expected,) = json.loads((samples / "expected.json").read_text())[f"telegram/{name}"]
    raw = json.loads((samples / "telegram" / name).read_text())

    item = _parse(raw)

    assert item.dedupe_key == f"update:{expected['update_id']}"
    if expected["kind"] != "message":
        assert isinstance(item, Unrecognised)
        return
    assert isinstance(item, InboundMessage)
    kinds = {"sticker": "image", "voice": "audio"}
    assert item.content["type"] == kinds.get(expected["type"], expected["type"])
    assert item.content.get("text", item.content.get("caption")) == expected.get("text")
    assert [file.reference["file_id"] for file in item.files] == [
        one["id"] for one in expected.get("media", [])
    ]
    for file, one in zip(item.files, expected.get("media", []), strict=True):
        assert (file.filename, file.size) == (one.get("name"), one["size"])
        assert "mime" not in one or file.mime_type == one["mime"]
    assert item.sender.external_id == expected["sender"]
    assert item.conversation == expected["conversation"]
    assert item.external_id == expected["external_id"]
    assert item.written_at == datetime.fromisoformat(expected["ts"])
    reply_to = expected.get("reply_to")
    assert item.reply_to_external_id == (reply_to and f"{expected['conversation']}:{reply_to}")
