"""What is changed at one server holds at the other: within a second, and within five if nobody tells it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from time import monotonic

import pytest

from outrider.runtime.running import running_server
from outrider.tenancy.members.attempts import MOST_OF_EMAIL
from outrider.tenancy.members.roles import Role
from tests.administrators import PASSWORD, REFRESH, SIGN_IN, Administrator, new_administrator
from tests.clients import Server
from tests.conftest import settings_for
from tests.surfaces.admin_graphql.world import new_world

ME = "{ me { role } }"


@pytest.fixture(scope="module")
async def other(server: Server, dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Server]:
    """A second server on the same database."""
    settings = settings_for(tmp_path_factory.mktemp("other"), dsn, PORT="0")
    async with running_server(settings, dsn) as running:
        yield Server(running.runtime, f"http://127.0.0.1:{running.port}", server.session)


@pytest.fixture
async def deaf(server: Server, dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Server]:
    """A second server that no notification reaches."""
    settings = settings_for(tmp_path_factory.mktemp("deaf"), dsn, PORT="0")
    async with running_server(settings, dsn) as running:
        await running.runtime.listener.close()
        yield Server(running.runtime, f"http://127.0.0.1:{running.port}", server.session)


@pytest.fixture(autouse=True)
async def _no_attempts(server: Server) -> None:
    """All tests come from one address."""
    await server.runtime.database.system.execute("delete from password_attempts")


async def key_status(administrator: Administrator, token: str) -> int:
    """How a server answers a key."""
    body = json.dumps({"query": "{ application { id } }"}).encode()
    return (await administrator.request(body, headers={"authorization": f"Bearer {token}"})).status


async def refused_after(administrator: Administrator, token: str, *, within: float) -> float:
    """How long a key is still taken."""
    began = monotonic()
    async with asyncio.timeout(within):
        while await key_status(administrator, token) != 401:
            await asyncio.sleep(0.02)
    return monotonic() - began


async def new_key(owner: Administrator) -> tuple[str, str]:
    """A new application's key: its id and token."""
    made = await owner.data('mutation { createApplication(name: "Keys") { id } }')
    created = await owner.data(
        """mutation($a: UUID!) { createApiKey(applicationId: $a, name: "k", scopes: ["*"]) {
          token apiKey { id } } }""",
        a=made["createApplication"]["id"],
    )
    return created["createApiKey"]["apiKey"]["id"], created["createApiKey"]["token"]


async def test_tokens_are_good_at_every_server(owner: Administrator, other: Server) -> None:
    there = owner.at(other.base_url)

    assert await there.data(ME) == {"me": {"role": "OWNER"}}
    second = await there.refreshed()
    await second.at(owner.base_url).data(ME)
    refused = await replace(owner, key="").refused(REFRESH, token=owner.refresh_token)
    assert refused["code"] == "UNAUTHORIZED"


async def test_a_revoked_key_is_refused_within_a_second(owner: Administrator, other: Server) -> None:
    key_id, token = await new_key(owner)
    there = owner.at(other.base_url)
    assert await key_status(there, token) == 200

    await owner.data("mutation($id: UUID!) { revokeApiKey(id: $id) { revokedAt } }", id=key_id)

    await refused_after(there, token, within=1)


async def test_a_revoked_key_is_refused_within_five_seconds_if_nobody_tells(
    owner: Administrator, deaf: Server
) -> None:
    key_id, token = await new_key(owner)
    there = owner.at(deaf.base_url)
    assert await key_status(there, token) == 200

    await owner.data("mutation($id: UUID!) { revokeApiKey(id: $id) { revokedAt } }", id=key_id)

    # it is remembered for a while: else this would show nothing
    assert await key_status(there, token) == 200
    await refused_after(there, token, within=5)


async def test_a_rotated_key_works_until_the_overlap_ends(
    server: Server, owner: Administrator, other: Server
) -> None:
    key_id, token = await new_key(owner)
    there = owner.at(other.base_url)
    rotate = """mutation($id: UUID!, $minutes: Int) { rotateApiKey(id: $id, overlapMinutes: $minutes) {
      token apiKey { id name scopes environment maskedToken expiresAt } } }"""
    assert await key_status(there, token) == 200

    rotated = (await owner.data(rotate, id=key_id, minutes=60))["rotateApiKey"]

    assert rotated["apiKey"]["scopes"] == ["*"]
    assert rotated["apiKey"]["expiresAt"] is None
    assert rotated["apiKey"]["maskedToken"].endswith(rotated["token"][-4:])
    assert [await key_status(there, one) for one in (token, rotated["token"])] == [200, 200]
    await server.runtime.database.system.execute(
        "update api_keys set expires_at = now() where id = $1", rotated["apiKey"]["id"]
    )
    again = (await owner.data(rotate, id=key_id, minutes=0))["rotateApiKey"]
    await refused_after(there, token, within=1)
    assert await key_status(there, again["token"]) == 200
    for minutes in (-1, 10_081, None):
        answer = await owner.graphql(rotate, id=again["apiKey"]["id"], minutes=minutes)
        assert answer["errors"][0]["extensions"]["code"] == "VALIDATION_ERROR"
    for ended in (key_id, rotated["apiKey"]["id"]):
        assert (await owner.refused(rotate, id=ended, minutes=5))["code"] == "VALIDATION_ERROR"


async def test_the_keys_of_an_archived_application_stop_everywhere(
    server: Server, owner: Administrator, other: Server
) -> None:
    world = await new_world(server, owner)
    created = await owner.data(
        'mutation($a: UUID!) { createApiKey(applicationId: $a, name: "k", scopes: ["*"]) { token } }',
        a=world.application,
    )
    token, there = created["createApiKey"]["token"], owner.at(other.base_url)
    named = {"x-outeract-app-id": world.application}
    query = json.dumps({"query": "{ application { id } }"}).encode()
    assert await key_status(there, token) == 200
    assert b"errors" not in (await there.request(query, headers=named)).body

    await owner.data(
        "mutation($id: UUID!) { deleteApplication(id: $id) { archivedAt } }", id=world.application
    )

    await refused_after(there, token, within=1)
    async with asyncio.timeout(1):
        while b"FORBIDDEN" not in (await there.request(query, headers=named)).body:
            await asyncio.sleep(0.02)
    shown = await owner.data("{ applications { id archivedAt slug platformConnections { status } } }")
    (archived,) = [one for one in shown["applications"] if one["id"] == world.application]
    assert archived["archivedAt"]
    assert [one["status"] for one in archived["platformConnections"]] == ["disabled"]
    # its slug is free again
    await owner.data('mutation { createApplication(name: "World") { id } }')


async def test_a_removed_member_is_refused_within_a_second(
    server: Server, owner: Administrator, other: Server
) -> None:
    viewer = (await new_administrator(server, Role.VIEWER, tenant=owner.tenant)).at(other.base_url)
    await viewer.data(ME)

    await owner.data("mutation($id: UUID!) { removeMember(id: $id) { id } }", id=viewer.member_id)

    async with asyncio.timeout(1):
        while (await viewer.post(ME)).status != 401:
            await asyncio.sleep(0.02)


async def test_a_removed_member_is_refused_within_five_seconds_if_nobody_tells(
    server: Server, owner: Administrator, deaf: Server
) -> None:
    viewer = (await new_administrator(server, Role.VIEWER, tenant=owner.tenant)).at(deaf.base_url)
    await viewer.data(ME)

    await owner.data("mutation($id: UUID!) { removeMember(id: $id) { id } }", id=viewer.member_id)

    async with asyncio.timeout(5):
        while (await viewer.post(ME)).status != 401:
            await asyncio.sleep(0.05)


async def test_guessing_is_stopped_over_all_servers(owner: Administrator, other: Server) -> None:
    nobody = replace(owner, key="")
    wrong = {"email": owner.email, "password": "a wrong guess of it"}
    for number in range(MOST_OF_EMAIL):
        where = nobody if number % 2 else nobody.at(other.base_url)
        assert (await where.refused(SIGN_IN, **wrong))["code"] == "UNAUTHORIZED"

    for where in (nobody, nobody.at(other.base_url)):
        # also with the right password: whoever guessed it must not hear of it
        answer = await where.post(SIGN_IN, {"email": owner.email, "password": PASSWORD})
        assert answer.status == 429
        assert 0 < int(answer.headers["retry-after"]) <= 15 * 60
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert error["extensions"]["http"] == {"status": 429}
        assert error["extensions"]["details"].keys() == {"limit", "reset_at"}
    # who is signed in goes on
    await owner.data(ME)
    await owner.refreshed()


async def test_guessing_at_once_gets_no_further(owner: Administrator) -> None:
    nobody = replace(owner, key="")

    answers = await asyncio.gather(
        *[nobody.refused(SIGN_IN, email=owner.email, password=f"guess number {n} of it") for n in range(20)]
    )

    codes = [one["code"] for one in answers]
    assert codes.count("UNAUTHORIZED") == MOST_OF_EMAIL
    assert codes.count("RATE_LIMITED") == 20 - MOST_OF_EMAIL


async def test_nobodys_address_is_stopped_alike(owner: Administrator) -> None:
    nobody = replace(owner, key="")
    email = f"nobody-{owner.email}"

    answers = [
        await nobody.refused(SIGN_IN, email=email, password="a wrong guess of it")
        for _ in range(MOST_OF_EMAIL + 1)
    ]

    assert [one["code"] for one in answers] == ["UNAUTHORIZED"] * MOST_OF_EMAIL + ["RATE_LIMITED"]


async def test_signing_in_counts_for_nobody(owner: Administrator) -> None:
    nobody = replace(owner, key="")
    for _ in range(MOST_OF_EMAIL - 1):
        await nobody.refused(SIGN_IN, email=owner.email, password="a wrong guess of it")

    for _ in range(MOST_OF_EMAIL):
        await owner.sign_in()

    last = [
        await nobody.refused(SIGN_IN, email=owner.email, password="a wrong guess of it") for _ in range(2)
    ]
    assert [one["code"] for one in last] == ["UNAUTHORIZED", "RATE_LIMITED"]
