"""A message as the form that Twilio takes."""

from collections.abc import Mapping
from typing import Final

from outrider.core.outgoing import HttpFailure
from outrider.platforms.base import ConnectionContext, Deferred, FailureCode, Outbound, Outcome, Rejected
from outrider.platforms.twilio.answers import outcome_of
from outrider.platforms.twilio.client import Account, post_message
from outrider.platforms.vendor_http import VendorHttp, outcome_of_failure

_MARGIN_SECONDS: Final = 1.0
_NO_SENDER_PAUSE_SECONDS: Final = 60.0
_MOST_FILES: Final = 10
_MEDIA: Final = frozenset({"image", "video", "audio", "document"})

FormFields = list[tuple[str, str]]


async def send_message(
    http: VendorHttp, outbound: Outbound, connection: ConnectionContext, attempt_seconds: float
) -> Outcome:
    """Hand a message to Twilio."""
    account = Account.of(connection.config)
    form = form_of_message(outbound, connection)
    if not isinstance(form, list):
        return form
    answer = await post_message(http, account, form, attempt_seconds - _MARGIN_SECONDS)
    if isinstance(answer, HttpFailure):
        return outcome_of_failure(answer)
    return outcome_of(answer, account)


def form_of_message(outbound: Outbound, connection: ConnectionContext) -> FormFields | Rejected | Deferred:
    """The fields of a message, or why there can be none."""
    sender = _sender(connection.config)
    if sender is None:
        return Deferred(
            _NO_SENDER_PAUSE_SECONDS,
            "the config names neither phone_number nor messaging_service_sid",
            pauses_connection=True,
        )
    said = _said(outbound)
    if isinstance(said, Rejected):
        return said
    callback = connection.webhook_url
    is_reachable = callback.startswith("https://") or not Account.of(connection.config).is_twilios_own
    told = [("StatusCallback", callback)] if callback and is_reachable else []
    return [("To", outbound.recipient), sender, *said, *told]


def _sender(config: Mapping[str, object]) -> tuple[str, str] | None:
    for name, field in (("messaging_service_sid", "MessagingServiceSid"), ("phone_number", "From")):
        value = config.get(name)
        if isinstance(value, str) and value.strip():
            return field, value.strip()
    return None


def _said(outbound: Outbound) -> FormFields | Rejected:
    kind = outbound.content.get("type")
    text = outbound.content.get("caption" if kind in _MEDIA else "text")
    if kind in _MEDIA and not outbound.files:
        return Rejected(FailureCode.CONTENT_REJECTED, "the message names media and has no file")
    if kind not in _MEDIA and not (kind == "text" and isinstance(text, str) and text.strip()):
        return Rejected(FailureCode.CONTENT_REJECTED, "only texts and files can be sent as SMS")
    if len(outbound.files) > _MOST_FILES:
        return Rejected(FailureCode.CONTENT_REJECTED, f"an MMS has at most {_MOST_FILES} files")
    body = [("Body", text)] if isinstance(text, str) and text else []
    return body + [("MediaUrl", file.url) for file in outbound.files]
