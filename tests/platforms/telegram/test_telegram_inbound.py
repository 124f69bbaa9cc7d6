"""Telegram's updates: text becomes messages, everything else is kept raw."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from outrider.core.outgoing import OutgoingHttp
from outrider.platforms.base import Channel, InboundMessage, InboundRequest, Sender, Unrecognised
from outrider.platforms.telegram.adapter import TelegramAdapter
from outrider.platforms.telegram.inbound import SECRET_TOKEN_HEADER, parse_webhook
from tests.platforms.connections import connection_of
from tests.platforms.telegram.updates import CHANNEL, GROUP, PERSON, message, text_update

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


def test_a_caption_counts_as_text() -> None:
    photo = [{"file_id": "a", "file_unique_id": "b", "width": 1, "height": 1}]

    assert _message(text_update(text=None, photo=photo, caption="The quay")).content["text"] == "The quay"


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
        ({"update_id": 7, "message_reaction": {"message_id": 41}}, "update of kind message_reaction"),
        ({"update_id": 7, "invented_in_2031": {}}, "update of kind invented_in_2031"),
        ({"update_id": 7}, "update of kind nothing"),
        ({"update_id": 7, "message": []}, "update of kind message"),
        (text_update(text=None, location={"latitude": 1, "longitude": 2}), "message without text"),
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

    assert TelegramAdapter(outgoing).verify(InboundRequest(headers, b"{}"), connection) is is_authentic


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
    spoken = raw.get("message", {}).get("text") or raw.get("message", {}).get("caption")
    if expected["kind"] != "message" or not spoken:
        assert isinstance(item, Unrecognised)
        return
    assert isinstance(item, InboundMessage)
    assert item.content["text"] == expected.get("text", spoken)
    assert item.sender.external_id == expected["sender"]
    assert item.conversation == expected["conversation"]
    assert item.external_id == expected["external_id"]
    assert item.written_at == datetime.fromisoformat(expected["ts"])
    reply_to = expected.get("reply_to")
    assert item.reply_to_external_id == (reply_to and f"{expected['conversation']}:{reply_to}")
