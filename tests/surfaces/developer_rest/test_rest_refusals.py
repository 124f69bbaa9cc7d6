"""What REST refuses, and how it says so: one envelope, the right status, the headers that belong to it."""

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
import pytest

from outrider.core import log
from outrider.core.storable import MAX_DEPTH
from tests.surfaces.developer_rest.rest import LIMITS, MISSING, Rest

EVENT = {"event_type": "one", "payload": {}}


async def test_without_a_key_nothing_is_told(rest: Rest) -> None:
    nobody = Rest(replace(rest.client, key="otr_live_wrong"))

    for path in ("/events", "/nothing", f"/events/{MISSING}"):
        answered = await nobody.call("GET", path)
        assert answered.status == 401
        assert answered.json()["error"]["code"] == "UNAUTHORIZED"
        assert answered.headers["www-authenticate"] == "Bearer"
        assert not set(LIMITS) & {name.lower() for name in answered.headers}


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/events/", "/events//", "/events/a/b/c", "/Events"])
async def test_what_is_not_there_is_not_found(rest: Rest, path: str) -> None:
    error = await rest.refused("GET", path, status=404)

    assert error["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/events", "GET, HEAD, POST"),
        ("DELETE", f"/events/{MISSING}", "GET, HEAD"),
        ("GET", "/users/merge", "POST"),
        ("HEAD", "/users/merge", "POST"),
        ("POST", "/openapi.json", "GET, HEAD"),
    ],
)
async def test_other_methods_are_refused_with_those_that_are_taken(
    rest: Rest, method: str, path: str, allowed: str
) -> None:
    answered = await rest.call(method, path)

    assert answered.status == 405
    assert answered.headers["allow"] == allowed
    assert method == "HEAD" or answered.json()["error"]["code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b"\xff", None),
        (b'{"event_type": "one", "payload": NaN}', None),
        ({"event_type": "one"}, "payload"),
        ({"event_type": "one", "payload": None}, "payload"),
        ({"event_type": 5, "payload": {}}, "event_type"),
        ({"event_type": "message.mine", "payload": {}}, "event_type"),
        ({"eventType": "one", "payload": {}}, None),
        (EVENT | {"edges": {}}, "edges"),
        (EVENT | {"edges": [5]}, "edges[0]"),
        (EVENT | {"edges": [{"edge_type": "x", "target_node_type": "user"}]}, "edges[0].target_node_id"),
        (
            EVENT | {"edges": [{"edge_type": "x", "target_node_type": "USER", "target_node_id": MISSING}]},
            "edges[0].target_node_type",
        ),
        (
            EVENT | {"edges": [{"edge_type": " ", "target_node_type": "user", "target_node_id": MISSING}]},
            "edges[0].edge_type",
        ),
        (EVENT | {"origin_event_id": "x"}, "origin_event_id"),
        (EVENT | {"payload": {"a": "\0"}}, "body.payload.a"),
        (b'{"event_type": "one", "payload": "\\ud800"}', None),
        (EVENT | {"idempotency_key": ""}, "idempotency_key"),
    ],
)
async def test_a_bad_body_is_refused_with_its_place(rest: Rest, body: Any, path: str | None) -> None:
    error = await rest.refused("POST", "/events", body, status=400)

    assert error["code"] == "VALIDATION_ERROR"
    assert error["details"].get("path") == path
    assert (await rest.get("/events"))["data"] == []


async def test_a_body_is_not_too_deep(rest: Rest) -> None:
    deep = b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)

    error = await rest.refused("POST", "/events", b'{"event_type": "x", "payload": %b}' % deep, status=400)

    assert "nested" in error["message"]


async def test_a_body_is_not_too_large(rest: Rest) -> None:
    large = b'{"event_type": "x", "payload": "%b"}' % (b"x" * 2**20)

    error = await rest.refused("POST", "/events", large, status=413)

    assert error["code"] == "PAYLOAD_TOO_LARGE"


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data; boundary=x"])
async def test_another_media_type_is_refused(rest: Rest, content_type: str) -> None:
    answered = await rest.call("POST", "/events", EVENT, headers={"content-type": content_type})

    assert answered.status == 415
    assert answered.json()["error"]["code"] == "UNSUPPORTED_MEDIA_TYPE"


async def test_a_body_where_there_is_none_is_refused(rest: Rest) -> None:
    sent = await rest.send(await rest.connect(), scheduled_at="2100-01-01T00:00:00Z")

    await rest.refused("POST", f"/messages/{sent['id']}/cancel", {"now": True}, status=400)

    assert (await rest.post(f"/messages/{sent['id']}/cancel", {}, status=200))["id"] == sent["id"]


@pytest.mark.parametrize(
    ("parameters", "path"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"order": "ASC"}, "order"),
        ({"created_after": "yesterday"}, "created_after"),
        ({"created_after": "2024-01-15T10:30:00"}, "created_after"),
        ({"target_node_id": "x"}, "target_node_id"),
        ({"event_type": "a\0"}, "event_type"),
        ({"status": "sent"}, "status"),
        ({"total_count": "yes"}, "total_count"),
        ({"eventType": "x"}, "query"),
    ],
)
async def test_a_bad_parameter_is_refused_with_its_name(
    rest: Rest, parameters: dict[str, object], path: str
) -> None:
    error = await rest.refused("GET", f"/events?{urlencode(parameters)}", status=400)

    assert error["code"] == "VALIDATION_ERROR"
    assert error["details"] == {"path": path}
    assert "first" not in error["message"]


@pytest.mark.parametrize("query", ["limit=1&limit=2", "limit", "event_type=%ff", "event_type=%F0%9F", "a=b"])
async def test_a_bad_query_string_is_refused(rest: Rest, query: str) -> None:
    await rest.refused("GET", f"/events?{query}", status=400)
    await rest.refused("GET", f"/events/{MISSING}?{query}", status=400)


async def test_a_bad_id_in_a_path_is_refused(rest: Rest) -> None:
    error = await rest.refused("GET", "/events/evt_123", status=400)

    assert error["details"] == {"path": "id"}
    assert (await rest.refused("GET", f"/events/evt_{MISSING}", status=404))["details"] == {
        "resource_type": "Event",
        "resource_id": MISSING,
    }


@pytest.mark.parametrize("key", ["", "x" * 256, "a\u00e9", "a\tb"])
async def test_a_bad_idempotency_key_is_refused(rest: Rest, key: str) -> None:
    answered = await rest.call("POST", "/events", EVENT, headers={"Idempotency-Key": key or " "})

    assert answered.status == 400
    assert (await rest.get("/events"))["data"] == []


@pytest.mark.parametrize(
    ("scope", "method", "path", "body"),
    [
        ("events:read", "GET", "/events", None),
        ("events:read", "GET", "/messages", None),
        ("events:read", "GET", "/conversations", None),
        ("events:read", "GET", "/platform-connections", None),
        ("events:read", "GET", "/webhook-subscriptions", None),
        ("events:read", "GET", "/webhook-deliveries", None),
        ("events:read", "GET", "/event-schemas", None),
        ("events:read", "GET", "/application", None),
        ("events:read", "GET", "/files", None),
        ("events:write", "POST", "/events", EVENT),
        ("events:write", "POST", "/events/batch", {"events": [EVENT]}),
        ("events:write", "POST", "/event-schemas", {"name": "one", "json_schema": {}}),
        ("users:read", "GET", "/users", None),
        ("users:read", "GET", "/platform-users", None),
        ("users:write", "POST", "/users", {"name": "Ada"}),
        ("logs:read", "GET", "/logs", None),
        ("logs:write", "POST", "/logs", {"message": "x"}),
        ("*", "PATCH", "/application", {"name": "x"}),
        (
            "*",
            "POST",
            "/platform-connections",
            {"platform_name": "sms", "name": "x", "provider": "sandbox"},
        ),
        (
            "*",
            "POST",
            "/webhook-subscriptions",
            {"name": "x", "target_url": "http://127.0.0.1:9/", "event_patterns": ["*"]},
        ),
    ],
)
async def test_a_scope_is_needed_and_enough(
    rest: Rest, scope: str, method: str, path: str, body: object
) -> None:
    every = {"events:read", "events:write", "users:read", "users:write", "logs:read", "logs:write"}
    without = Rest(await rest.client.with_key(*(every - {scope})))
    only = Rest(await rest.client.with_key(scope))

    error = await without.refused(method, path, body, status=403)
    allowed = await only.call(method, path, body)

    assert error == {
        "code": "FORBIDDEN",
        "message": f"The API key lacks the scope {scope}.",
        "details": {"required_scope": scope},
    }
    # what was made is shown to whoever made it
    assert allowed.status in {200, 201}, allowed.body


async def test_another_application_in_the_header_is_forbidden(rest: Rest, foreign: Rest) -> None:
    own = str(rest.client.tenant.application_id)

    assert (await rest.call("GET", "/events", headers={"x-outeract-app-id": own})).status == 200
    other = str(foreign.client.tenant.application_id)
    answered = await rest.call("GET", "/events", headers={"x-outeract-app-id": other})
    assert (answered.status, answered.json()["error"]["code"]) == (403, "FORBIDDEN")


async def test_credentials_of_outkit_select_its_own_contract(rest: Rest) -> None:
    headers = {"outkit-access-key": "x", "authorization": ""}

    answered = await rest.call("POST", "/messages", {}, headers=headers)

    assert answered.status == 401
    assert answered.json()["error"].keys() == {"code", "message"}
    assert answered.json()["error"]["code"] == "unauthorized"
    assert (await rest.call("GET", "/events", headers={"outkit-access-key": "x"})).status == 200


async def on_tier(rest: Rest, tier: str) -> Rest:
    pool = rest.client.server.runtime.database.system
    change = "update organisations set tier = $1 where id = $2"
    await pool.execute(change, tier, rest.client.tenant.organisation_id)
    return Rest(await rest.client.with_key("*"))


async def test_every_answer_to_a_key_tells_its_limit(rest: Rest) -> None:
    limited = await on_tier(rest, "pro")

    answers = [
        await limited.call("GET", "/events"),
        await limited.call("GET", "/nothing"),
        await limited.call("PUT", "/events"),
        await limited.call("POST", "/events", b"{"),
        await limited.call("POST", "/events", b"x", headers={"content-type": "text/plain"}),
        await limited.call("GET", f"/events/{MISSING}"),
        await limited.call("POST", "/users", {}),
        await limited.call("GET", "/events", headers={"x-outeract-app-id": MISSING}),
    ]

    assert [one.status for one in answers] == [200, 404, 405, 400, 415, 404, 201, 403]
    assert [int(one.headers["x-ratelimit-remaining"]) for one in answers] == [
        599, 598, 597, 596, 595, 594, 593, 592
    ]  # fmt: skip
    assert {one.headers["x-ratelimit-limit"] for one in answers} == {"600"}
    assert all("x-ratelimit-reset" in one.headers for one in answers)


async def test_too_many_requests_are_refused_as_documented(rest: Rest) -> None:
    limited = await on_tier(rest, "free")

    answers = await asyncio.gather(*(limited.call("GET", "/events") for _ in range(40)))

    refused = next(one for one in answers if one.status == 429)
    error = refused.json()["error"]
    assert error["code"] == "RATE_LIMITED"
    assert error["message"] == "Rate limit exceeded"
    assert error["details"].keys() == {"limit", "reset_at"}
    assert error["details"]["limit"] == 60
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-ratelimit-limit"] == "60"


async def test_graphql_and_rest_count_together(rest: Rest) -> None:
    limited = await on_tier(rest, "pro")

    first = await limited.call("GET", "/events")
    second = await limited.client.request(b'{"query": "{ __typename }"}')

    left = [int(one.headers["x-ratelimit-remaining"]) for one in (first, second)]
    assert left == [599, 598]


async def test_a_request_has_one_line_and_a_name(rest: Rest) -> None:
    lines: list[bytes] = []

    with log.redirected(lines.append):
        answered = await rest.call("GET", "/events", headers={"x-request-id": "mine-1"})
        refused = await rest.call("GET", f"/users/{MISSING}")

    found = [one for one in map(orjson.loads, lines) if one["event"] == "rest.answered"]
    assert answered.headers["x-request-id"] == "mine-1"
    assert [(one["request_id"], one["operation"], one["status"], one["outcome"]) for one in found] == [
        ("mine-1", "list_events", 200, "ok"),
        (refused.headers["x-request-id"], "get_user", 404, "refused"),
    ]
    assert found[0]["application_id"] == str(rest.client.tenant.application_id)
    assert found[1]["code"] == "NOT_FOUND"
    counted = rest.client.server.runtime.metrics.http_requests_total
    assert counted.value("developer_rest", "404") >= 1


async def test_the_description_is_for_everybody(rest: Rest) -> None:
    answered = await rest.call("GET", "/openapi.json", headers={"authorization": ""})

    assert answered.status == 200
    assert answered.json()["openapi"] == "3.1.0"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x--\r\n",
        b"nothing",
        b"--x\r\n\r\nno headers\r\n--x--",
        b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nno end',
        b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--",
        b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\na\r\n--x--',
        b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n\r\n--x--',
        (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\na\r\n' * 2) + b"--x--",
        (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\na\r\n' * 20) + b"--x--",
        (
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\na\r\n'
            b'--x\r\nContent-Disposition: form-data; name="filename"\r\n\r\n\xff\r\n--x--'
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\na\r\n'
            b'--x\r\nContent-Disposition: form-data; name="mime_type"\r\n\r\nnone\r\n--x--'
        ),
        b"--x\r\nContent-Disposition: form-data; name=file; filename*=a\x00b''c\r\n\r\na\r\n--x--",
        b"--x\r\nContent-Disposition: form-data; name=file; filename*=idna''%ff\r\n\r\na\r\n--x--",
    ],
)
async def test_a_bad_form_is_refused(rest: Rest, body: bytes) -> None:
    headers = {"content-type": "multipart/form-data; boundary=x"}

    answered = await rest.call("POST", "/files", body, headers=headers)

    assert answered.status == 400, answered.body
    assert (await rest.get("/files"))["data"] == []


async def begun_upload(rest: Rest) -> asyncio.StreamWriter:
    """An upload whose body does not come."""
    address = urlsplit(rest.client.base_url)
    _reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(
        f"POST /v1/files HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {rest.client.key}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000\r\n\r\n".encode()
    )
    await writer.drain()
    return writer


async def test_slow_uploads_of_one_leave_room_to_others(rest: Rest, foreign: Rest) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\na\r\n--x--'
    headers = {"content-type": "multipart/form-data; boundary=x"}
    slow = [await begun_upload(rest) for _ in range(4)]
    try:
        refused, done, small = await asyncio.gather(
            rest.call("POST", "/files", body, headers=headers),
            foreign.call("POST", "/files", body, headers=headers),
            rest.call("POST", "/events", EVENT),
        )
    finally:
        for one in slow:
            one.close()

    assert (refused.status, refused.json()["error"]["code"]) == (503, "UNAVAILABLE")
    assert refused.headers["retry-after"] == "1"
    assert (done.status, small.status) == (201, 201)
    assert (await rest.call("POST", "/files", body, headers=headers)).status == 201


async def test_a_file_is_not_too_large(rest: Rest) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
    headers = {"content-type": "multipart/form-data; boundary=x"}

    for size in (25_000_001, 26_000_000):
        answered = await rest.call("POST", "/files", head + bytes(size) + b"\r\n--x--", headers=headers)
        assert (answered.status, answered.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
