"""What the read API refuses, and how: limits, cursors, parameters, ids, keys, scopes and methods."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from outrider.runtime.http import Gate, build_app
from outrider.runtime.operating import operating_endpoint
from outrider.runtime.surfaces import open_surfaces
from tests.clients import Answered
from tests.surfaces.outbound_rest.shelf import ENDPOINTS, MISSING, Reads, fill

LISTS = ("/contacts", "/lists", "/drafts", "/events")
SCOPES = {
    "contacts": "contacts.read",
    "lists": "lists.read",
    "drafts": "drafts.read",
    "events": "events.read",
}


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", ["0", "-1", "1.5", "ten", "", "+1", " 1", "٣", "1e2"])
async def test_a_limit_that_is_none_is_refused(reads: Reads, path: str, limit: str) -> None:
    problem = await reads.problem(path, status=400, slug="invalid-request", limit=limit)

    assert problem["detail"].startswith("limit ")


def _cursor(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


NEW = "019e5000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "=",
        "eyJpZCI6Ii4uLiIsInQiOiIyMDI2LTA1LTIzVDEwOjAwOjAwLjAwMFoifQ",
        _cursor(b"\xff"),
        _cursor([]),
        _cursor({"id": NEW}),
        _cursor({"id": NEW, "t": "2026-05-23T10:00:00.000Z"}),
        _cursor({"t": "2026-05-22T15:35:54.240Z", "id": NEW}),
        _cursor({"id": "00000000-0000-4000-8000-000000000000", "t": "2026-05-22T15:35:54.240Z"}),
        "A" * 10_000,
    ],
)
async def test_a_cursor_that_is_none_is_refused(reads: Reads, cursor: str) -> None:
    for path in LISTS:
        problem = await reads.problem(path, status=400, slug="invalid-request", cursor=cursor)
        assert "cursor" in problem["detail"]


async def test_a_padded_cursor_is_refused(reads: Reads) -> None:
    for _ in range(2):
        await reads.list()
    cursor = (await reads.get("/lists", limit=1))["nextCursor"]

    await reads.problem("/lists", status=400, slug="invalid-request", cursor=f"{cursor}==")
    assert len((await reads.get("/lists", cursor=cursor))["data"]) == 1


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/contacts", "list_id=1"),
        ("/contacts", "listId=1"),
        ("/contacts", "qualificationStatus="),
        ("/contacts", f"q={'a' * 201}"),
        ("/contacts", "limit=1&limit=1"),
        ("/contacts", "q=%ff"),
        ("/contacts", "q=%00"),
        ("/contacts", "q"),
        ("/lists", "includeArchived=yes"),
        ("/lists", "status=draft"),
        ("/drafts", "status=lost"),
        ("/drafts", "contactId=me"),
        ("/events", "eventType="),
        ("/events", "eventType=a,,b"),
        ("/events", f"eventType={','.join(f'a{n}' for n in range(51))}"),
        ("/events", "contactId=1"),
        ("/me", "limit=1"),
        (f"/contacts/{MISSING}", "q=a"),
    ],
)
async def test_a_parameter_that_cannot_be_is_refused(reads: Reads, path: str, query: str) -> None:
    await reads.problem(path, status=400, slug="invalid-request", query=query)


@pytest.mark.parametrize("given", ["missing", "junk"])
@pytest.mark.parametrize("path", ["/contacts/{}", "/contacts/{}/research", "/lists/{}", "/drafts/{}"])
async def test_what_is_not_there_is_not_found(reads: Reads, path: str, given: str) -> None:
    text = MISSING if given == "missing" else "%00; drop table contacts"
    problem = await reads.problem(path.format(text), status=404, slug="not-found")

    assert problem["detail"] == "The resource does not exist."


@pytest.mark.parametrize("path", ["", "/", "/nothing", "/me/", "/contacts/", f"/contacts/{MISSING}/drafts"])
async def test_an_address_without_an_endpoint_is_not_found(reads: Reads, path: str) -> None:
    await reads.problem(path, status=404, slug="not-found")


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer obk_live_00000000000000000000000000000000",
        "Bearer obk_live_0000000000000000000000000000000",
        "Bearer otr_live_00000000000000000000000000000000000000000000",
        "Basic b2JrX2xpdmU6",
    ],
)
async def test_without_a_valid_key_the_answer_has_the_documented_words(
    reads: Reads, authorization: str
) -> None:
    for path in (*ENDPOINTS, "/nothing"):
        answered = await reads.call(
            path.replace("{", "").replace("}", ""), headers={"authorization": authorization}
        )
        problem = reads.told(answered, 401, "invalid-api-key")
        assert problem["title"] == "Invalid API key"
        assert problem["detail"] == "The presented API key is not valid."
        assert answered.headers["www-authenticate"] == "Bearer"
        assert "x-ratelimit-limit" not in answered.headers
        assert answered.headers["x-request-id"]


async def test_a_developers_key_reads_nothing_here(reads: Reads) -> None:
    answered = await reads.call("/me", headers={"authorization": f"Bearer {reads.client.key}"})

    reads.told(answered, 401, "invalid-api-key")


async def test_each_endpoint_requires_its_scope(reads: Reads) -> None:
    stock = await fill(reads)
    for scope in SCOPES.values():
        key = await reads.fresh(scope)
        for template in ENDPOINTS:
            answered = await key.call(stock.path(template))
            needed = SCOPES.get(template.split("/")[1])
            if needed in (None, scope):
                assert answered.status == 200, template
            else:
                problem = key.told(answered, 403, "insufficient-scope")
                assert str(needed) in problem["detail"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
async def test_other_methods_are_refused_with_those_that_are_allowed(reads: Reads, method: str) -> None:
    for template in ENDPOINTS:
        answered = await reads.call(template.replace("{", "").replace("}", ""), method=method)
        reads.told(answered, 405, "method-not-allowed")
        assert answered.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_head_answers_as_get_without_a_body(reads: Reads) -> None:
    stock = await fill(reads)
    for template in ENDPOINTS:
        got = await reads.call(stock.path(template))
        head = await reads.call(stock.path(template), method="HEAD")
        assert (head.status, head.body) == (200, b""), template
        assert head.headers["content-type"] == got.headers["content-type"]
        if template not in {"/me", "/events"}:
            assert head.headers["content-length"] == str(len(got.body))
    missing = await reads.call(f"/lists/{MISSING}", method="HEAD")
    assert (missing.status, missing.body) == (404, b"")


async def test_options_tells_the_methods_to_anybody(reads: Reads) -> None:
    for template in ENDPOINTS:
        path = template.replace("{", "").replace("}", "")
        answered = await reads.call(path, method="OPTIONS", headers={"authorization": ""})
        assert (answered.status, answered.body) == (204, b"")
        assert answered.headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await reads.call("/nothing", method="OPTIONS")).status == 404


async def test_every_answer_to_a_known_key_tells_its_limit(reads: Reads) -> None:
    before = datetime.now(UTC).timestamp()
    answers = [
        await reads.call("/me"),
        await reads.call("/nothing"),
        await reads.call("/lists", limit="x"),
        await reads.call("/lists", method="POST"),
        await (await reads.fresh("lists.read")).call("/drafts"),
    ]

    assert [one.status for one in answers] == [200, 404, 400, 405, 403]
    for one in answers:
        assert one.headers["x-ratelimit-limit"] == "60"
        assert before <= int(one.headers["x-ratelimit-reset"]) <= before + 121
        assert one.headers["x-request-id"]


async def test_a_request_id_comes_back(reads: Reads) -> None:
    answered = await reads.call("/me", headers={"x-request-id": "mine-1"})

    assert answered.headers["x-request-id"] == "mine-1"


async def test_a_server_that_stops_says_so_in_a_problem_document(reads: Reads) -> None:
    runtime = reads.client.server.runtime
    gate = Gate(is_open=False)
    app = build_app(open_surfaces(runtime).endpoints, operating_endpoint(runtime, gate), gate)
    told: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    scope = {"type": "http", "method": "GET", "path": "/api/v1/me", "query_string": b"", "headers": []}
    await app(scope, None, send)  # type: ignore[arg-type]

    start, body = told
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    reads.told(Answered(start["status"], headers, body["body"]), 503, "service-unavailable")
    assert (headers["retry-after"], headers["connection"]) == ("1", "close")
