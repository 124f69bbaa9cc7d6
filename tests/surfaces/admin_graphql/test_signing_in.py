"""Signing in, going on, and out again."""

import asyncio
import json
from dataclasses import replace

import jwt
import pytest
from argon2 import PasswordHasher

from outrider.tenancy.members.roles import Role
from tests.administrators import PASSWORD, REFRESH, SIGN_IN, Administrator, add_member, new_administrator
from tests.clients import Server

ME = "{ me { id email name role status createdAt lastSignedInAt } }"
CHANGE = """mutation($old: String!, $new: String!) {
  changePassword(currentPassword: $old, newPassword: $new) { id } }"""
WRONG = "The e-mail address or the password is wrong."


async def test_whoever_signs_in_is_told_who_they_are(owner: Administrator) -> None:
    (me,) = (await owner.data(ME)).values()

    assert me["id"] == owner.member_id
    assert (me["email"], me["role"], me["status"]) == (owner.email, "OWNER", "ACTIVE")
    assert me["createdAt"] <= me["lastSignedInAt"]


async def test_an_access_token_says_what_it_is(owner: Administrator) -> None:
    header = jwt.get_unverified_header(owner.key)
    said = jwt.decode(owner.key, options={"verify_signature": False})

    assert header["alg"] == "HS256"
    assert header["kid"]
    assert said["exp"] - said["iat"] == 15 * 60
    assert (said["sub"], said["org"], said["role"]) == (
        owner.member_id,
        str(owner.tenant.organisation_id),
        "owner",
    )
    assert {"iss", "aud", "jti", "sid"} <= said.keys()


async def test_the_address_may_be_spelled_otherwise(owner: Administrator) -> None:
    again = await owner.sign_in(email=f"  {owner.email.upper()} ")

    assert again.member_id == owner.member_id


@pytest.mark.parametrize("who", ["owner", "nobody"])
async def test_wrong_credentials_are_refused_alike(owner: Administrator, who: str) -> None:
    email = owner.email if who == "owner" else f"nobody-{owner.email}"

    answer = await replace(owner, key="").post(SIGN_IN, {"email": email, "password": "not this one, no"})

    assert answer.status == 200
    assert answer.json() == {
        "data": None,
        "errors": [
            {
                "message": WRONG,
                "path": ["signIn"],
                "locations": answer.json()["errors"][0]["locations"],
                "extensions": {"code": "UNAUTHORIZED", "http": {"status": 401}},
            }
        ],
    }


async def test_without_a_valid_token_nothing_but_signing_in_is_answered(owner: Administrator) -> None:
    nobody = replace(owner, key="")
    spoiled = replace(owner, key=owner.key[:-4] + ("AAAA" if owner.key[-4:] != "AAAA" else "BBBB"))
    both = 'mutation { signOut signIn(email: "a@b.example", password: "x") { accessToken } }'

    answers = [
        await one.post(query)
        for one in (
            nobody,
            spoiled,
            replace(owner, key="otr_live_" + "x" * 43),
            replace(owner, key="eyJ.e.e"),
        )
        for query in (ME, "{ __schema { types { name } } }", both, "mutation { __typename }")
    ]

    assert [got.status for got in answers] == [401] * len(answers)
    assert {got.json()["errors"][0]["extensions"]["code"] for got in answers} == {"UNAUTHORIZED"}
    assert all(got.headers["www-authenticate"] == "Bearer" for got in answers)


async def test_a_token_that_has_expired_hinders_nobody_from_going_on(owner: Administrator) -> None:
    stale = replace(owner, key="eyJhbGciOiJIUzI1NiJ9.e30.c3RhbGU")

    assert (await stale.data(REFRESH, token=owner.refresh_token))["refresh"]["member"]["id"]


async def test_each_refresh_token_is_good_once_and_the_access_token_lives_on(owner: Administrator) -> None:
    second = await owner.refreshed()
    third = await second.refreshed()

    assert len({owner.refresh_token, second.refresh_token, third.refresh_token}) == 3
    for one in (owner, second, third):
        assert (await one.data(ME))["me"]["id"] == owner.member_id


async def test_a_used_refresh_token_ends_the_whole_session(owner: Administrator) -> None:
    other = await owner.sign_in()
    second = await owner.refreshed()

    refused = await replace(owner, key="").refused(REFRESH, token=owner.refresh_token)

    assert refused["code"] == "UNAUTHORIZED"
    assert refused["http"] == {"status": 401}
    assert (await replace(owner, key="").refused(REFRESH, token=second.refresh_token))[
        "code"
    ] == "UNAUTHORIZED"
    await gone(second)
    await gone(owner)
    assert (await other.data(ME))["me"]["id"] == owner.member_id
    events = (await other.data("{ auditLog(first: 1) { edges { node { eventType payload } } } }"))["auditLog"]
    assert events["edges"][0]["node"]["eventType"] == "system.member.session_ended"


async def test_of_two_who_bring_a_token_at_once_one_goes_on_or_none(owner: Administrator) -> None:
    nobody = replace(owner, key="")

    answers = await asyncio.gather(*[nobody.graphql(REFRESH, token=owner.refresh_token) for _ in range(5)])

    assert sum("errors" not in one for one in answers) == 1
    await gone(owner)


async def test_signing_out_ends_both_tokens(owner: Administrator) -> None:
    other = await owner.sign_in()

    assert await owner.data("mutation { signOut }") == {"signOut": True}

    await gone(owner)
    assert (await replace(owner, key="").refused(REFRESH, token=owner.refresh_token))[
        "code"
    ] == "UNAUTHORIZED"
    await other.data(ME)


async def test_a_changed_password_ends_the_other_sessions(owner: Administrator) -> None:
    other = await owner.sign_in()
    new = "another lighthouse password"

    refused = await owner.refused(CHANGE, old="not this one, no", new=new)
    await owner.data(CHANGE, old=PASSWORD, new=new)

    assert refused["code"] == "UNAUTHORIZED"
    await gone(other)
    await owner.data(ME)
    assert (await replace(owner, key="").refused(SIGN_IN, email=owner.email, password=PASSWORD))[
        "message"
    ] == WRONG
    await owner.sign_in(password=new)


@pytest.mark.parametrize("password", ["", "eleven char", "x" * 257, "with\x00a control character"])
async def test_passwords_have_bounds(owner: Administrator, password: str) -> None:
    refused = await owner.refused(CHANGE, old=PASSWORD, new=password)

    assert refused["code"] == "VALIDATION_ERROR"
    await owner.sign_in()


async def test_a_hash_of_other_parameters_is_made_anew(server: Server, owner: Administrator) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
    pool = server.runtime.database.system
    await pool.execute(
        "update members set password_hash = $1 where email = $2", weak.hash(PASSWORD), owner.email
    )

    await owner.sign_in()

    kept = await pool.fetchval("select password_hash from members where email = $1", owner.email)
    assert kept.startswith("$argon2id$")
    assert not PasswordHasher().check_needs_rehash(kept)
    await owner.sign_in()


async def test_secrets_are_kept_as_hashes_only(server: Server, owner: Administrator) -> None:
    # one that no other test has, whatever junk those leave as names
    password = f"a password of {owner.member_id}"
    await owner.data(CHANGE, old=PASSWORD, new=password)
    pool = server.runtime.database.system
    for table in ("members", "refresh_tokens", "member_sessions", "signing_keys", "password_attempts"):
        rows = await pool.fetch(f"select row_to_json(t)::text as row from {table} t")
        text = json.dumps([row["row"] for row in rows])
        assert rows
        assert password not in text
        assert owner.refresh_token not in text


async def test_several_signing_keys_are_good_at_the_same_time(server: Server, owner: Administrator) -> None:
    keys, pool = server.runtime.access.keys, server.runtime.database.system
    old = jwt.get_unverified_header(owner.key)["kid"]
    try:
        await pool.execute("update signing_keys set created_at = created_at - interval '30 days 1 hour'")
        keys._newest.clear()
        keys._known.clear()

        again = await owner.sign_in()

        assert jwt.get_unverified_header(again.key)["kid"] != old
        await again.data(ME)
        await owner.data(ME)
        await pool.execute(
            "update signing_keys set created_at = created_at - interval '2 days' where id = $1", old
        )
        keys._known.clear()
        assert (await owner.post(ME)).status == 401
        await again.data(ME)
    finally:
        await pool.execute("delete from signing_keys where id = $1", old)


async def test_a_token_of_another_key_or_algorithm_is_none(owner: Administrator) -> None:
    said = jwt.decode(owner.key, options={"verify_signature": False})
    kid = jwt.get_unverified_header(owner.key)["kid"]
    forged = [
        jwt.encode(said, "x" * 32, algorithm="HS256", headers={"kid": kid}),
        jwt.encode(said, None, algorithm="none", headers={"kid": kid}),  # type: ignore[arg-type]
        jwt.encode(said, "x" * 32, algorithm="HS256", headers={"kid": "../../etc"}),
        jwt.encode(said, "x" * 32, algorithm="HS256"),
    ]

    assert [(await replace(owner, key=one).post(ME)).status for one in forged] == [401] * 4


async def test_of_a_member_with_another_role_the_token_tells_no_lies(
    server: Server, owner: Administrator
) -> None:
    admin = await new_administrator(server, Role.ADMIN, tenant=owner.tenant)
    change = "mutation($id: UUID!) { updateMember(id: $id, role: VIEWER) { role } }"

    await owner.data(change, id=admin.member_id)

    async with asyncio.timeout(1):
        while (await admin.data(ME))["me"]["role"] != "VIEWER" or "errors" not in await admin.graphql(
            'mutation { updateOrganisation(name: "x") { id } }'
        ):
            await asyncio.sleep(0.02)
    assert (await admin.refused('mutation { updateOrganisation(name: "x") { id } }'))["code"] == "FORBIDDEN"


async def test_a_disabled_member_is_refused_and_may_come_back(server: Server, owner: Administrator) -> None:
    viewer = await new_administrator(server, Role.VIEWER, tenant=owner.tenant)
    change = (
        "mutation($id: UUID!, $to: MemberStatusChoice!) { updateMember(id: $id, status: $to) { status } }"
    )

    await owner.data(change, id=viewer.member_id, to="DISABLED")

    await gone(viewer)
    assert (await replace(viewer, key="").refused(SIGN_IN, email=viewer.email, password=PASSWORD))[
        "message"
    ] == WRONG
    await owner.data(change, id=viewer.member_id, to="ACTIVE")
    await gone(viewer)
    await (await viewer.sign_in()).data(ME)


async def test_the_address_of_a_removed_member_is_free(server: Server, owner: Administrator) -> None:
    viewer = await new_administrator(server, Role.VIEWER, tenant=owner.tenant)

    removed = await owner.data(
        "mutation($id: UUID!) { removeMember(id: $id) { status } }", id=viewer.member_id
    )

    assert removed == {"removeMember": {"status": "REMOVED"}}
    await gone(viewer)
    email = await add_member(server.runtime, owner.tenant.organisation_id, Role.VIEWER)
    assert email != viewer.email
    again = await owner.data(
        "mutation($email: String!) { inviteMember(email: $email, role: VIEWER) { token } }",
        email=viewer.email,
    )
    assert again["inviteMember"]["token"].startswith("otr_invite_")


async def gone(administrator: Administrator) -> None:
    """Fails unless a token is refused within a second."""
    async with asyncio.timeout(1):
        while (await administrator.post(ME)).status != 401:
            await asyncio.sleep(0.02)
