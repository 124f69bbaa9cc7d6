"""What SNS posts of SES: receipts of every kind, confirmations, and mail that a rule hands on."""

import base64
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from outrider.platforms.base import (
    FailureCode,
    InboundItem,
    InboundMessage,
    InboundRequest,
    ParsedWebhook,
    Sender,
    Unrecognised,
)
from outrider.platforms.receipts import InboundReceipt, ReceiptState
from outrider.platforms.ses.inbound import parse_webhook
from tests.platforms.ses.sns import (
    MAIL_ID,
    SUBSCRIBE_URL,
    envelope,
    event_of,
    notification,
    request_of,
)


def _parse(request: InboundRequest) -> ParsedWebhook:
    async def confirm(url: str) -> bool:
        return url == SUBSCRIBE_URL

    return parse_webhook(request.body, confirm)


def _item(request: InboundRequest) -> InboundItem:
    (item,) = _parse(request).items
    return item


def _receipt(request: InboundRequest) -> InboundReceipt:
    item = _item(request)
    assert isinstance(item, InboundReceipt)
    return item


AT = "2026-11-20T10:00:00.000Z"


@pytest.mark.parametrize(
    ("kind", "more", "state", "is_permanent"),
    [
        ("Delivery", {"delivery": {"timestamp": AT}}, ReceiptState.DELIVERED, False),
        ("Open", {"open": {"timestamp": AT}}, ReceiptState.OPENED, False),
        ("Click", {"click": {"timestamp": AT, "link": "https://s.example/a"}}, ReceiptState.CLICKED, False),
        ("Complaint", {"complaint": {"timestamp": AT}}, ReceiptState.COMPLAINED, True),
        (
            "Complaint",
            {"complaint": {"timestamp": AT, "complaintFeedbackType": "not-spam"}},
            ReceiptState.COMPLAINED,
            False,
        ),
        ("Subscription", {"subscription": {"timestamp": AT}}, ReceiptState.UNSUBSCRIBED, True),
    ],
)
def test_every_event_is_a_receipt(
    kind: str, more: dict[str, object], state: ReceiptState, is_permanent: bool
) -> None:
    receipt = _receipt(notification(event_of(kind, **more)))

    assert (receipt.external_id, receipt.state, receipt.is_permanent) == (MAIL_ID, state, is_permanent)
    assert receipt.happened_at == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert receipt.recipient == "ada@example.com"
    assert receipt.url == ("https://s.example/a" if kind == "Click" else None)


@pytest.mark.parametrize(
    ("kind", "sub_type", "status", "code", "is_permanent"),
    [
        ("Permanent", "General", "5.1.1", FailureCode.RECIPIENT_NOT_FOUND, True),
        ("Permanent", "NoEmail", None, FailureCode.RECIPIENT_NOT_FOUND, True),
        ("Permanent", "OnAccountSuppressionList", None, FailureCode.RECIPIENT_BLOCKED, True),
        ("Transient", "MailboxFull", "5.2.2", FailureCode.RECIPIENT_BLOCKED, False),
        ("Transient", "MessageTooLarge", None, FailureCode.CONTENT_REJECTED, False),
        ("Transient", "General", "5.7.1", FailureCode.CONTENT_REJECTED, False),
        ("Undetermined", "Undetermined", None, FailureCode.UNKNOWN, False),
    ],
)
def test_bounces_tell_their_code_and_whether_the_address_is_bad(
    kind: str, sub_type: str, status: str | None, code: FailureCode, is_permanent: bool
) -> None:
    told = {"emailAddress": "ada@example.com", **({} if status is None else {"status": status})}
    bounce = {"bounceType": kind, "bounceSubType": sub_type, "bouncedRecipients": [told], "timestamp": AT}

    receipt = _receipt(notification(event_of("Bounce", bounce=bounce)))

    assert (receipt.state, receipt.code, receipt.is_permanent) == (ReceiptState.FAILED, code, is_permanent)
    assert receipt.detail


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("Reject", {"reject": {"reason": "Bad content"}}),
        ("Rendering Failure", {"failure": {"errorMessage": "Bad content"}}),
    ],
)
def test_what_ses_does_not_send_has_failed(kind: str, more: dict[str, object]) -> None:
    receipt = _receipt(notification(event_of(kind, **more)))

    assert (receipt.code, receipt.detail) == (FailureCode.CONTENT_REJECTED, "Bad content")


@pytest.mark.parametrize("kind", ["Send", "DeliveryDelay"])
def test_what_is_still_on_its_way_is_acknowledged(kind: str) -> None:
    assert _parse(notification(event_of(kind))).items == ()


def test_one_end_told_twice_is_one_and_each_opening_is_one_of_its_own() -> None:
    bounce = {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": "ada@example.com"}]}
    feedback = {**event_of("Bounce", bounce=bounce), "notificationType": "Bounce"}
    del feedback["eventType"]

    ends = [_item(notification(one)).dedupe_key for one in (event_of("Bounce", bounce=bounce), feedback)]
    openings = [_item(notification(event_of("Open", open={}))).dedupe_key for _ in range(2)]

    assert len(set(ends)) == 1
    assert len(set(openings)) == 2


async def test_a_subscription_is_confirmed_after_the_commit() -> None:
    parsed = _parse(request_of(envelope("SubscriptionConfirmation")))

    assert parsed.items == ()
    assert parsed.confirm is not None
    assert await parsed.confirm()


@pytest.mark.parametrize(
    "request_",
    [
        request_of(envelope("SubscriptionConfirmation", SubscribeURL="https://evil.example/")),
        request_of(envelope("UnsubscribeConfirmation")),
        request_of(envelope()),
        notification(event_of("Something")),
        notification({"eventType": "Delivery"}),
        InboundRequest({}, b"not JSON"),
    ],
)
def test_everything_else_is_unrecognised(request_: InboundRequest) -> None:
    assert isinstance(_item(request_), Unrecognised)
    assert _parse(request_).confirm is None


@pytest.mark.parametrize("encoding", ["UTF8", "BASE64"])
def test_mail_comes_in_with_its_thread(encoding: str) -> None:
    raw = (
        "From: Ada Byron <Ada@Mail.EXAMPLE>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
        f"Message-ID: <1@mail.example>\r\nIn-Reply-To: <{MAIL_ID}@eu-central-1.amazonses.com>\r\n"
        "Date: Fri, 20 Nov 2026 12:00:00 +0200\r\n\r\nThanks!\r\n"
    )
    content = raw if encoding == "UTF8" else base64.b64encode(raw.encode()).decode()
    event = {
        "notificationType": "Received",
        "mail": {"messageId": "in-1", "source": "bounce@mail.example"},
        "receipt": {"action": {"type": "SNS", "encoding": encoding}},
        "content": content,
    }

    message = _item(notification(event))

    assert isinstance(message, InboundMessage)
    assert message.sender == Sender("Ada@mail.example", "Ada Byron")
    assert message.content == {"type": "text", "text": "Thanks!", "subject": "Grüße", "role": "user"}
    assert (message.external_id, message.reply_to_external_id) == ("1@mail.example", MAIL_ID)
    assert message.written_at == datetime(2026, 11, 20, 10, tzinfo=UTC)


# --- the samples that other projects give


def test_every_sample_reads_as_expected() -> None:
    folder = os.environ.get("OUTRIDER_SHARED")
    if not folder:
        pytest.skip("OUTRIDER_SHARED does not say where the samples are")
    samples = Path(folder) / "samples"
    expected = json.loads((samples / "expected.json").read_text())
    names = [name for name in expected if name.startswith("ses/")]
    assert len(names) >= 9
    for name in names:
        (want,) = expected[name]
        item = _item(InboundRequest({}, (samples / name).read_bytes()))

        if want["kind"] == "ignored" or "_s3" in name:
            # a mail that lies in S3 is not fetched from there
            assert isinstance(item, Unrecognised), name
        elif want["kind"] == "status":
            assert isinstance(item, InboundReceipt), name
            assert item.state == {"read": "opened"}.get(want["status"], want["status"]), name
            assert (item.external_id, item.recipient) == (want["external_id"], want["recipient"]), name
        else:
            assert isinstance(item, InboundMessage), name
            assert "It's a body" in str(item.content["text"]), name
