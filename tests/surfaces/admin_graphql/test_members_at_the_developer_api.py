"""A member's access token at `POST /`, with the application in a header."""

import json
from typing import Any

import pytest

from outrider.surfaces.developer_graphql.mutations import MUTATIONS
from outrider.tenancy.members.roles import Role
from outrider.tenancy.organisations import change_tier
from tests.administrators import Administrator, new_administrator
from tests.clients import Answered, Server

HEADER = "x-outeract-app-id"
APPLICATION = "{ application { id } }"


async def ask(administrator: Administrator, query: str, **headers: str) -> Answered:
    """Ask the developer API; names the application unless told otherwise."""
    named = {HEADER: str(administrator.tenant.application_id), **headers}
    return await administrator.request(json.dumps({"query": query}).encode(), headers=named)


def error_of(answered: Answered) -> dict[str, Any]:
    (error,) = answered.json()["errors"]
    return {"message": error["message"], **error["extensions"]}


@pytest.mark.parametrize("prefix", ["", "app_"])
async def test_a_member_works_in_the_application_that_it_names(owner: Administrator, prefix: str) -> None:
    application_id = str(owner.tenant.application_id)

    answered = await ask(owner, APPLICATION, **{HEADER: prefix + application_id})

    assert answered.status == 200
    assert answered.json() == {"data": {"application": {"id": application_id}}}
    assert answered.headers["x-ratelimit-limit"] == "1000000"


async def test_without_an_application_the_header_is_asked_for(owner: Administrator) -> None:
    answered = await ask(owner, APPLICATION, **{HEADER: ""})

    assert answered.status == 400
    assert error_of(answered)["code"] == "APP_ID_REQUIRED"
    assert error_of(answered)["http"] == {"status": 400}


async def test_an_application_that_is_not_theirs_is_refused_like_a_missing_one(
    owner: Administrator, foreigner: Administrator
) -> None:
    answers = [
        await ask(owner, APPLICATION, **{HEADER: one})
        for one in (
            str(foreigner.tenant.application_id),
            "00000000-0000-7000-8000-000000000000",
            str(owner.tenant.hidden_application_id),
            str(foreigner.tenant.hidden_application_id),
            "no id at all",
        )
    ]

    assert len({answered.body for answered in answers}) == 1
    assert error_of(answers[0])["code"] == "FORBIDDEN"
    assert error_of(answers[0])["http"] == {"status": 403}


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN, Role.DEVELOPER])
async def test_what_a_member_writes_names_it(server: Server, owner: Administrator, role: Role) -> None:
    member = await new_administrator(server, role, tenant=owner.tenant)

    connected = await ask(
        member,
        'mutation { createPlatformConnection(platformName: SMS, provider: "sandbox", name: "x") { id } }',
    )
    person = await ask(member, 'mutation { createUser(name: "Ada") { id } }')

    assert connected.json()["data"], connected.json()
    assert person.json()["data"], person.json()
    log = await owner.data("{ auditLog(first: 1) { edges { node { eventType by { type id } } } } }")
    assert log["auditLog"]["edges"][0]["node"] == {
        "eventType": "system.connection.created",
        "by": {"type": "member", "id": member.member_id},
    }
    events = await ask(member, "{ events(first: 1) { edges { node { eventType payload } } } }")
    (edge,) = events.json()["data"]["events"]["edges"]
    assert edge["node"]["payload"]["by"] == {"type": "member", "id": member.member_id}


async def test_a_viewer_only_reads(server: Server, owner: Administrator) -> None:
    viewer = await new_administrator(server, Role.VIEWER, tenant=owner.tenant)
    reads = "{ application { id } events { totalCount } users { totalCount } logs { edges { node { id } } } }"

    assert "errors" not in (await ask(viewer, reads)).json()
    refused = await ask(viewer, 'mutation { createUser(name: "Ada") { id } }')

    assert error_of(refused)["code"] == "FORBIDDEN"
    assert "role" in error_of(refused)["message"]
    assert all(mutation.scope is not None for mutation in MUTATIONS.values()), "each asks for a scope"


async def test_an_access_token_that_is_none_is_refused(owner: Administrator) -> None:
    for token in (owner.key[:-3] + "xxx", "eyJhbGciOiJub25lIn0.e30.", owner.refresh_token):
        answered = await ask(owner, APPLICATION, authorization=f"Bearer {token}")
        assert answered.status == 401
        assert error_of(answered)["code"] == "UNAUTHORIZED"


async def test_a_member_is_limited_as_a_key_is(server: Server, owner: Administrator) -> None:
    await change_tier(server.runtime.tenancy, owner.tenant.organisation_id, "free")
    second = await new_administrator(server, tenant=owner.tenant)

    answers = [await ask(second, APPLICATION) for _ in range(30)]

    assert {answered.headers["x-ratelimit-limit"] for answered in answers} == {"60"}
    refused = next(answered for answered in answers if answered.status == 429)
    assert error_of(refused)["code"] == "RATE_LIMITED"
    assert (await owner.post("{ me { id } }")).status == 200


async def test_also_what_names_a_wrong_application_is_counted(server: Server, owner: Administrator) -> None:
    await change_tier(server.runtime.tenancy, owner.tenant.organisation_id, "pro")
    member = await new_administrator(server, tenant=owner.tenant)

    answers = [await ask(member, APPLICATION, **{HEADER: one}) for one in ("", "no id at all")]

    assert [error_of(answered)["code"] for answered in answers] == ["APP_ID_REQUIRED", "FORBIDDEN"]
    assert [answered.headers["x-ratelimit-remaining"] for answered in answers] == ["599", "598"]
