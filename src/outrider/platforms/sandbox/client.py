"""The sandbox's sink: where each message is posted if the connection names one."""

from collections.abc import Mapping

from outrider.core.outgoing import HttpAnswer, HttpFailure
from outrider.platforms.base import (
    ConnectionContext,
    Deferred,
    FailureCode,
    JsonObject,
    Outbound,
    Outcome,
    Rejected,
    Sent,
)
from outrider.platforms.vendor_http import VendorHttp, outcome_of_failure, retry_after_of
from outrider.platforms.vendor_json import as_object, as_short_id, read, write

_LARGEST_ANSWER = 64 * 1024


def external_id_of(outbound: Outbound) -> str:
    """The sandbox's own id of a message, equal on every attempt."""
    return f"sbx_{outbound.delivery_id.hex}"


async def post_message(
    http: VendorHttp, outbound: Outbound, connection: ConnectionContext, timeout_s: float
) -> Outcome:
    """Post one message to the sink and read its answer as any vendor's."""
    answer = await http.request(
        "POST",
        f"{str(connection.config['api_base_url']).rstrip('/')}/messages",
        headers={"content-type": "application/json", "idempotency-key": str(outbound.delivery_id)},
        body=_body_of(outbound, connection),
        purpose="sandbox.send",
        timeout_s=timeout_s,
        max_response_bytes=_LARGEST_ANSWER,
    )
    if isinstance(answer, HttpFailure):
        return outcome_of_failure(answer)
    return _outcome_of(answer, outbound)


def _body_of(outbound: Outbound, connection: ConnectionContext) -> bytes:
    body: JsonObject = {
        "delivery_id": str(outbound.delivery_id),
        "event_id": str(outbound.event_id),
        "connection_id": str(connection.connection_id),
        "channel": connection.channel,
        "attempt": outbound.attempt,
        "to": outbound.recipient,
        "content": dict(outbound.content),
        "metadata": dict(outbound.metadata),
    }
    if outbound.files:
        body["files"] = [
            {"id": str(file.id), "filename": file.filename, "mime_type": file.mime_type, "size": file.size}
            for file in outbound.files
        ]
    if outbound.reply_to_external_id is not None:
        body["reply_to"] = outbound.reply_to_external_id
    return write(body)


def _outcome_of(answer: HttpAnswer, outbound: Outbound) -> Outcome:
    said = f"the sink answered {answer.status}"
    if 200 <= answer.status < 300:
        return Sent(_id_in(answer.body) or external_id_of(outbound))
    if answer.status in {401, 403, 429}:
        return Deferred(_pause_of(answer.headers), said, pauses_connection=True)
    if 400 <= answer.status < 500 and answer.status not in {408, 425}:
        is_unknown = answer.status in {404, 410}
        return Rejected(FailureCode.RECIPIENT_NOT_FOUND if is_unknown else FailureCode.CONTENT_REJECTED, said)
    return Deferred(retry_after_of(answer.headers), said)


def _pause_of(headers: Mapping[str, str]) -> float:
    return retry_after_of(headers) or 1.0


def _id_in(body: bytes) -> str | None:
    try:
        document = read(body)
    except ValueError:
        return None
    return as_short_id(as_object(document).get("id"))
