"""Invitations: from the one who invites to the one who comes."""

from dataclasses import replace

import pytest

from tests.administrators import PASSWORD, Administrator, new_administrator
from tests.clients import Server

INVITE = """mutation($email: String!) { inviteMember(email: $email, role: DEVELOPER) {
  token invitation { id email role expiresAt } } }"""
ACCEPT = """mutation($token: String!, $password: String!) { acceptInvitation(
  token: $token, name: "Guest", password: $password) { accessToken refreshToken member { id email role } } }"""


async def invite(owner: Administrator, email: str) -> tuple[str, str]:
    """The id and the token of a new invitation."""
    invited = (await owner.data(INVITE, email=email))["inviteMember"]
    return invited["invitation"]["id"], invited["token"]


@pytest.fixture
def email(owner: Administrator) -> str:
    """An address that nobody has."""
    return f"guest-{owner.email}"


async def test_whoever_is_invited_becomes_a_member(owner: Administrator, email: str) -> None:
    _, token = await invite(owner, email.upper())
    nobody = replace(owner, key="")

    session = (await nobody.data(ACCEPT, token=token, password=PASSWORD))["acceptInvitation"]

    assert session["member"]["email"] == email
    guest = nobody.holding(session)
    assert (await guest.data("{ me { role name } invitations { id } }")) == {
        "me": {"role": "DEVELOPER", "name": "Guest"},
        "invitations": [],
    }
    await (await guest.refreshed()).sign_in(email=email)
    assert (await nobody.refused(ACCEPT, token=token, password=PASSWORD))["code"] == "NOT_FOUND"
    assert (await owner.refused(INVITE, email=email))["code"] == "RESOURCE_EXISTS"


@pytest.mark.parametrize("how", ["taken back", "replaced", "expired", "made up"])
async def test_an_invitation_that_is_none_any_more_is_not_found(
    server: Server, owner: Administrator, email: str, how: str
) -> None:
    invitation_id, token = await invite(owner, email)
    match how:
        case "taken back":
            await owner.data("mutation($id: UUID!) { revokeInvitation(id: $id) }", id=invitation_id)
        case "replaced":
            await invite(owner, email)
        case "expired":
            await server.runtime.database.system.execute(
                "update invitations set expires_at = now() where id = $1", invitation_id
            )
        case _:
            token = "otr_invite_none"

    refused = await replace(owner, key="").refused(ACCEPT, token=token, password=PASSWORD)

    assert refused["code"] == "NOT_FOUND"
    assert len((await owner.data("{ members { id } }"))["members"]) == 1


async def test_an_address_of_another_organisation_is_told_to_nobody_but_who_accepts(
    server: Server, owner: Administrator
) -> None:
    elsewhere = await new_administrator(server)
    _, token = await invite(owner, elsewhere.email)

    refused = await replace(owner, key="").refused(ACCEPT, token=token, password=PASSWORD)

    assert refused["code"] == "RESOURCE_EXISTS"
    await elsewhere.sign_in()


async def test_a_short_password_leaves_the_invitation(owner: Administrator, email: str) -> None:
    _, token = await invite(owner, email)

    refused = await replace(owner, key="").refused(ACCEPT, token=token, password="short")

    assert refused["code"] == "VALIDATION_ERROR"
    await replace(owner, key="").data(ACCEPT, token=token, password=PASSWORD)


@pytest.mark.parametrize(
    "address", ["", "x", "a@", "@b.example", "a b@c.example", "a@b@c.example", "x" * 255 + "@b.example"]
)
async def test_what_is_no_address_is_refused(owner: Administrator, address: str) -> None:
    assert (await owner.refused(INVITE, email=address))["code"] == "VALIDATION_ERROR"
