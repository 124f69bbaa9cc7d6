"""The endpoint itself: statuses, headers, bounds."""

import asyncio
import json
import time
from dataclasses import replace

import pytest

from outrider.runtime.surfaces import admin_endpoint
from outrider.surfaces import graphql_limits as limits
from outrider.tenancy.organisations import change_tier
from tests.administrators import PASSWORD, PATH, SIGN_IN, Administrator
from tests.clients import Server

LIMITS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
ME = "{ me { id } }"


async def test_every_answer_tells_the_limit(owner: Administrator) -> None:
    nobody = replace(owner, key="")
    answers = [
        await owner.post(ME),
        await owner.post("{ nothing }"),
        await owner.post('mutation { createApplication(name: "") { id } }'),
        await owner.request(b"{", path=PATH),
        await owner.request(b"{}", path=PATH, headers={"content-type": "text/plain"}),
        await owner.request(b"", path=PATH, method="GET"),
        await nobody.post(ME),
        await nobody.post(SIGN_IN, {"email": owner.email, "password": PASSWORD}),
        await nobody.post(SIGN_IN, {"email": owner.email, "password": "wrong"}),
        await replace(owner, key="junk").post(ME),
    ]

    assert [one.status for one in answers] == [200, 400, 200, 400, 415, 405, 401, 200, 200, 401]
    assert all(name in one.headers for one in answers for name in LIMITS)
    assert all(one.headers["cache-control"] == "no-store" for one in answers)
    assert [one.headers["x-ratelimit-limit"] for one in answers[:6]] == ["1000000"] * 6
    assert [one.headers["x-ratelimit-limit"] for one in answers[6:]] == ["600"] * 4


async def test_a_member_is_limited_by_the_tier(server: Server, owner: Administrator) -> None:
    await change_tier(server.runtime.tenancy, owner.tenant.organisation_id, "free")
    again = await owner.sign_in()

    answers = [await again.post(ME) for _ in range(30)]

    refused = next(one for one in answers if one.status == 429)
    assert refused.json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-ratelimit-limit"] == "60"


async def test_the_organisation_is_read_as_documented(owner: Administrator) -> None:
    created = await owner.data(
        """mutation { createApplication(name: "Ferry Two", config: {auto_mark_read: "on_received"}) {
          id name slug config } }"""
    )
    connection = await owner.data(
        """mutation($a: UUID!) { createPlatformConnection(
          applicationId: $a, platformName: TELEGRAM, provider: "sandbox", name: "Bot") {
            id webhookUrl health { status } } }""",
        a=created["createApplication"]["id"],
    )

    shown = await owner.data(
        """{ organisation { id name tier applications { id name platformConnections {
          id platformName status webhookUrl config inDoubtPolicy } } } }"""
    )

    assert created["createApplication"]["config"]["auto_mark_read"] == "on_received"
    assert created["createApplication"]["slug"] == "ferry-two"
    assert shown["organisation"]["id"] == str(owner.tenant.organisation_id)
    first, second = shown["organisation"]["applications"]
    assert first == {
        "id": str(owner.tenant.application_id),
        "name": "Ferry desk",
        "platformConnections": [],
    }
    (shown_connection,) = second["platformConnections"]
    told = connection["createPlatformConnection"]
    assert told["health"] == {"status": "unknown"}
    assert shown_connection == {
        "id": told["id"],
        "platformName": "TELEGRAM",
        "status": "active",
        "webhookUrl": told["webhookUrl"].rpartition("/")[0] + "/********",
        "config": {},
        "inDoubtPolicy": "RETRY",
    }


async def test_a_list_is_read_once_however_often_it_is_asked_for(
    server: Server, owner: Administrator
) -> None:
    for number in range(3):
        await owner.data(f'mutation {{ createApplication(name: "No {number}") {{ id }} }}')
    settings = server.runtime.database.settings
    heard: list[str] = []
    connections = [holder._con for holder in settings._holders if holder._con is not None]
    for connection in connections:
        connection.add_query_logger(lambda record: heard.append(record.query))
    try:
        await owner.data(
            """{ a: applications { platformConnections { id } apiKeys { id } }
              organisation { applications { platformConnections { id } apiKeys { id } } } }"""
        )
    finally:
        for connection in connections:
            connection._query_loggers.clear()

    read = [query for query in heard if "set_config" not in query and query.lstrip().startswith("select")]
    assert len(read) <= 4


@pytest.mark.parametrize(
    "query",
    [
        "{ organisation " * 13 + "{ id }" + " }" * 13,
        "{ " + " ".join(f"a{n}: applications {{ id }}" for n in range(300)) + " }",
        "{ me { id } } " * 6_000,
        "query A { me { id } } query B { me { id } }",
        "subscription { me }",
        "fragment F on Query { me { id } }",
        "{ me { id password } }",
        "{ me { ...F } } fragment F on Member { ...F }",
        "x" * (limits.MOST_BYTES + 1),
        "",
    ],
)
async def test_what_is_no_request_of_the_schema_is_refused(owner: Administrator, query: str) -> None:
    answered = await owner.post(query)

    assert answered.status == 400
    assert answered.json()["data"] is None
    assert {one["extensions"]["code"] for one in answered.json()["errors"]} == {"VALIDATION_ERROR"}


async def test_one_of_several_operations_is_carried_out(owner: Administrator) -> None:
    body = {"query": "query A { me { id } } query B { organisation { id } }", "operationName": "B"}

    answered = await owner.request(json.dumps(body).encode(), path=PATH)

    assert answered.json() == {"data": {"organisation": {"id": str(owner.tenant.organisation_id)}}}


async def test_the_schema_tells_of_itself(owner: Administrator) -> None:
    found = await owner.data("{ __schema { types { name description } } __typename }")

    assert "AuditEvent" in {one["name"] for one in found["__schema"]["types"]}


async def test_an_api_key_is_none_here(server: Server, owner: Administrator) -> None:
    created = await owner.data(
        'mutation($a: UUID!) { createApiKey(applicationId: $a, name: "k", scopes: ["*"]) { token } }',
        a=str(owner.tenant.application_id),
    )

    assert (await replace(owner, key=created["createApiKey"]["token"]).post(ME)).status == 401


async def test_a_caller_that_hangs_up_while_the_schema_is_built_takes_nothing_from_others(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[float] = []

    def build() -> None:
        time.sleep(0.2)
        built.append(time.monotonic())

    monkeypatch.setattr("outrider.surfaces.admin_graphql.endpoint.admin_schema", build)
    endpoint = admin_endpoint(server.runtime)
    hung_up = asyncio.create_task(endpoint._load())
    other = asyncio.create_task(endpoint._load())
    await asyncio.sleep(0.05)
    hung_up.cancel()

    await other
    await endpoint._load()
    assert len(built) == 1
    assert hung_up.cancelled()
