"""Every error code of the contract that this API can answer with, its status and its details, over HTTP."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from outrider.tenancy.organisations import change_tier
from tests import clients
from tests.clients import Answered, Client
from tests.surfaces.developer_graphql.test_managing import CREATE_PERSON
from tests.things import NOWHERE

LIMITS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
SEND = """mutation($connection: UUID!) {
  sendMessage(platformConnectionId: $connection, toExternalId: "+14155551234", message: "Hi") { id } }"""


async def ask(
    client: Client, query: str, headers: dict[str, str] | None = None, **variables: object
) -> Answered:
    return await client.request(
        json.dumps({"query": query, "variables": variables}).encode(), headers=headers
    )


def extensions_of(answered: Answered) -> Mapping[str, Any]:
    """What programs are told of the one thing that was wrong."""
    body = answered.json()
    assert body["data"] is None
    (error,) = body["errors"]
    assert error["message"]
    found: Mapping[str, Any] = error["extensions"]
    return found


@pytest.mark.parametrize("authorization", ["", "Bearer otr_live_nobody", "Basic eDp5"])
async def test_unauthorized(client: Client, authorization: str) -> None:
    got = await ask(client, "{ application { id } }", {"authorization": authorization})

    assert (got.status, got.headers["www-authenticate"]) == (401, "Bearer")
    assert extensions_of(got) == {"code": "UNAUTHORIZED", "http": {"status": 401}}


async def test_forbidden_for_want_of_a_scope(client: Client) -> None:
    reader = await client.with_key("events:read")

    got = await ask(reader, SEND, connection=NOWHERE)

    assert got.status == 200
    assert extensions_of(got)["code"] == "FORBIDDEN"
    assert extensions_of(got)["http"] == {"status": 403}


async def test_forbidden_for_another_application(client: Client, stranger: Client) -> None:
    header = {"x-outeract-app-id": str(stranger.tenant.application_id)}

    got = await ask(client, "{ application { id } }", header)

    assert extensions_of(got) == {"code": "FORBIDDEN", "http": {"status": 403}}


async def test_not_found(client: Client) -> None:
    got = await ask(client, SEND, connection=NOWHERE)

    assert got.status == 200
    assert extensions_of(got) == {
        "code": "NOT_FOUND",
        "http": {"status": 404},
        "details": {"resource_type": "PlatformConnection", "resource_id": NOWHERE},
    }
    assert got.json()["errors"][0]["path"] == ["sendMessage"]
    assert got.json()["errors"][0]["locations"] == [{"line": 2, "column": 3}]


async def test_resource_exists(client: Client) -> None:
    connection = await client.connect("SMS", "sandbox", {})
    first, second = [
        await ask(client, CREATE_PERSON, connection=connection["id"], external="+14155551234")
        for _ in range(2)
    ]

    assert "errors" not in first.json()
    assert extensions_of(second) == {
        "code": "RESOURCE_EXISTS",
        "http": {"status": 409},
        "details": {"external_id": "+14155551234", "platform_connection_id": connection["id"]},
    }


@pytest.mark.parametrize(
    ("query", "status", "path"),
    [
        ('mutation { createEvent(eventType: "message.x", payload: {}) { id } }', 200, "eventType"),
        ("{ events(first: 0) { totalCount } }", 200, "first"),
        ('mutation { createUser(name: "") { id } }', 200, "name"),
        ("{ nothing }", 400, None),
        ("{", 400, None),
    ],
)
async def test_validation_error(client: Client, query: str, status: int, path: str | None) -> None:
    got = await ask(client, query)

    expected: dict[str, Any] = {"code": "VALIDATION_ERROR", "http": {"status": 400}}
    assert got.status == status
    assert extensions_of(got) == (expected if path is None else {**expected, "details": {"path": path}})


async def test_platform_error(client: Client) -> None:
    async with clients.listener() as gone:
        address = gone.url

    got = await ask(client, "mutation($url: String!) { createFile(url: $url) { id } }", url=address)

    assert got.status == 200
    assert extensions_of(got)["code"] == "PLATFORM_ERROR"
    assert extensions_of(got)["http"] == {"status": 502}


async def test_rate_limited(client: Client) -> None:
    await change_tier(client.server.runtime.tenancy, client.tenant.organisation_id, "free")
    limited = await client.with_key("*")
    answers = [await ask(limited, "{ __typename }") for _ in range(61)]

    refused = [got for got in answers if got.status == 429]

    assert refused
    for got in refused:
        found = extensions_of(got)
        assert (found["code"], found["http"]) == ("RATE_LIMITED", {"status": 429})
        assert found["details"].keys() == {"limit", "reset_at"}
        assert found["details"]["limit"] == 60
        assert 1 <= int(got.headers["retry-after"]) <= 60
        assert got.json()["errors"][0]["message"] == "Rate limit exceeded"
    assert all(name in got.headers for got in answers for name in LIMITS)
