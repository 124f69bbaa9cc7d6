"""What can be said: every shape of content, files that go along, and what is refused before anything is stored."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from outrider.core.errors import NotFound, ValidationError
from outrider.files.storing import store_file
from outrider.files.values import StoredFile
from outrider.messaging.resending import resend_message
from outrider.messaging.sending import send_message
from outrider.messaging.values import SendRequest
from outrider.platforms.base import Channel
from outrider.runtime.parts import Runtime
from outrider.tenancy.connections import NewConnection, create_connection
from tests.running import Sink, connect_sandbox, subscribe, until
from tests.tenants import Tenant, new_tenant

Database = asyncpg.Connection
PLACE = {
    "type": "location",
    "location": {"latitude": 52.5, "longitude": -13, "name": "Pier", "address": "1 Quay"},
}
CONTACT = {"type": "contact", "contact": {"name": "Ada", "phone": "+12025550101", "email": None}}
REACTION = {"type": "reaction", "reaction": {"emoji": "👍", "message_id": "51:7"}}


@pytest.fixture
async def connection(process: Runtime, tenant: Tenant, sink: Sink) -> UUID:
    return (await connect_sandbox(process, tenant, config={"api_base_url": f"{sink.url}/vendor"})).id


async def _file(
    process: Runtime, tenant: Tenant, filename: str = "a.png", content: bytes = b"png"
) -> StoredFile:
    return await store_file(process.files, tenant.actor, content, filename=filename)


async def _telegram(process: Runtime, tenant: Tenant) -> UUID:
    new = NewConnection(
        channel=Channel.TELEGRAM, name="Bot", provider="telegram", config={"bot_token": "1:A"}
    )
    return (await create_connection(process.tenancy, tenant.actor, new)).id


async def _mail(process: Runtime, tenant: Tenant) -> UUID:
    config = {"host": "127.0.0.1", "from_email": "desk@example.com", "security": "none"}
    new = NewConnection(channel=Channel.EMAIL, name="Mail", provider="smtp", config=config)
    return (await create_connection(process.tenancy, tenant.actor, new)).id


def to(connection: UUID, recipient: str = "ada", **more: object) -> SendRequest:
    return SendRequest(connection_id=connection, recipient=recipient, **more)  # type: ignore[arg-type]


async def _payload(database: Database, event_id: UUID) -> dict[str, Any]:
    stored: dict[str, Any] = orjson.loads(
        await database.fetchval("select payload::text from events where id = $1", event_id)
    )
    return stored


async def _attachments(database: Database, event_id: UUID) -> list[UUID]:
    rows = await database.fetch(
        "select target_id from edges where event_id = $1 and edge_type = 'attachment' order by id", event_id
    )
    return [row["target_id"] for row in rows]


@pytest.mark.parametrize(
    ("content", "stored"),
    [
        ({"type": "text", "text": "Hi", "role": "user"}, {"type": "text", "text": "Hi"}),
        (PLACE, PLACE),
        ({"type": "location", "location": {"latitude": 0, "longitude": 180}}, None),
        (CONTACT, {"type": "contact", "contact": {"name": "Ada", "phone": "+12025550101"}}),
        (REACTION, REACTION),
        ({"type": "reaction", "reaction": {"emoji": "", "message_id": "51:7"}}, None),
    ],
)
async def test_contents_without_files_are_stored_as_the_contract_has_them(
    content: dict[str, object],
    stored: dict[str, object] | None,
    *,
    process: Runtime,
    tenant: Tenant,
    connection: UUID,
    sink: Sink,
    database: Database,
) -> None:
    sent = await send_message(process.sending, tenant.actor, to(connection, content=content))

    assert sent.state == "sent"
    expected = {**(stored or content), "role": "assistant"}
    assert (await _payload(database, sent.event_id))["message"] == expected
    (asked,) = sink.at("/vendor/messages")
    assert orjson.loads(asked.body)["content"] == expected


@pytest.mark.parametrize(
    ("filename", "kind", "named"),
    [
        ("a.png", "image", False),
        ("a.mp4", "video", False),
        ("a.mp3", "audio", False),
        ("a.png", "document", True),
    ],
)
async def test_media_names_its_file(
    filename: str,
    kind: str,
    named: bool,
    *,
    process: Runtime,
    tenant: Tenant,
    connection: UUID,
    sink: Sink,
    database: Database,
) -> None:
    file = await _file(process, tenant, filename)
    media = {"id": f"file_{file.id}", "mime_type": "told/by-the-caller", "url": "https://ignored"}

    sent = await send_message(
        process.sending, tenant.actor, to(connection, content={"type": kind, "media": media})
    )

    expected = {"id": str(file.id), "mime_type": file.mime_type} | ({"filename": filename} if named else {})
    message = (await _payload(database, sent.event_id))["message"]
    assert message == {"media": expected, "type": kind, "role": "assistant"}
    assert await _attachments(database, sent.event_id) == [file.id]
    told = orjson.loads(sink.at("/vendor/messages")[0].body)["files"]
    assert told == [{"id": str(file.id), "filename": filename, "mime_type": file.mime_type, "size": 3}]


async def test_a_text_and_one_file_are_one_message_with_a_caption(
    process: Runtime, tenant: Tenant, connection: UUID, database: Database
) -> None:
    file = await _file(process, tenant)

    sent = await send_message(
        process.sending, tenant.actor, to(connection, text="Look", file_ids=[file.id, file.id])
    )

    message = (await _payload(database, sent.event_id))["message"]
    assert (message["type"], message["caption"]) == ("image", "Look")
    assert await _attachments(database, sent.event_id) == [file.id]


async def test_files_alone_and_several_files(
    process: Runtime, tenant: Tenant, connection: UUID, database: Database
) -> None:
    files = [await _file(process, tenant, f"{number}.pdf") for number in range(10)]
    ids = [file.id for file in files]

    alone = await send_message(process.sending, tenant.actor, to(connection, file_ids=ids))
    texted = await send_message(process.sending, tenant.actor, to(connection, text="All", file_ids=ids))

    assert (await _payload(database, alone.event_id))["message"]["media"]["id"] == str(ids[0])
    assert (await _payload(database, texted.event_id))["message"] == {
        "text": "All",
        "type": "text",
        "role": "assistant",
    }
    assert await _attachments(database, alone.event_id) == ids
    assert await _attachments(database, texted.event_id) == ids


async def test_a_caption_too_long_stands_as_a_text_before_its_file(
    process: Runtime, tenant: Tenant, database: Database
) -> None:
    bot, file = await _telegram(process, tenant), await _file(process, tenant)

    sent = await send_message(
        process.sending,
        tenant.actor,
        to(bot, "51", text="x" * 1_025, file_ids=[file.id], scheduled_at=_later(process)),
    )

    assert (await _payload(database, sent.event_id))["message"]["type"] == "text"
    assert await _attachments(database, sent.event_id) == [file.id]


async def test_a_mail_is_its_text_with_files_attached(
    process: Runtime, tenant: Tenant, database: Database
) -> None:
    mail, file = await _mail(process, tenant), await _file(process, tenant)

    sent = await send_message(
        process.sending,
        tenant.actor,
        to(mail, "ada@example.com", text="Hi", file_ids=[file.id], scheduled_at=_later(process)),
    )

    assert (await _payload(database, sent.event_id))["message"]["type"] == "text"


def _later(process: Runtime) -> datetime:
    return process.sending.ids.now() + timedelta(days=1)


BAD: dict[str, tuple[dict[str, object], str]] = {
    "no type": ({}, "content.type"),
    "a type that is none": ({"type": "hologram"}, "content.type"),
    "a type that is no text": ({"type": ["text"]}, "content.type"),
    "no text": ({"type": "text"}, "content.text"),
    "an empty text": ({"type": "text", "text": " \n"}, "content.text"),
    "something else": ({"type": "text", "text": "x", "html": "y"}, "content"),
    "no media": ({"type": "image"}, "content.media"),
    "media that is none": ({"type": "image", "media": "x"}, "content.media"),
    "media without id": ({"type": "image", "media": {"url": "https://x"}}, "content.media.id"),
    "an id that is none": ({"type": "image", "media": {"id": "../../x"}}, "content.media.id"),
    "an id of a wrong kind": ({"type": "image", "media": {"id": 7}}, "content.media.id"),
    "media with more": ({"type": "image", "media": {"id": str(uuid4()), "x": 1}}, "content.media"),
    "no location": ({"type": "location"}, "content.location"),
    "north of the pole": (
        {"type": "location", "location": {"latitude": 90.1, "longitude": 0}},
        "content.location.latitude",
    ),
    "a longitude that is true": (
        {"type": "location", "location": {"latitude": 0, "longitude": True}},
        "content.location.longitude",
    ),
    "a latitude as text": (
        {"type": "location", "location": {"latitude": "0", "longitude": 0}},
        "content.location.latitude",
    ),
    "a name with NUL": (
        {"type": "location", "location": {"latitude": 0, "longitude": 0, "name": "a\x00"}},
        "content.location.name",
    ),
    "half a pair": (
        {"type": "contact", "contact": {"name": "\ud800", "phone": "1"}},
        "content.contact.name",
    ),
    "a contact without name": ({"type": "contact", "contact": {"phone": "1"}}, "content.contact.name"),
    "a contact that cannot be reached": ({"type": "contact", "contact": {"name": "A"}}, "content.contact"),
    "a name without end": (
        {"type": "contact", "contact": {"name": "x" * 1_001, "phone": "1"}},
        "content.contact.name",
    ),
    "a reaction to nothing": (
        {"type": "reaction", "reaction": {"emoji": "x"}},
        "content.reaction.message_id",
    ),
    "a reaction with a novel": (
        {"type": "reaction", "reaction": {"emoji": "x" * 65, "message_id": "1"}},
        "content.reaction.emoji",
    ),
    "a reaction that is a list": ({"type": "reaction", "reaction": []}, "content.reaction"),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_content_is_refused_with_its_path_and_nothing_is_written(
    case: str, process: Runtime, tenant: Tenant, connection: UUID, database: Database
) -> None:
    content, path = BAD[case]

    with pytest.raises(ValidationError) as refused:
        await send_message(process.sending, tenant.actor, to(connection, content=content))

    assert refused.value.details["path"] == path
    assert not await database.fetchval(
        "select count(*) from messages where application_id = $1", tenant.application_id
    )


async def test_bad_captions_and_files_are_refused(
    process: Runtime, tenant: Tenant, connection: UUID, database: Database
) -> None:
    bot, file = await _telegram(process, tenant), await _file(process, tenant)
    more = [(await _file(process, tenant, f"{number}.txt")).id for number in range(11)]
    media = {"type": "image", "media": {"id": str(file.id)}}
    bad: list[tuple[SendRequest, str]] = [
        (to(bot, "51", content={**media, "caption": "x" * 1_025}), "content.caption"),
        (to(connection, content={**media, "caption": "  "}), "content.caption"),
        (to(connection, content={**media, "caption": "a\x00"}), "content.caption"),
        (to(connection, content={**media, "caption": 7}), "content.caption"),
        (to(connection, content={**media, "type": "audio"}), "content.media.id"),
        (to(connection, content=PLACE, file_ids=[file.id]), "fileIds"),
        (to(connection, text="x", file_ids=more), "fileIds"),
        (to(connection), "message"),
        (to(connection, text="x", content={"type": "text", "text": "x"}), "message"),
        (to(connection, text="", file_ids=[file.id]), "message"),
        (
            to(bot, "51", content={**CONTACT, "contact": {"name": "A", "email": "a@x"}}),
            "content.contact.phone",
        ),
        (to(await _mail(process, tenant), "ada@example.com", content=PLACE), "content"),
        (to(await _mail(process, tenant), "ada@example.com", content=REACTION), "content"),
    ]

    for request, path in bad:
        with pytest.raises(ValidationError) as refused:
            await send_message(process.sending, tenant.actor, request)
        assert refused.value.details["path"] == path
    assert not await database.fetchval(
        "select count(*) from messages where application_id = $1", tenant.application_id
    )


async def test_mails_that_are_too_large_are_refused(process: Runtime, tenant: Tenant) -> None:
    mail = await _mail(process, tenant)
    files = [await _file(process, tenant, "a.bin", bytes([number]) * 9_100_000) for number in range(2)]

    with pytest.raises(ValidationError) as refused:
        await send_message(
            process.sending,
            tenant.actor,
            to(mail, "ada@example.com", text="x", file_ids=[file.id for file in files]),
        )

    assert refused.value.details["path"] == "fileIds"


async def test_a_foreign_file_answers_as_a_missing_one(
    process: Runtime, tenant: Tenant, connection: UUID
) -> None:
    foreign = await _file(process, await new_tenant(process.tenancy))

    for missing in (foreign.id, uuid4()):
        for request in (
            to(connection, text="x", file_ids=[missing]),
            to(connection, content={"type": "image", "media": {"id": str(missing)}}),
        ):
            with pytest.raises(NotFound) as refused:
                await send_message(process.sending, tenant.actor, request)
            assert refused.value.details == {"resource_type": "File", "resource_id": str(missing)}


async def test_a_file_that_is_not_there_yet_cannot_be_sent(
    process: Runtime, tenant: Tenant, connection: UUID, database: Database
) -> None:
    file = await _file(process, tenant)
    for state in ("pending", "failed"):
        await database.execute(
            "update files set state = $2, sha256 = null, size = null where id = $1", file.id, state
        )
        with pytest.raises(ValidationError) as refused:
            await send_message(process.sending, tenant.actor, to(connection, file_ids=[file.id]))
        assert refused.value.details["path"] == "fileIds[0]"


async def test_a_link_is_made_for_the_webhook_and_never_stored(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink, database: Database
) -> None:
    await subscribe(process, tenant, f"{sink.url}/hook", "message.outbound")
    file = await _file(process, tenant)

    sent = await send_message(
        process.sending, tenant.actor, to(connection, text='"id":"x"', file_ids=[file.id])
    )
    await until(lambda: bool(sink.at("/hook")))

    media = orjson.loads(sink.at("/hook")[0].body)["payload"]["message"]["media"]
    parts = urlsplit(media["url"])
    target = process.file_links.read(parts.path.rpartition("/")[2], parts.query)
    assert (media["id"], getattr(target, "file_id", None)) == (str(file.id), file.id)
    assert "url" not in (await _payload(database, sent.event_id))["message"]["media"]


async def test_a_failed_message_is_sent_again_with_its_files(
    process: Runtime, tenant: Tenant, connection: UUID, database: Database
) -> None:
    files = [await _file(process, tenant, f"{number}.pdf") for number in range(2)]
    request = to(connection, "rejected.bob", text="x", file_ids=[file.id for file in files])
    failed = await send_message(process.sending, tenant.actor, request)

    again = await resend_message(process.sending, tenant.actor, failed.event_id)

    assert await _attachments(database, again.event_id) == [file.id for file in files]


async def test_what_a_message_answers_is_told_by_its_own_connections_id_alone(
    process: Runtime, tenant: Tenant, connection: UUID, sink: Sink
) -> None:
    other = (await connect_sandbox(process, tenant, config={"api_base_url": f"{sink.url}/other"})).id
    first = await send_message(process.sending, tenant.actor, to(connection, text="One"))

    for over in (connection, other):
        request = to(over, text="Two", reply_to_event_id=first.event_id)
        await send_message(process.sending, tenant.actor, request)

    answered = _body(sink.at("/vendor/messages")[-1].body)
    assert answered["reply_to"] == first.external_message_id
    assert "reply_to" not in _body(sink.at("/other/messages")[-1].body)


async def test_a_file_whose_content_cannot_be_read_is_waited_for(
    process: Runtime, tenant: Tenant, connection: UUID, database: Database
) -> None:
    file = await _file(process, tenant, content=b"on a disk that went away")
    assert file.sha256 is not None
    process.files.storage.path_of(file.sha256).unlink()

    sent = await send_message(process.sending, tenant.actor, to(connection, file_ids=[file.id], wait=True))

    assert sent.state == "accepted"
    detail = await database.fetchval(
        "select detail from attempts where application_id = $1", tenant.application_id
    )
    assert detail == f"The content of the file {file.id} cannot be read."


def _body(raw: bytes) -> Mapping[str, Any]:
    found: Mapping[str, Any] = orjson.loads(raw)
    return found
