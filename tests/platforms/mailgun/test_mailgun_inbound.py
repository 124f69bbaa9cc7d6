"""What Mailgun's webhooks say: receipts of every kind, and mail that comes in."""

import base64
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest

from outrider.platforms.base import (
    FailureCode,
    InboundItem,
    InboundMessage,
    InboundRequest,
    Sender,
    Unrecognised,
)
from outrider.platforms.mailgun.events import parse_event
from outrider.platforms.mailgun.inbound import parse_mail
from outrider.platforms.mailgun.signatures import is_json, signature_of, signed_in
from outrider.platforms.receipts import InboundReceipt, ReceiptState
from tests.platforms.mailgun.webhooks import MAIL_ID, URLENCODED, event, mail, multipart_mail


def _parse(request: InboundRequest) -> tuple[InboundItem, ...]:
    if is_json(request):
        return parse_event(request.body).items
    return parse_mail(request.headers, request.body).items


def _receipt(request: InboundRequest) -> InboundReceipt:
    (item,) = _parse(request)
    assert isinstance(item, InboundReceipt)
    return item


def _mail(request: InboundRequest) -> InboundMessage:
    (item,) = _parse(request)
    assert isinstance(item, InboundMessage)
    return item


@pytest.mark.parametrize(
    ("kind", "state", "is_permanent"),
    [
        ("delivered", ReceiptState.DELIVERED, False),
        ("opened", ReceiptState.OPENED, False),
        ("clicked", ReceiptState.CLICKED, False),
        ("complained", ReceiptState.COMPLAINED, True),
        ("unsubscribed", ReceiptState.UNSUBSCRIBED, True),
    ],
)
def test_every_event_is_a_receipt(kind: str, state: ReceiptState, is_permanent: bool) -> None:
    receipt = _receipt(event(kind, id="E1", url="https://sender.example/a"))

    assert receipt == InboundReceipt(
        dedupe_key="event:E1",
        external_id=MAIL_ID,
        state=state,
        happened_at=datetime.fromtimestamp(1_795_000_000.5, UTC),
        is_permanent=is_permanent,
        recipient="ada@example.com",
        url="https://sender.example/a" if kind == "clicked" else None,
    )


@pytest.mark.parametrize(
    ("status", "code", "is_permanent"),
    [
        ({"code": 550, "message": "5.1.1 No such user"}, FailureCode.RECIPIENT_NOT_FOUND, True),
        ({"code": 550, "message": "No such user"}, FailureCode.RECIPIENT_NOT_FOUND, True),
        ({"code": 552, "message": "5.2.2 Mailbox full"}, FailureCode.RECIPIENT_BLOCKED, False),
        ({"code": 550, "message": "5.7.1 Spam"}, FailureCode.CONTENT_REJECTED, False),
        ({"code": 554, "message": "Message rejected"}, FailureCode.CONTENT_REJECTED, False),
        ({"code": 605, "description": "bounced before"}, FailureCode.RECIPIENT_NOT_FOUND, True),
        ({"code": 606, "description": "unsubscribed"}, FailureCode.RECIPIENT_BLOCKED, True),
        ({"code": 607, "description": "complained"}, FailureCode.RECIPIENT_BLOCKED, True),
        ({"code": 499, "description": "gave up"}, FailureCode.UNKNOWN, False),
        (None, FailureCode.UNKNOWN, False),
    ],
)
def test_permanent_failures_tell_their_code_and_whether_the_address_is_bad(
    status: object, code: FailureCode, is_permanent: bool
) -> None:
    receipt = _receipt(event("failed", severity="permanent", **{"delivery-status": status}))

    assert (receipt.state, receipt.code, receipt.is_permanent) == (ReceiptState.FAILED, code, is_permanent)
    assert receipt.detail


@pytest.mark.parametrize("request_", [event("accepted"), event("failed", severity="temporary")])
def test_what_is_still_on_its_way_is_acknowledged(request_: InboundRequest) -> None:
    assert _parse(request_) == ()


def test_what_mailgun_itself_rejects_has_failed() -> None:
    receipt = _receipt(event("rejected", reject={"reason": "Free accounts may not"}))

    assert (receipt.code, receipt.detail) == (FailureCode.CONTENT_REJECTED, "Free accounts may not")


@pytest.mark.parametrize("request_", [event("stored"), event("delivered", message={})])
def test_everything_else_is_unrecognised(request_: InboundRequest) -> None:
    (item,) = _parse(request_)
    assert isinstance(item, Unrecognised)


def test_mail_comes_in_with_its_thread() -> None:
    message = _mail(mail(timestamp="1795000000"))

    assert message.external_id == "1@mail.example"
    assert message.sender == Sender("Ada@mail.example", "Ada Byron")
    assert message.conversation == "Ada@mail.example"
    assert message.content == {
        "type": "text",
        "text": "Thanks!",
        "subject": "Re: Your order",
        "role": "user",
    }
    assert message.reply_to_external_id == MAIL_ID
    assert message.written_at == datetime.fromtimestamp(1_795_000_000, UTC)


def test_mail_of_html_alone_has_a_text_made_from_it() -> None:
    message = _mail(mail(**{"body-plain": "", "stripped-text": "", "body-html": "<p>Hi <b>you</b></p>"}))

    assert (message.content["text"], message.content["html"]) == ("Hi you", "<p>Hi <b>you</b></p>")


def test_files_come_along_or_are_kept() -> None:
    content = b"%PDF\r\n--b0undaryless\r\n\x00\xff"
    (along,) = _mail(multipart_mail(("Grüße.pdf", "application/pdf", content))).files
    kept = [{"url": "https://se.mailgun.net/v3/0", "content-type": "text/csv", "name": "a.csv", "size": 7}]
    (file,) = _mail(mail(attachments=json.dumps(kept))).files

    assert (along.filename, along.mime_type, along.size) == ("Grüße.pdf", "application/pdf", len(content))
    assert base64.b64decode(str(along.reference["base64"])) == content
    assert (file.reference, file.filename, file.mime_type, file.size) == (
        {"url": "https://se.mailgun.net/v3/0"},
        "a.csv",
        "text/csv",
        7,
    )


def test_a_raw_mail_is_read() -> None:
    raw = (
        "From: =?utf-8?q?Ad=C3=A4?= <ada@mail.example>\r\nSubject: Hi\r\nMessage-ID: <2@mail.example>\r\n"
        f"References: <0@x> <{MAIL_ID}>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        "Gr=FC=DFe\r\n--b\r\nContent-Type: image/png; name=a.png\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\ncG5n\r\n--b--\r\n"
    )

    message = _mail(mail(**{"body-mime": raw}))

    assert message.sender == Sender("ada@mail.example", "Adä")
    assert message.content["text"] == "Grüße"
    assert (message.external_id, message.reply_to_external_id) == ("2@mail.example", MAIL_ID)
    assert [(file.filename, file.reference["base64"]) for file in message.files] == [("a.png", "cG5n")]


# --- the samples that other projects give


def _shared(name: str) -> Path:
    folder = os.environ.get("OUTRIDER_SHARED")
    if not folder:
        pytest.skip("OUTRIDER_SHARED does not say where the samples are")
    return Path(folder) / "samples" / name


def test_the_published_signatures_are_those_that_we_make() -> None:
    vectors = [one for one in json.loads(_shared("vectors.json").read_text()) if one["platform"] == "mailgun"]
    assert vectors
    for vector in vectors:
        fields = vector["fields"]
        request = InboundRequest(URLENCODED, urlencode(fields).encode())
        signed = signed_in(request)

        assert signed is not None
        made = signature_of(vector["secret"], signed.timestamp, signed.token)
        assert (made == signed.signature) is vector["valid"]


STATES = {"read": "opened"}
# Mailgun goes on trying, or has only begun.
ACKNOWLEDGED = {"deferred", "queued"}


def test_every_sample_reads_as_expected() -> None:
    expected = json.loads(_shared("expected.json").read_text())
    names = [name for name in expected if name.startswith("mailgun/")]
    assert len(names) >= 15
    for name in names:
        (want,) = expected[name]
        headers = {"content-type": "application/json"} if name.endswith(".json") else URLENCODED
        items = _parse(InboundRequest(headers, _shared(name).read_bytes()))

        if want.get("status") in ACKNOWLEDGED:
            assert items == (), name
            continue
        (item,) = items
        if "legacy" in name or (want["kind"] == "status" and "external_id" not in want):
            assert isinstance(item, Unrecognised), name
        elif want["kind"] == "status":
            assert isinstance(item, InboundReceipt), name
            assert item.state == STATES.get(want["status"], want["status"]), name
            assert item.external_id == want["external_id"], name
        else:
            _check_message(name, item, want)


def _check_message(name: str, item: InboundItem, want: dict[str, str]) -> None:
    assert isinstance(item, InboundMessage), name
    assert item.sender.external_id == want.get("sender", item.sender.external_id), name
    assert item.content["text"] == want["text"], name
    assert item.content.get("subject") == want.get("subject"), name
    assert item.external_id == want.get("external_id", item.external_id), name
