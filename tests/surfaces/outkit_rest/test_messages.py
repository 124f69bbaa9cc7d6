"""Messages over /v1/messages: submitted, read, listed; with every key, and as the core sees them."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest

from outrider.platforms.base import Channel
from outrider.runtime.verifying import verify
from outrider.tenancy.managing_connections import ConnectionChanges, update_connection
from tests.surfaces.outkit_rest.submitting import PATH, Submitter, fresh_stamp, new_backend, refusal

KEYS = frozenset(
    [
        "backend",
        "backend_id",
        "backend_response",
        "data",
        "delivered_at",
        "done",
        "failed_at",
        "from",
        "html_body",
        "html_template_body",
        "id",
        "id_from_backend",
        "id_from_submitter",
        "project",
        "project_id",
        "provider_id",
        "queued_for_delivery_at",
        "queued_for_rendering_at",
        "received_at",
        "render_only",
        "rendered_at",
        "status",
        "status_message",
        "subject",
        "sync",
        "template",
        "template_id",
        "template_styles",
        "test",
        "text_body",
        "text_template_body",
        "to",
        "type",
    ]
)


async def until_done(submitter: Submitter, message_id: str, seconds: float = 10.0) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        while True:
            found = await submitter.get(message_id)
            if found["done"]:
                return found
            await asyncio.sleep(0.02)


async def test_a_message_is_received_and_then_delivered(submitter: Submitter) -> None:
    sent = await submitter.submit(
        id_from_submitter="order-1", data={"a": 1}, **{"from": "Me <me@example.com>"}
    )

    assert sent.keys() == KEYS | {"public_id"}
    assert (sent["status"], sent["done"], sent["public_id"]) == ("received", False, sent["id"])
    found = await until_done(submitter, sent["id"])
    assert found.keys() == sent.keys()
    assert (found["status"], found["status_message"], found["failed_at"]) == ("delivered", None, None)
    assert found["from"] == "Me <me@example.com>"
    assert (found["to"], found["subject"], found["text_body"]) == ("ada@example.com", "Hello", "Hello Ada")
    assert (found["project"], found["backend"], found["type"]) == ("ferry-desk", "post-office", "email")
    assert found["id_from_submitter"] == "order-1"
    assert found["data"] == {"a": 1}
    assert found["id_from_backend"].startswith("sbx_")
    assert found["backend_response"] == {"id": found["id_from_backend"]}
    assert UUID(found["provider_id"]).version == 5
    assert (found["sync"], found["test"], found["render_only"]) == (False, False, False)
    assert (found["rendered_at"], found["queued_for_rendering_at"]) == (None, None)
    times = [found[name] for name in ("received_at", "queued_for_delivery_at", "delivered_at")]
    assert all(len(moment) == 27 and moment.endswith("Z") for moment in times)


async def test_a_synchronous_message_answers_with_its_end(submitter: Submitter) -> None:
    sent = await submitter.submit(sync=True)

    assert (sent["status"], sent["done"], sent["sync"]) == ("delivered", True, True)
    assert (sent["queued_for_rendering_at"], sent["queued_for_delivery_at"]) == (None, None)


async def test_a_synchronous_message_that_fails_is_created_with_its_error(submitter: Submitter) -> None:
    sent = await submitter.submit(sync=True, to="ada+rejected@example.com")

    assert (sent["status"], sent["done"], sent["delivered_at"]) == ("backend_error", True, None)
    assert sent["failed_at"] is not None
    assert sent["status_message"].startswith("RECIPIENT_NOT_FOUND: ")
    assert sent["backend_response"]["code"] == "RECIPIENT_NOT_FOUND"


async def test_a_bounce_turns_delivered_into_an_error_and_keeps_its_time(submitter: Submitter) -> None:
    sent = await submitter.submit(to="ada+bounced@example.com")

    async with asyncio.timeout(10):
        while (found := await submitter.get(sent["id"]))["status"] != "backend_error":
            await asyncio.sleep(0.02)
    assert found["delivered_at"] is not None
    assert found["failed_at"] is not None
    assert found["done"] is True


async def test_only_rendering_reaches_nobody_and_needs_no_backend(submitter: Submitter) -> None:
    sent = await submitter.submit(
        render_only=True, type="sms", to="+1-555-111-2222", text_body="Hi", subject=None
    )

    assert (sent["status"], sent["done"], sent["render_only"]) == ("rendered", True, True)
    assert (sent["backend"], sent["provider_id"], sent["delivered_at"]) == (None, None, None)
    assert sent["rendered_at"] is not None
    assert await submitter.get(sent["id"]) == sent
    event = await submitter.client.event(sent["id"])
    assert event["eventType"] == "message.rendered"
    assert await submitter.client.events("message.outbound") == []


async def test_a_test_reaches_only_the_sandbox(submitter: Submitter) -> None:
    sent = await submitter.submit(test=True, sync=True)

    assert (sent["test"], sent["status"]) == (True, "delivered")
    event = await submitter.client.event(sent["id"])
    assert event["payload"]["sandbox"] is True


async def test_graphql_sees_the_message_that_was_sent_here(submitter: Submitter) -> None:
    sent = await submitter.submit(html_body="<p>Hello <b>Ada</b></p>", sync=True)

    event = await submitter.client.event(sent["id"])
    assert event["eventType"] == "message.outbound"
    content = event["payload"]["message"]
    assert (content["text"], content["html"]) == ("Hello Ada", "<p>Hello <b>Ada</b></p>")
    assert event["payload"]["metadata"]["subject"] == "Hello"
    assert event["payload"]["external_message_id"] == sent["id_from_backend"]
    assert [child["eventType"] for child in event["childEvents"]] == ["message.sent", "message.done"]
    (recipient,) = [edge for edge in event["edges"] if edge["edgeType"] == "sent_to"]
    assert recipient["targetPlatformUser"]["externalId"] == "ada@example.com"


async def test_a_mail_of_html_alone_gets_a_text(submitter: Submitter) -> None:
    sent = await submitter.submit(text_body=None, html_body="<h1>News</h1><p>Of <i>today</i></p>")

    assert "News" in sent["text_body"]
    assert "today" in sent["text_body"]


async def test_a_connection_is_made_when_a_backend_is_used_first(submitter: Submitter) -> None:
    await new_backend(submitter.client, Channel.SMS, "texts")
    before = await submitter.client.data("{ platformConnections { id } }")
    assert before["platformConnections"] == []

    sent = await asyncio.gather(
        *(
            submitter.submit(type="sms", to="+1-555-111-2222", text_body="Hi", backend="texts", subject=None)
            for _ in range(5)
        )
    )

    after = await submitter.client.data("{ platformConnections { id identifier platformName } }")
    (connection,) = after["platformConnections"]
    assert (connection["identifier"], connection["platformName"]) == ("texts", "SMS")
    assert {one["backend"] for one in sent} == {"texts"}


async def test_a_backend_is_named_by_its_id_too(submitter: Submitter) -> None:
    account_id = await new_backend(submitter.client, identifier="other")

    sent = await submitter.submit(backend_id=str(account_id))

    assert (sent["backend"], sent["backend_id"]) == ("other", str(account_id))


async def test_without_a_backend_the_account_is_not_configured(submitter: Submitter) -> None:
    status, code, message = await submitter.refused(type="sms", to="+15551112222")

    assert (status, code) == (422, "config_issue")
    assert "sms" in message


async def test_a_connection_that_was_disabled_is_not_gone_around(submitter: Submitter) -> None:
    await submitter.submit()
    client = submitter.client
    (connection,) = (await client.data("{ platformConnections { id } }"))["platformConnections"]
    changes = ConnectionChanges(status="disabled")
    await update_connection(
        client.server.runtime.tenancy, client.tenant.actor, UUID(connection["id"]), changes
    )

    async with asyncio.timeout(5):
        while (answered := await submitter.post()).status == 201:
            await asyncio.sleep(0.05)
    assert refusal(answered)[:2] == (422, "config_issue")
    assert len((await client.data("{ platformConnections { id } }"))["platformConnections"]) == 1


async def test_messages_are_listed_newest_first_and_found_by_what_is_known(submitter: Submitter) -> None:
    sent = [
        await submitter.submit(to=f"ada{number}@example.com", id_from_submitter=f"o-{number}", sync=True)
        for number in range(5)
    ]
    ids = [one["id"] for one in reversed(sent)]

    assert [one["id"] for one in await submitter.list()] == ids
    page = (await submitter.call("GET", f"{PATH}?limit=2&x=%C3%A9")).json()
    assert [one["id"] for one in page["data"]] == ids[:2]
    rest = (await submitter.call("GET", f"{PATH}?limit=3&cursor={page['cursor']}")).json()
    assert [one["id"] for one in rest["data"]] == ids[2:]
    assert rest["cursor"] is None
    assert [one["id"] for one in await submitter.list("to=Ada%20%3Cada3@EXAMPLE.com%3E")] == [sent[3]["id"]]
    assert [one["id"] for one in await submitter.list("id_from_submitter=o-1")] == [sent[1]["id"]]
    known = sent[2]["id_from_backend"]
    assert [one["id"] for one in await submitter.list(f"id_from_backend={known}")] == [sent[2]["id"]]
    assert len(await submitter.list("status=delivered&project=ferry-desk")) == 5
    assert await submitter.list("status=rendered") == []
    assert await submitter.list("project=nowhere") == []


async def test_each_status_lists_its_own(submitter: Submitter) -> None:
    expected = {
        "delivered": await submitter.submit(sync=True),
        "backend_error": await submitter.submit(sync=True, to="a+rejected@example.com"),
        "rendered": await submitter.submit(render_only=True),
        "queued_for_delivery": await submitter.submit(to="a+deferred-9@example.com"),
    }

    for status, message in expected.items():
        assert [one["id"] for one in await submitter.list(f"status={status}")] == [message["id"]], status


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=junk", "status=nice", "to=%00"])
async def test_a_bad_search_is_refused(submitter: Submitter, query: str) -> None:
    assert refusal(await submitter.call("GET", f"{PATH}?{query}"))[:2] == (422, "bad_data")


async def test_a_foreign_message_is_a_missing_one(submitter: Submitter, stranger: Any) -> None:
    from tests.surfaces.outkit_rest.submitting import new_submitter  # noqa: PLC0415

    sent = await submitter.submit()
    other = await new_submitter(stranger)

    missing = refusal(await other.call("GET", f"{PATH}/00000000-0000-0000-0000-000000000000"))
    assert refusal(await other.call("GET", f"{PATH}/{sent['id']}")) == missing
    assert missing[:2] == (404, "not_found")
    assert await other.list() == []
    assert refusal(await other.call("GET", f"{PATH}/junk"))[0] == 404
    status, code, _ = await other.refused(project_id=sent["project_id"], project=None)
    assert (status, code) == (422, "bad_data")


async def test_a_limited_key_reaches_its_applications_only(submitter: Submitter) -> None:
    tenant = submitter.client.tenant
    sent = await submitter.submit()
    runtime = submitter.client.server.runtime
    from outrider.tenancy.applications import create_application  # noqa: PLC0415

    other = await create_application(runtime.tenancy, tenant.organisation_id, "Other")
    limited = await submitter.with_key(application_ids=[other.id])
    both = await submitter.with_key(application_ids=[other.id, tenant.application_id])

    assert refusal(await limited.call("GET", f"{PATH}/{sent['id']}"))[0] == 404
    assert await limited.list() == []
    assert (await limited.refused())[:2] == (422, "bad_data")
    assert [one["id"] for one in await both.list()] == [sent["id"]]


@pytest.mark.parametrize(
    "given",
    [
        {"type": None},
        {"type": "pigeon"},
        {"type": 7},
        {"to": None},
        {"to": ""},
        {"to": 5},
        {"to": "no address"},
        {"to": "a@b.example\r\nBcc: eve@example.com"},
        {"from": "a@b.example\nBcc: eve@example.com"},
        {"from": "nobody"},
        {"subject": "one\r\ntwo"},
        {"subject": "x" * 1001},
        {"project": None},
        {"project": "nowhere"},
        {"project_id": "junk"},
        {"project_id": "00000000-0000-0000-0000-000000000000"},
        {"backend": "nowhere"},
        {"backend_id": "00000000-0000-0000-0000-000000000000"},
        {"backend": "post-office", "backend_id": "00000000-0000-0000-0000-000000000000"},
        {"text_body": None},
        {"text_body": "\0"},
        {"html_body": 1},
        {"data": []},
        {"sync": "yes"},
        {"render_only": 1},
        {"id_from_submitter": 12},
        {"id_from_submitter": "x" * 256},
        {"data": {"large": "x" * 1_100_000}},
    ],
    ids=lambda given: "-".join(f"{name}={str(value)[:14]!r}" for name, value in given.items()),
)
async def test_bad_input_is_refused_and_stores_nothing(
    submitter: Submitter, given: dict[str, object]
) -> None:
    status, code, message = await submitter.refused(**given)

    assert (status, code) == (422, "bad_data"), message
    assert message
    assert await submitter.list() == []


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"message": 1}', b'{"message"', b"\xff", b"[" * 5000]
)
async def test_a_body_that_is_no_message_is_refused(submitter: Submitter, body: bytes) -> None:
    assert refusal(await submitter.call("POST", PATH, body))[:2] == (422, "bad_data")


async def test_other_methods_are_not_there(submitter: Submitter) -> None:
    for method, path in (("PUT", PATH), ("DELETE", f"{PATH}/x"), ("POST", f"{PATH}/x")):
        assert refusal(await submitter.call(method, path, b"{}"))[0] in {404, 422}


async def test_the_idempotency_key_makes_a_repeat(submitter: Submitter) -> None:
    headers = {"Idempotency_Key": "order-77"}
    first = (await submitter.post(headers=headers)).json()["data"]
    again = await submitter.post(headers=headers, timestamp=fresh_stamp())
    other = await submitter.post(headers=headers, text_body="Another")

    assert again.status == 201
    assert again.json()["data"]["id"] == first["id"]
    assert refusal(other)[:2] == (422, "bad_data")
    assert len(await submitter.list()) == 1


async def test_null_is_as_good_as_absent_everywhere(submitter: Submitter) -> None:
    absent = dict.fromkeys(
        [
            "from",
            "project_id",
            "template",
            "template_id",
            "text_template_body",
            "html_template_body",
            "template_styles",
            "html_body",
            "data",
            "backend",
            "backend_id",
            "sync",
            "render_only",
            "test",
            "id_from_submitter",
            "no_send",
        ]
    )
    sent = await submitter.submit(**absent)

    assert {
        name: sent[name] for name in absent if name not in {"no_send", "project_id", "backend", "backend_id"}
    } == {
        name: False if name in {"sync", "render_only", "test"} else None
        for name in absent
        if name not in {"no_send", "project_id", "backend", "backend_id"}
    }


def form(boundary: str, *parts: bytes) -> bytes:
    line = f"--{boundary}\r\n".encode()
    return b"".join(line + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()


async def test_attachments_are_stored_as_files_and_sent(submitter: Submitter) -> None:
    message = json.dumps({**submitter.message(sync=True), "attachments": ["/tmp/a.txt"]}).encode()
    body = form(
        "b0",
        b'Content-Disposition: form-data; name="disposition"\r\n\r\ninline',
        b'Content-Disposition: form-data; name="message"\r\n\r\n' + message,
        b'Content-Disposition: form-data; name="attachments[]"; filename="a.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\nfirst",
        b'Content-Disposition: form-data; name="attachments[]"; filename=b.bin\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\x00\x01",
    )
    headers = {**submitter.signed("POST", PATH, message), "content-type": "multipart/form-data; boundary=b0"}
    answered = await submitter.raw("POST", PATH, body, headers)
    again = await submitter.raw("POST", PATH, body, headers)

    assert answered.status == 201, answered.body
    assert again.json()["data"]["id"] == answered.json()["data"]["id"]
    event = await submitter.client.event(answered.json()["data"]["id"])
    assert event["payload"]["metadata"]["disposition"] == "inline"
    assert len([edge for edge in event["edges"] if edge["edgeType"] == "attachment"]) == 2
    files = (await submitter.client.data("{ files { edges { node { filename size state } } } }"))["files"]
    assert sorted((edge["node"]["filename"], edge["node"]["size"]) for edge in files["edges"]) == [
        ("a.txt", 5),
        ("b.bin", 2),
    ]


async def test_too_many_requests_are_told(submitter: Submitter) -> None:
    pool = submitter.client.server.runtime.database.system
    await pool.execute(
        "update organisations set tier = 'free' where id = $1", submitter.client.tenant.organisation_id
    )
    limited = await submitter.with_key()
    async with asyncio.timeout(30):
        while (answered := await limited.call("GET", PATH)).status == 200:
            assert "x-ratelimit-limit" in answered.headers
    assert refusal(answered)[:2] == (429, "too_many_requests")
    assert int(answered.headers["retry-after"]) >= 1


async def test_the_log_agrees_with_what_is_stored(submitter: Submitter, dsn: str) -> None:
    await submitter.submit(sync=True)
    await submitter.submit(sync=True, to="a+rejected@example.com")
    await submitter.submit(render_only=True)

    found = await verify(dsn)

    mine = str(submitter.client.tenant.application_id)
    assert not [(kind, one) for kind, ids in found.items() for one in ids if mine in one]
