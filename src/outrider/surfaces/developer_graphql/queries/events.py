"""What an event shows beyond its own row: how its message or its deliveries have fared until now."""

from typing import Final

from outrider.files.media_payloads import URL_MEMBER, has_media_sql, media_parts_sql
from outrider.surfaces.developer_graphql.queries.compiling import Compiling
from outrider.surfaces.developer_graphql.queries.statements import Statement
from outrider.surfaces.developer_graphql.queries.texts import (
    Sql,
    Text,
    exists,
    file_url,
    joined,
    optional,
    optional_moment,
    shown_time,
)
from outrider.surfaces.developer_graphql.selections import Selected

_FOLDED_TIMES: Final = ("sent_at", "delivered_at", "read_at", "failed_at")


def payload(compiling: Compiling, row: str, _selected: Selected) -> Text:
    """The stored payload; that of an outbound message with the folded state as its last members."""
    message = compiling.statement.alias("m")
    folded: Text = [',"external_message_id":', *optional(f"{message}.external_id")]
    for column in _FOLDED_TIMES:
        folded += [f',"{column}":', *optional_moment(f"{message}.{column}")]
    # of a message that took several calls
    folded.append(Sql(f"""coalesce(',"external_message_ids":' || {message}.external_ids::text, '')"""))
    scan = compiling.statement.scan("messages", message, f"{message}.id = {row}.id")
    stored = _with_media_url(row)
    served = f"(case when {_message(row)} then {stored} else {row}.payload::text end)"
    merged = f"(select left({stored}, -1) || {joined([*folded, '}'])} {scan})"
    return [Sql(f"case when {_outbound(row)} then coalesce({merged}, {stored}) else {served} end")]


def _with_media_url(row: str) -> str:
    """The stored payload of a message; in that of one with media there is a link behind the file's id."""
    stored = f"{row}.payload::text"
    before, file_id, behind = media_parts_sql(stored)
    linked = joined([Sql(before), URL_MEMBER, *file_url(file_id), Sql(behind)])
    return f"(case when {has_media_sql(stored)} then {linked} else {stored} end)"


def status(compiling: Compiling, row: str, _selected: Selected) -> Text:
    """Of an outbound message its sending, of any other event its deliveries."""
    return ['"', Sql(status_of(compiling.statement, row)), '"']


def status_of(statement: Statement, row: str) -> str:
    """Give an expression for how the event of a row stands."""
    sending = _sending_status(statement, row)
    delivering = _delivering_status(statement, row)
    return f"case when {_outbound(row)} then {sending} else {delivering} end"


def processed_at(compiling: Compiling, row: str, _selected: Selected) -> Text:
    """When the platform took or refused the message; when the last delivery ended, or none was to be made."""
    message, delivery = (compiling.statement.alias(letter) for letter in "md")
    scan = compiling.statement.scan
    times = ", ".join(f"{message}.{column}" for column in _FOLDED_TIMES)
    sent = f"(select least({times}) {scan('messages', message, f'{message}.id = {row}.id')})"
    ended = f"(select max({delivery}.finished_at) {scan('deliveries', delivery, *_webhooks(delivery, row))})"
    delivered = (
        f"case when {_is_unfinished(compiling.statement, row)} then null "
        f"else coalesce({ended}, uuid_extract_timestamp({row}.id)) end"
    )
    when = f"(case when {_outbound(row)} then {sent} else {delivered} end)"
    shown = f"'\"' || {shown_time(when)} || '\"'"
    return [Sql(f"coalesce({shown}, 'null')")]


def _outbound(row: str) -> str:
    return f"{row}.event_type = 'message.outbound'"


def _message(row: str) -> str:
    return f"{row}.event_type in ('message.inbound', 'message.outbound')"


def _sending_status(statement: Statement, row: str) -> str:
    queued = statement.alias("q")
    message = statement.alias("m")
    ours = statement.scan(
        "delivery_queue", queued, f"{queued}.event_id = {row}.id", f"{queued}.kind = 'message'"
    )
    folded = statement.scan("messages", message, f"{message}.id = {row}.id")
    begun = f"{queued}.attempts > 0 or {queued}.state in ('started', 'in_doubt')"
    # What the platform has told goes before what our own queue knows: a receipt may come first.
    return (
        "coalesce("
        f"(select case when {message}.state = 2 then 'failed' when {message}.state > 0 then 'completed' end {folded}), "
        f"(select case when {begun} then 'processing' else 'pending' end {ours} limit 1), "
        "'pending')"
    )


def _delivering_status(statement: Statement, row: str) -> str:
    given_up, ended, queued = (statement.alias(letter) for letter in "ddq")
    has_failed = _exists(
        statement, "deliveries", given_up, *_webhooks(given_up, row), f"{given_up}.state = 'failed'"
    )
    has_ended = _exists(statement, "deliveries", ended, *_webhooks(ended, row))
    has_tried = _exists(
        statement, "delivery_queue", queued, *_webhooks(queued, row), f"{queued}.attempts > 0"
    )
    return (
        f"case when {has_failed} then 'failed' when not ({_is_unfinished(statement, row)}) then 'completed' "
        f"when {has_ended} or {has_tried} then 'processing' else 'pending' end"
    )


def _is_unfinished(statement: Statement, row: str) -> str:
    queued, spread = (statement.alias(letter) for letter in "qf")
    waits = _exists(statement, "delivery_queue", queued, *_webhooks(queued, row))
    spreads = _exists(
        statement, "fan_outs", spread, f"{spread}.position = {row}.position", f"{spread}.event_id = {row}.id"
    )
    return f"{waits} or {spreads}"


def _webhooks(delivery: str, row: str) -> tuple[str, str]:
    """Deliveries of an event; that its media is fetched is no delivery."""
    return f"{delivery}.event_id = {row}.id", f"{delivery}.kind = 'webhook'"


def _exists(statement: Statement, table: str, alias: str, *conditions: str) -> str:
    return exists(statement.scan(table, alias, *conditions))
