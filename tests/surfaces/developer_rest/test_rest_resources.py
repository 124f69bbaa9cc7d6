"""Every resource of the REST API, made, read, changed and deleted over HTTP, seen alike through GraphQL."""

import asyncio
from typing import Any

import aiohttp
import pytest

from outrider.surfaces.developer_rest.parameters import COUNT
from outrider.surfaces.developer_rest.table import ROUTES
from tests.clients import listener
from tests.surfaces.developer_rest.rest import MISSING, Rest

CODE_FORM = r"\d{4}-\d{4}-\d{4}-\d{4}"


async def test_an_event_is_created_and_read(rest: Rest) -> None:
    person = await person_of(rest)
    body = {
        "event_type": "order.created",
        "payload": {"order_id": "order_8812", "Total": 42.5},
        "edges": [{"edge_type": "placed_by", "target_node_type": "platform_user", "target_node_id": person}],
    }

    created = await rest.post("/events", body)

    assert created == await rest.get(f"/events/{created['id']}")
    assert created["payload"] == body["payload"]
    (edge,) = created["edges"]
    assert (
        edge.items()
        >= {
            "edge_type": "placed_by",
            "target_node_type": "platform_user",
            "target_node_id": person,
        }.items()
    )


async def test_an_event_is_the_same_through_graphql(rest: Rest) -> None:
    created = await rest.post("/events", {"event_type": "x", "payload": {"a": [1, None]}})

    found = await rest.client.data(
        """query($id: UUID!) { event(id: $id) { id event_type: eventType event_type_id: eventTypeId payload status
          created_at: createdAt processed_at: processedAt origin_event_id: originEventId edges { id } } }""",
        id=created["id"],
    )

    assert found["event"] == created


async def test_events_are_listed_page_by_page(rest: Rest) -> None:
    made = [
        (await rest.post("/events", {"event_type": f"step.n{number}", "payload": {}}))["id"]
        for number in range(5)
    ]

    first = await rest.get("/events", limit=2, order="asc", event_type_prefix="step.")
    second = await rest.get(
        "/events", limit=3, order="asc", event_type_prefix="step.", cursor=first["next_cursor"]
    )

    assert [one["id"] for one in (*first["data"], *second["data"])] == made
    assert (first["has_more"], second["has_more"], second["next_cursor"]) == (True, False, None)


async def test_events_are_found_by_what_is_known_of_them(rest: Rest) -> None:
    person = await person_of(rest)
    edges = [{"edge_type": "about", "target_node_type": "platform_user", "target_node_id": person}]
    origin = await rest.post("/events", {"event_type": "one", "payload": 1, "edges": edges})
    child = await rest.post("/events", {"event_type": "two", "payload": 2, "origin_event_id": origin["id"]})

    async def ids(**parameters: object) -> list[str]:
        return [one["id"] for one in (await rest.get("/events", **parameters))["data"]]

    assert await ids(event_type="two") == [child["id"]]
    assert await ids(origin_event_id=origin["id"]) == [child["id"]]
    assert await ids(edge_type="about") == [origin["id"]]
    assert await ids(event_type="one", target_node_id=person) == [origin["id"]]
    assert await ids(event_type="one", status="completed") == [origin["id"]]
    assert await ids(event_type="one", created_before="2024-01-15T10:30:00Z") == []
    assert await ids(event_type="one", created_after=origin["created_at"]) == []
    assert await ids(event_type="one", created_after="2024-01-15T10:30:00+01:00") == [origin["id"]]


async def test_provenance_is_walked(rest: Rest) -> None:
    origin = await rest.post("/events", {"event_type": "one", "payload": 1})
    child = await rest.post("/events", {"event_type": "two", "payload": 2, "origin_event_id": origin["id"]})

    found = await rest.get(f"/events/{origin['id']}/provenance", depth=1)

    assert [(node["event"]["id"], node["distance"]) for node in found["nodes"]] == [
        (origin["id"], 0),
        (child["id"], 1),
    ]
    assert found["links"] == [{"from_event_id": child["id"], "to_event_id": origin["id"], "edge_type": None}]
    assert found["is_complete"] is True


async def test_a_batch_of_events_has_an_answer_for_each(rest: Rest) -> None:
    events = [
        {"event_type": "one", "payload": 1},
        {"event_type": "message.mine", "payload": 1},
        {"event_type": "two", "payload": 2, "origin_event_id": MISSING},
        {"event_type": "three", "payload": 3, "idempotency_key": "k"},
        {"event_type": "three", "payload": 3, "idempotency_key": "k"},
    ]

    answers = (await rest.post("/events/batch", {"events": events}, status=200))["data"]

    codes = [answer["error"] and answer["error"]["code"] for answer in answers]
    assert codes == [None, "VALIDATION_ERROR", "NOT_FOUND", None, None]
    assert answers[3]["event_id"] == answers[4]["event_id"]
    assert (await rest.get(f"/events/{answers[0]['event_id']}"))["event_type"] == "one"


@pytest.mark.parametrize("count", [0, 501])
async def test_a_batch_of_events_has_its_limits(rest: Rest, count: int) -> None:
    events = [{"event_type": "one", "payload": 1}] * count

    error = await rest.refused("POST", "/events/batch", {"events": events}, status=400)

    assert error["details"] == {"path": "events"}


async def test_a_repeated_key_creates_one_event(rest: Rest) -> None:
    body = {"event_type": "one", "payload": {}}

    first = await rest.post("/events", body, idempotency_key="abc")
    again = await rest.post("/events", body, idempotency_key="abc")
    in_body = await rest.post("/events", body | {"idempotency_key": "abc"})

    assert first["id"] == again["id"] == in_body["id"]
    other = await rest.call("POST", "/events", body | {"payload": 5}, headers={"idempotency-key": "abc"})
    assert (other.status, other.json()["error"]["code"]) == (409, "IDEMPOTENCY_CONFLICT")
    both = await rest.call(
        "POST", "/events", body | {"idempotency_key": "x"}, headers={"idempotency-key": "abc"}
    )
    assert (both.status, both.json()["error"]["details"]) == (400, {"path": "idempotency_key"})


async def test_a_message_is_sent_and_shown(rest: Rest) -> None:
    connection = await rest.connect()

    sent = await rest.send(connection)

    assert sent["status"] == {
        "success": True,
        "external_message_id": sent["status"]["external_message_id"],
        "state": "sent",
        "error": None,
    }
    shown = await rest.get(f"/messages/{sent['id']}")
    assert (shown["id"], shown["status"]) == (sent["id"], sent["status"])
    assert shown["event"] == await rest.get(f"/events/{sent['id']}")
    for parameters in (
        {"direction": "outbound"},
        {"external_message_id": sent["status"]["external_message_id"]},
        {"recipient_external_id": "+14155551234"},
    ):
        assert (await rest.get("/messages", **parameters))["data"] == [shown]
    assert (await rest.get("/messages", direction="inbound"))["data"] == []


async def test_a_message_that_failed_says_why_and_is_sent_again(rest: Rest) -> None:
    connection = await rest.connect()

    sent = await rest.send(connection, "ada.rejected")

    assert sent["status"]["success"] is False
    assert (await rest.get(f"/messages/{sent['id']}"))["status"] == sent["status"]
    again = await rest.post(f"/messages/{sent['id']}/resend")
    assert again["id"] != sent["id"]
    error = await rest.refused("POST", f"/messages/{sent['id']}/cancel", status=409)
    assert error["code"] == "NOT_CANCELLABLE"


async def test_a_scheduled_message_is_cancelled(rest: Rest) -> None:
    sent = await rest.send(await rest.connect(), scheduled_at="2100-01-01T00:00:00Z")

    cancelled = await rest.post(f"/messages/{sent['id']}/cancel", status=200)

    assert cancelled["status"]["state"] == "failed"
    assert cancelled["status"]["error"]["code"] == "CANCELLED"
    error = await rest.refused("POST", f"/messages/{sent['id']}/resolve", {"outcome": "sent"}, status=409)
    assert error["code"] == "NOT_RESOLVABLE"


async def test_several_messages_have_an_answer_each(rest: Rest) -> None:
    connection = await rest.connect()
    good = {"platform_connection_id": connection, "to_external_id": "+14155551234", "message": "Hello"}

    answers = (await rest.post("/messages/batch", {"messages": [good, good | {"message": " "}]}, status=200))[
        "data"
    ]

    assert answers[0]["message"]["status"]["state"] == "accepted"
    assert answers[0]["error"] is None
    assert answers[1]["message"] is None
    assert answers[1]["error"]["code"] == "VALIDATION_ERROR"


async def test_an_inbound_message_is_a_message_without_a_status(rest: Rest) -> None:
    connection = await rest.client.connect("SMS", "sandbox", {})
    body = {"messages": [{"from": "ada", "text": "Hello?"}]}
    await rest.client.knock(connection, body)

    (message,) = (await rest.get("/messages", direction="inbound"))["data"]

    assert message["status"] is None
    assert message["event"]["payload"]["message"]["text"] == "Hello?"
    (conversation,) = (await rest.get("/conversations"))["data"]
    assert conversation["unread_count"] == 1
    assert conversation["last_message"] == message["event"]
    assert conversation["platform_connection_id"] == connection["id"]
    assert conversation == await rest.get(f"/conversations/{conversation['id']}")
    read = await rest.post(f"/conversations/{conversation['id']}/read", status=200)
    assert read["unread_count"] == 0


async def test_an_event_that_is_no_message_is_not_found_as_one(rest: Rest) -> None:
    event = await rest.post("/events", {"event_type": "one", "payload": {}})

    error = await rest.refused("GET", f"/messages/{event['id']}", status=404)

    assert error["details"] == {"resource_type": "Message", "resource_id": event["id"]}


async def test_users_are_created_named_and_merged(rest: Rest) -> None:
    ada = await rest.post("/users", {"name": "Ada"})
    nobody = await rest.post("/users")
    person = await rest.post(
        "/platform-users",
        {
            "platform_connection_id": await rest.connect(),
            "external_id": "+14155551234",
            "user_id": nobody["id"],
            "profile_picture_url": "https://example.com/ada.png",
        },
    )

    renamed = await rest.patch(f"/users/{ada['id']}", {"name": "Ada Lovelace"})
    merge = await rest.post(
        "/users/merge", {"source_user_id": nobody["id"], "target_user_id": ada["id"]}, status=200
    )

    assert renamed == {**ada, "name": "Ada Lovelace"}
    assert person["user_id"] == nobody["id"]
    assert merge["merged_platform_user_ids"] == [person["id"]]
    assert (await rest.get(f"/events/{merge['event_id']}"))["event_type"] == "user.merged"
    assert await rest.get(f"/users/{nobody['id']}") == merge["user"]
    assert (await rest.get("/users", is_system_user="false"))["data"] == [merge["user"]]
    found = await rest.get("/platform-users", external_id="+14155551234", user_id=ada["id"])
    assert found["data"] == [{**person, "user_id": ada["id"]}]
    assert await rest.get(f"/platform-users/{person['id']}") == found["data"][0]
    assert (await rest.patch(f"/users/{ada['id']}", {"name": None}))["name"] is None


async def test_a_platform_user_is_changed_in_what_the_body_says(rest: Rest) -> None:
    address = {"platform_connection_id": await rest.connect(), "external_id": "+14155551234"}
    person = await rest.post("/platform-users", address | {"name": "Ada"})
    picture = "https://example.com/ada.png"

    shown = await rest.patch(f"/platform-users/{person['id']}", {"profile_picture_url": picture})
    bare = await rest.patch(f"/platform-users/{person['id']}", {"name": None})
    error = await rest.refused("PATCH", f"/platform-users/{person['id']}", {"name": " "}, status=400)

    assert shown == {**person, "profile_picture_url": picture}
    assert bare == {**shown, "name": None}
    assert error["details"] == {"path": "name"}
    assert await rest.get(f"/platform-users/{person['id']}") == bare


async def test_an_update_of_a_user_must_say_the_name(rest: Rest) -> None:
    ada = await rest.post("/users", {"name": "Ada"})

    error = await rest.refused("PATCH", f"/users/{ada['id']}", {}, status=400)

    assert error["details"] == {"path": "name"}
    assert (await rest.get(f"/users/{ada['id']}"))["name"] == "Ada"


async def test_a_platform_user_that_exists_is_refused_with_its_details(rest: Rest) -> None:
    body = {"platform_connection_id": await rest.connect(), "external_id": "+14155551234"}
    await rest.post("/platform-users", body)

    error = await rest.refused("POST", "/platform-users", body, status=409)

    assert error["code"] == "RESOURCE_EXISTS"
    assert error["details"] == body


async def test_a_link_code_links_two_platform_users(rest: Rest) -> None:
    first, second = await person_of(rest, "ada"), await person_of(rest, "ada.two")

    made = await rest.post("/link-codes", {"platform_user_id": first, "expiry_minutes": 15, "max_uses": 1})
    used = await rest.post(
        "/link-codes/activate", {"code": made["code"], "platform_user_id": second}, status=200
    )

    assert made.keys() == {"code", "expires_at", "event_id"}
    assert used["source_platform_user_id"] == first
    assert used["target_platform_user_id"] == second
    assert used["merged_platform_user_ids"] == [second]
    assert (await rest.get(f"/platform-users/{second}"))["user_id"] == used["user_id"]
    gone = await rest.refused(
        "POST",
        "/link-codes/activate",
        {"code": made["code"], "platform_user_id": await person_of(rest, "ada.three")},
        status=410,
    )
    assert gone["code"] == "LINK_CODE_EXHAUSTED"


async def test_connections_are_managed(rest: Rest) -> None:
    created = await rest.post(
        "/platform-connections", {"platform_name": "telegram", "provider": "sandbox", "name": "Support"}
    )
    path = f"/platform-connections/{created['id']}"

    changed = await rest.patch(path, {"name": "Help", "status": "disabled", "in_doubt_policy": "hold"})
    tested = await rest.post(f"{path}/test", status=200)

    assert (created["platform_name"], created["in_doubt_policy"]) == ("telegram", "retry")
    assert not created["webhook_url"].endswith("****")
    assert (changed["name"], changed["status"], changed["in_doubt_policy"]) == ("Help", "disabled", "hold")
    assert changed["webhook_url"].endswith("****")
    assert tested["success"] is True
    shown = await rest.get(path)
    assert shown["health"] == tested["health"]
    assert (await rest.get("/platform-connections"))["data"] == [shown]
    await rest.delete(path)
    assert (await rest.get("/platform-connections")) == {"data": [], "next_cursor": None, "has_more": False}
    await rest.refused("GET", path, status=404)


async def test_the_application_is_changed(rest: Rest) -> None:
    changed = await rest.patch("/application", {"config": {"auto_mark_read": "on_received"}})

    assert changed["config"]["auto_mark_read"] == "on_received"
    assert await rest.get("/application") == changed


async def test_webhook_subscriptions_are_managed(rest: Rest) -> None:
    async with listener() as heard:
        created = await rest.post(
            "/webhook-subscriptions",
            {"name": "Orders", "target_url": heard.url, "event_patterns": ["order.*"]},
        )
        path = f"/webhook-subscriptions/{created['id']}"
        secret = created.pop("secret")
        shown = await rest.get(path)
        assert secret.startswith("whsec_")
        assert shown == created | {"secret": None}
        assert (await rest.get("/webhook-subscriptions"))["data"] == [shown]

        tried = await rest.post(f"{path}/test", status=200)
        assert tried["subscription_id"] == created["id"]
        delivery = await delivered(rest, tried["id"])
        assert [one["status_code"] for one in delivery["attempts"]] == [200]
        assert (await rest.get("/webhook-deliveries", state="succeeded"))["data"] == [delivery]
        assert (await rest.get("/webhook-deliveries", state="failed"))["data"] == []
        refused = await rest.refused("POST", f"/webhook-deliveries/{tried['id']}/retry", status=409)
        assert refused["code"] == "NOT_RETRYABLE"

        assert (await rest.post(f"{path}/pause", status=200))["status"] == "paused"
        assert (await rest.post(f"{path}/resume", status=200))["status"] == "active"
        rotated = await rest.post(f"{path}/rotate-secret", status=200)
        assert rotated["secret"] not in {None, secret}
        changed = await rest.patch(path, {"event_patterns": ["message.*"]})
        assert changed["event_patterns"] == ["message.*"]
    await rest.delete(path)
    await rest.refused("GET", path, status=404)
    assert (await rest.get("/webhook-subscriptions"))["data"] == []


async def test_event_schemas_have_versions(rest: Rest) -> None:
    created = await rest.post(
        "/event-schemas", {"name": "order.created", "json_schema": {"required": ["order_id"]}}
    )
    path = f"/event-schemas/{created['id']}"

    changed = await rest.patch(path, {"description": "An order was placed."})

    assert (created["version"], changed["version"]) == (1, 2)
    shown = await rest.get(path)
    assert [one["version"] for one in shown.pop("versions")] == [2, 1]
    assert shown == changed
    listed = (await rest.get("/event-schemas"))["data"]
    assert listed[-1] == shown
    assert len(listed) == 7
    error = await rest.refused("POST", "/events", {"event_type": "order.created", "payload": {}}, status=400)
    assert error["code"] == "VALIDATION_ERROR"
    assert error["details"]["path"] == "payload.order_id"


async def test_log_entries_are_written_and_found(rest: Rest) -> None:
    event = await rest.post("/events", {"event_type": "one", "payload": {}})

    entry = await rest.post(
        "/logs", {"message": "Looked it up", "log_level": "warning", "event_id": event["id"], "payload": [1]}
    )
    plain = await rest.post("/logs", {"message": "Nothing else"})

    assert (await rest.get("/logs"))["data"] == [plain, entry]
    assert (await rest.get("/logs", log_level="warning"))["data"] == [entry]
    assert (await rest.get("/logs", event_id=event["id"], log_type="execution"))["data"] == [entry]


async def test_a_file_is_uploaded_and_shown(rest: Rest) -> None:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", b"\x00\r\n--x\r\n\xff" * 1000, filename="Grüße.png", content_type="image/png")

    uploaded = await upload(rest, form)

    assert (uploaded["filename"], uploaded["mime_type"], uploaded["size"]) == (
        "Grüße.png",
        "image/png",
        9000,
    )
    assert uploaded["state"] == "ready"
    shown = await rest.get(f"/files/{uploaded['id']}")
    assert {**shown, "url": None} == {**uploaded, "url": None}
    listed = await rest.get("/files", mime_type="image/png", state="ready")
    assert [one["id"] for one in listed["data"]] == [uploaded["id"]]
    async with rest.client.session.get(
        uploaded["url"].replace(uploaded_at(uploaded), rest.client.base_url)
    ) as got:
        assert await got.read() == b"\x00\r\n--x\r\n\xff" * 1000


async def test_a_file_is_called_as_the_form_says(rest: Rest) -> None:
    form = aiohttp.FormData({"filename": "menu.pdf", "mime_type": "application/pdf"})
    form.add_field("file", b"%PDF", filename="x")

    uploaded = await upload(rest, form)

    assert (uploaded["filename"], uploaded["mime_type"]) == ("menu.pdf", "application/pdf")


def uploaded_at(file: Any) -> str:
    return "/".join(str(file["url"]).split("/")[:3])


async def upload(rest: Rest, form: aiohttp.FormData) -> Any:
    headers = {"authorization": f"Bearer {rest.client.key}"}
    async with rest.client.session.post(
        f"{rest.client.base_url}/v1/files", data=form, headers=headers
    ) as answer:
        assert answer.status == 201, await answer.text()
        return await answer.json()


async def person_of(rest: Rest, external_id: str = "ada") -> str:
    """A new platform user on a connection of its own."""
    connection = (await rest.get("/platform-connections"))["data"]
    connection_id = connection[0]["id"] if connection else await rest.connect()
    made = await rest.post(
        "/platform-users", {"platform_connection_id": connection_id, "external_id": external_id}
    )
    return str(made["id"])


async def delivered(rest: Rest, delivery_id: str) -> Any:
    async with asyncio.timeout(10):
        while (found := await rest.get(f"/webhook-deliveries/{delivery_id}"))["state"] != "succeeded":
            await asyncio.sleep(0.02)
        return found


@pytest.mark.parametrize("path", ["/events", f"/events/{MISSING}", "/openapi.json"])
async def test_head_is_answered_as_get_without_the_body(rest: Rest, path: str) -> None:
    got, head = [await rest.call(method, path) for method in ("GET", "HEAD")]

    assert head.status == got.status
    assert head.body == b""
    named = ("content-type", "content-length")
    assert [head.headers[name] for name in named] == [got.headers[name] for name in named]
    assert head.headers.keys() == got.headers.keys()


async def test_a_list_is_counted_if_that_is_asked_for(rest: Rest) -> None:
    for number in range(3):
        await rest.post("/events", {"event_type": "seen" if number else "heard", "payload": {}})

    plain = await rest.get("/events", limit=1)
    uncounted = await rest.get("/events", limit=1, total_count="false")
    counted = await rest.get("/events", limit=1, total_count="true", event_type="seen")

    assert plain == uncounted
    assert plain.keys() == {"data", "next_cursor", "has_more"}
    assert (counted["total_count"], counted["total_count_exact"]) == (2, True)
    assert len(counted["data"]) == 1


async def test_every_list_with_pages_can_be_counted(rest: Rest) -> None:
    paths = [one.path for one in ROUTES if any(parameter is COUNT for parameter in one.parameters)]

    found = [await rest.get(path.removeprefix("/v1"), total_count="true") for path in paths]

    assert len(paths) == 9
    assert all(type(one["total_count"]) is int and one["total_count_exact"] is True for one in found)


async def test_conversations_deliveries_and_logs_are_filtered_by_their_times_and_words(rest: Rest) -> None:
    connection = await rest.client.connect("SMS", "sandbox", {})
    first = {"messages": [{"id": "first", "from": "+14150000001", "text": "Hi"}]}
    assert (await rest.client.knock(connection, first)).status == 200
    await rest.post("/logs", {"message": "Looked the order up."})
    async with listener() as heard:
        subscription_id = await rest.client.subscribe(heard.url, "never.matched")
        await rest.post(f"/webhook-subscriptions/{subscription_id}/test", status=200)
    past, future = "2001-01-01T00:00:00Z", "2100-01-01T00:00:00Z"

    async def found(path: str, **parameters: object) -> int:
        return len((await rest.get(path, **parameters))["data"])

    assert await found("/conversations", last_message_after=past, last_message_before=future) == 1
    assert await found("/conversations", last_message_after=future) == 0
    assert await found("/webhook-deliveries", created_after=past, created_before=future) == 1
    assert await found("/webhook-deliveries", created_before=past) == 0
    assert await found("/logs", message_contains="the order", created_after=past) == 1
    assert await found("/logs", message_contains="the door") == 0
