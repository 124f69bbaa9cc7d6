"""A mail as SES takes it, whole and encoded, and what its answers mean."""

import asyncio
import base64
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from outrider.core.outgoing import HttpAnswer, HttpFailure
from outrider.platforms.base import (
    ConnectionContext,
    Deferred,
    FailureCode,
    InDoubt,
    JsonObject,
    Outbound,
    Outcome,
    Rejected,
    Sent,
)
from outrider.platforms.letters import Letter, write_letter
from outrider.platforms.ses.client import Region, post_mail
from outrider.platforms.vendor_http import VendorHttp, outcome_of_failure, retry_after_of
from outrider.platforms.vendor_json import as_object, as_short_id, as_text, read, write

_MARGIN_SECONDS: Final = 1.0
_ACCOUNT_PAUSE_SECONDS: Final = 60.0
_RATE_PAUSE_SECONDS: Final = 1.0
_QUOTA_PAUSE_SECONDS: Final = 600.0
_LONGEST_DETAIL: Final = 300
_LARGE: Final = 256 * 1024

_RATE: Final = frozenset({"TooManyRequestsException", "Throttling", "ThrottlingException"})
_ACCOUNT: Final = frozenset(
    {
        "AccountSuspendedException",
        "SendingPausedException",
        "MailFromDomainNotVerifiedException",
        "NotFoundException",  # the configuration set
        "IncompleteSignature",
        "IncompleteSignatureException",
    }
)


async def send_mail(
    http: VendorHttp, outbound: Outbound, connection: ConnectionContext, attempt_seconds: float
) -> Outcome:
    """Hand a mail to SES."""
    give_up_at = time.monotonic() + attempt_seconds - _MARGIN_SECONDS
    region = Region.of(connection.config)
    if region is None:
        return Deferred(_ACCOUNT_PAUSE_SECONDS, "there is no region of that name", pauses_connection=True)
    letter = await write_letter(_answering(outbound, region), connection.config)
    if isinstance(letter, Rejected):
        return letter
    if letter.needs_smtputf8:
        return Rejected(FailureCode.RECIPIENT_NOT_FOUND, "SES takes no mailboxes beyond ASCII")
    if len(letter.body) > _LARGE:
        body = await asyncio.to_thread(body_of, outbound, letter, connection.config)
    else:
        body = body_of(outbound, letter, connection.config)
    remaining = give_up_at - time.monotonic()
    if remaining <= 0:
        return Deferred(None, "no time was left in this attempt")
    answer = await post_mail(http, region, body, remaining)
    return outcome_of_failure(answer) if isinstance(answer, HttpFailure) else outcome_of(answer, region)


def _answering(outbound: Outbound, region: Region) -> Outbound:
    """SES replaces our Message-ID by one of its own, so that a mail of ours is answered by that."""
    answered = outbound.reply_to_external_id
    if answered is None or "@" in answered:
        return outbound
    return replace(outbound, reply_to_external_id=f"{answered}@{region.message_id_domain}")


def body_of(outbound: Outbound, letter: Letter, config: Mapping[str, object]) -> bytes:
    """The request; its tags come back with every receipt."""
    configuration_set = config.get("configuration_set")
    document: JsonObject = {
        "FromEmailAddress": letter.sender,
        "Destination": {"ToAddresses": [letter.recipient]},
        "Content": {"Raw": {"Data": base64.b64encode(letter.body).decode()}},
        "EmailTags": [
            {"Name": "outrider-event-id", "Value": str(outbound.event_id)},
            {"Name": "outrider-delivery-id", "Value": str(outbound.delivery_id)},
        ],
    }
    if configuration_set:
        document["ConfigurationSetName"] = str(configuration_set)
    return write(document)


def outcome_of(answer: HttpAnswer, region: Region) -> Outcome:
    """Read the answer to a send."""
    if 200 <= answer.status < 300:
        external_id = as_short_id(_document(answer).get("MessageId"))
        return InDoubt("the answer names no mail") if external_id is None else Sent(external_id)
    kind, detail = _kind(answer), said_by(answer, region)
    if kind in _RATE or answer.status == 429:
        pause = retry_after_of(answer.headers)
        return Deferred(_RATE_PAUSE_SECONDS if pause is None else pause, detail, pauses_connection=True)
    if kind == "LimitExceededException":
        # the quota of a day, which is counted over the last 24 hours
        return Deferred(_QUOTA_PAUSE_SECONDS, detail, pauses_connection=True)
    if kind in _ACCOUNT or answer.status in {401, 403, 404}:
        # the messages are kept until somebody has set the account right
        return Deferred(_ACCOUNT_PAUSE_SECONDS, f"the account is refused: {detail}", pauses_connection=True)
    if answer.status in {400, 413}:
        return Rejected(_code_of(kind, detail), detail)
    if 400 <= answer.status < 500 and answer.status != 408:
        return Rejected(FailureCode.UNKNOWN, detail)
    return Deferred(None, detail)


def said_by(answer: HttpAnswer, region: Region) -> str:
    """What an answer says, for people."""
    document = _document(answer)
    said = as_text(document.get("message")) or as_text(document.get("Message")) or f"HTTP {answer.status}"
    kind = _kind(answer)
    return region.without_key(f"{kind}: {said}" if kind else said)[:_LONGEST_DETAIL]


def account_in(answer: HttpAnswer) -> tuple[bool, bool]:
    """Whether the account may send, and to everybody."""
    document = _document(answer)
    return document.get("SendingEnabled") is not False, document.get("ProductionAccessEnabled") is not False


def _kind(answer: HttpAnswer) -> str:
    told = next((value for name, value in answer.headers.items() if name.lower() == "x-amzn-errortype"), "")
    told = told or as_text(_document(answer).get("__type")) or ""
    return told.split(":")[0].rpartition("#")[2].strip()[:100]


def _code_of(kind: str, detail: str) -> FailureCode:
    """The words only choose between codes, never whether it is a failure."""
    said = detail.lower()
    if kind == "MessageRejected" and ("not verified" in said or "authority to send" in said):
        return FailureCode.ACCOUNT_ERROR
    if "illegal address" in said or "invalid domain name" in said or "final '@domain'" in said:
        return FailureCode.RECIPIENT_NOT_FOUND
    return FailureCode.CONTENT_REJECTED


def _document(answer: HttpAnswer) -> JsonObject:
    try:
        return as_object(read(answer.body))
    except ValueError:
        return {}
