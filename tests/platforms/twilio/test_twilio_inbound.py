"""What Twilio's webhooks say, and who signed them."""

import json
import os
from pathlib import Path
from urllib.parse import urlencode

import pytest

from outrider.platforms.base import (
    FailureCode,
    InboundFile,
    InboundItem,
    InboundMessage,
    InboundRequest,
    Sender,
    Unrecognised,
)
from outrider.platforms.receipts import InboundReceipt, ReceiptState
from outrider.platforms.twilio.inbound import parse_webhook
from outrider.platforms.twilio.signatures import is_authentic, signature_of
from tests.platforms.twilio.callbacks import FORM, SID, signed, status_form, text_form


def _item(form: dict[str, str]) -> InboundItem:
    (item,) = parse_webhook(signed(form)).items
    return item


def _message(form: dict[str, str]) -> InboundMessage:
    item = _item(form)
    assert isinstance(item, InboundMessage)
    return item


def test_a_text_is_a_message_of_its_number() -> None:
    message = _message(text_form())

    assert message == InboundMessage(
        dedupe_key=f"message:{SID}",
        external_id=SID,
        sender=Sender("+14155552671"),
        conversation="+14155552671",
        content={"type": "text", "text": "سلام 😀 & more=1", "role": "user"},
    )


def test_the_answer_is_twiml_that_says_nothing() -> None:
    for form in (text_form(), status_form("sent"), {"What": "ever"}):
        answer = parse_webhook(signed(form)).answer

        assert answer.content_type == "text/xml"
        assert answer.body.endswith(b"<Response/>")


def test_media_come_as_files_the_first_of_which_tells_the_kind() -> None:
    form = text_form(
        Body="",
        NumMedia="2",
        MediaUrl0="https://api.twilio.com/m0",
        MediaContentType0="audio/amr",
        MediaUrl1="https://api.twilio.com/m1",
        MediaContentType1="image/png",
    )

    message = _message(form)

    assert message.content == {"type": "audio", "role": "user"}
    assert message.files == (
        InboundFile({"url": "https://api.twilio.com/m0"}, mime_type="audio/amr"),
        InboundFile({"url": "https://api.twilio.com/m1"}, mime_type="image/png"),
    )


@pytest.mark.parametrize(
    ("more", "opt_out"),
    [
        ({"Body": " Stop. "}, True),
        ({"Body": "UNSUBSCRIBE"}, True),
        ({"Body": "START"}, False),
        ({"Body": "please stop calling"}, None),
        ({"Body": "help", "OptOutType": "HELP"}, None),
        ({"Body": "arrêt", "OptOutType": "STOP"}, True),
        ({"Body": "oui", "OptOutType": "START"}, False),
    ],
)
def test_who_wants_no_more_messages_is_told_apart(more: dict[str, str], opt_out: bool | None) -> None:
    assert _message(text_form(**more)).content.get("opt_out") is opt_out


@pytest.mark.parametrize(
    ("status", "state"), [("delivered", ReceiptState.DELIVERED), ("read", ReceiptState.READ)]
)
def test_receipts_move_the_message(status: str, state: ReceiptState) -> None:
    assert _item(status_form(status)) == InboundReceipt(
        f"status:{SID}:{status}", SID, state, recipient="+14155552671"
    )


@pytest.mark.parametrize("status", ["accepted", "queued", "sending", "sent"])
def test_what_adds_nothing_is_acknowledged(status: str) -> None:
    assert parse_webhook(signed(status_form(status))).items == ()


@pytest.mark.parametrize(
    ("status", "error", "code", "is_permanent"),
    [
        ("undelivered", "30003", FailureCode.RECIPIENT_BLOCKED, False),
        ("undelivered", "30004", FailureCode.RECIPIENT_BLOCKED, True),
        ("undelivered", "30005", FailureCode.RECIPIENT_NOT_FOUND, True),
        ("undelivered", "30006", FailureCode.RECIPIENT_NOT_FOUND, True),
        ("undelivered", "30007", FailureCode.CONTENT_REJECTED, False),
        ("failed", "21610", FailureCode.RECIPIENT_BLOCKED, True),
        ("failed", "30034", FailureCode.ACCOUNT_ERROR, False),
        ("failed", "30008", FailureCode.UNKNOWN, False),
        ("failed", "", FailureCode.UNKNOWN, False),
        ("canceled", "", FailureCode.CANCELLED, False),
    ],
)
def test_failures_tell_their_code_and_whether_it_lasts(
    status: str, error: str, code: FailureCode, is_permanent: bool
) -> None:
    receipt = _item(status_form(status, ErrorCode=error, ErrorMessage="why"))

    assert isinstance(receipt, InboundReceipt)
    assert (receipt.state, receipt.code, receipt.is_permanent) == (ReceiptState.FAILED, code, is_permanent)
    assert "why" in (receipt.detail or "")


@pytest.mark.parametrize(
    "form",
    [{}, {"CallSid": "CA1"}, text_form(From=""), text_form(Body=""), status_form("partially_delivered")],
)
def test_everything_else_is_unrecognised(form: dict[str, str]) -> None:
    assert isinstance(_item(form), Unrecognised)


def test_what_postgres_cannot_hold_is_replaced() -> None:
    message = _message(text_form(Body="a\x00b"))

    assert message.content["text"] == "a\ufffdb"


# --- the samples that Twilio's documents and other projects give


def _shared(name: str) -> Path:
    folder = os.environ.get("OUTRIDER_SHARED")
    if not folder:
        pytest.skip("OUTRIDER_SHARED does not say where the samples are")
    return Path(folder) / "samples" / name


def test_the_published_signatures_are_those_that_we_make() -> None:
    vectors = [one for one in json.loads(_shared("vectors.json").read_text()) if one["platform"] == "twilio"]
    assert len(vectors) >= 2
    for vector in vectors:
        pairs = [(name, value) for name, value in vector["params"] or ()]
        given = vector["headers"]["X-Twilio-Signature"]
        body = urlencode(pairs).encode()
        request = InboundRequest({"content-type": FORM, "x-twilio-signature": given}, body, url=vector["url"])

        if vector["body"] is None:
            assert (signature_of(vector["secret"], vector["url"], pairs) == given) is vector["valid"]
            assert is_authentic(request, vector["secret"]) is vector["valid"]
            assert not is_authentic(request, vector["secret"] + "x")


def test_every_sample_reads_as_expected() -> None:
    expected = json.loads(_shared("expected.json").read_text())
    names = [name for name in expected if name.startswith("twilio/")]
    assert names
    for name in names:
        (want,) = expected[name]
        body = _shared(name).read_bytes()
        (item,) = parse_webhook(InboundRequest({"content-type": FORM}, body)).items

        assert not isinstance(item, Unrecognised)
        assert item.external_id == want["external_id"]
        if isinstance(item, InboundMessage):
            said = item.content.get("text") or item.content.get("caption")
            assert str(said).replace("\ufffd", "") == want["text"]
            assert item.sender.external_id == want["sender"]
            assert [file.reference["url"] for file in item.files] == [m["url"] for m in want.get("media", ())]
        else:
            assert isinstance(item, InboundReceipt)
            assert (item.state, item.recipient) == (want["status"], want["recipient"])
