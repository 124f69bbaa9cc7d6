"""The sandbox's own webhook format."""

from datetime import UTC, datetime

import orjson
import pytest

from outrider.platforms.base import (
    FailureCode,
    InboundMessage,
    Sender,
    Unrecognised,
)
from outrider.platforms.receipts import InboundReceipt, ReceiptState
from outrider.platforms.sandbox.inbound import parse_webhook


def _parse(document: object) -> tuple[object, ...]:
    return parse_webhook(orjson.dumps(document)).items


def test_a_message_needs_only_sender_and_text() -> None:
    (message,) = _parse({"messages": [{"from": "+12025550177", "text": "Hello"}]})

    assert isinstance(message, InboundMessage)
    assert message.sender == Sender("+12025550177")
    assert message.conversation == "+12025550177"
    assert message.content == {"type": "text", "text": "Hello", "role": "user"}
    assert message.written_at is None


def test_everything_a_message_may_say() -> None:
    (message,) = _parse(
        {
            "messages": [
                {
                    "id": 12,
                    "from": "ada",
                    "name": " Ada ",
                    "text": "Hello",
                    "conversation": "team",
                    "sent_at": "2026-11-20T11:00:00.250+01:00",
                    "reply_to": "sbx_1",
                }
            ]
        }
    )

    assert message == InboundMessage(
        dedupe_key="message:12",
        external_id="12",
        sender=Sender("ada", "Ada"),
        conversation="team",
        content={"type": "text", "text": "Hello", "role": "user"},
        written_at=datetime(2026, 11, 20, 10, 0, 0, 250000, UTC),
        reply_to_external_id="sbx_1",
    )


def test_messages_without_id_are_new_each_time_and_with_id_the_same() -> None:
    without, with_id = (
        {"messages": [{"from": "a", "text": "t"}]},
        {"messages": [{"id": "1", "from": "a", "text": "t"}]},
    )

    assert _parse(without) != _parse(without)
    assert _parse(with_id) == _parse(with_id)


def test_receipts_without_id_are_the_same_for_one_message_and_state() -> None:
    receipt = {"message_id": "sbx_1", "state": "read", "at": "2026-11-20T10:00:00"}

    (first,) = _parse({"receipts": [receipt]})

    assert first == InboundReceipt(
        "receipt:read:sbx_1", "sbx_1", ReceiptState.READ, datetime(2026, 11, 20, 10, tzinfo=UTC)
    )


def test_a_failed_receipt_says_why() -> None:
    (receipt,) = _parse({"receipts": [{"id": "r", "message_id": "m", "state": "failed", "error": "full"}]})

    assert isinstance(receipt, InboundReceipt)
    assert (receipt.code, receipt.detail) == (FailureCode.UNKNOWN, "full")


@pytest.mark.parametrize(
    "document",
    [
        [],
        "text",
        None,
        {},
        {"message": {"from": "a", "text": "t"}},
        {"messages": [{"from": "a"}]},
        {"messages": [{"text": "t", "from": ""}]},
        {"messages": ["t"]},
        {"messages": [{"from": "x" * 256, "text": "t"}]},
        {"receipts": [{"message_id": "m"}]},
        {"receipts": [{"message_id": "m", "state": "eaten"}]},
        {"receipts": [{"message_id": "m", "state": ["read"]}]},
    ],
)
def test_what_is_not_the_format_is_kept_as_unrecognised(document: object) -> None:
    (item,) = _parse(document)

    assert isinstance(item, Unrecognised)
    assert item.note


def test_a_bad_entry_spoils_no_other() -> None:
    items = _parse({"messages": [{"from": "a"}, {"from": "a", "text": "t"}], "receipts": [7]})

    assert [type(item) for item in items] == [Unrecognised, InboundMessage, Unrecognised]


def test_an_empty_list_says_nothing() -> None:
    assert _parse({"messages": []}) == ()


def test_nul_and_half_pairs_are_shown_as_replacement_characters() -> None:
    body = b'{"messages":[{"id":"a\\u0000","from":"b\\ud83d","text":"raw\x00 \\udc4b!"}]}'

    (message,) = parse_webhook(body).items

    assert isinstance(message, InboundMessage)
    assert (message.external_id, message.sender.external_id) == ("a\ufffd", "b\ufffd")
    assert message.content["text"] == "raw\ufffd \ufffd!"
