"""Guesses from elsewhere do not keep out whoever signs in from where they did before; and guessing stays limited."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from uuid import UUID

import pytest

from outrider.core.sealing import Sealer
from outrider.runtime.running import running_server
from outrider.tenancy.members.attempts import take_attempt
from outrider.tenancy.members.cross_tenant import delete_expired
from outrider.tenancy.members.managing import reset_password
from tests.administrators import PASSWORD, SIGN_IN, Administrator, new_administrator
from tests.clients import Server
from tests.conftest import settings_for

LIMIT = 10
"""Wrong passwords in a quarter of an hour, for an address from anywhere, or from one known network."""
HOME = "192.0.2.10"
CHANGE = """mutation($old: String!, $new: String!) {
  changePassword(currentPassword: $old, newPassword: $new) { id } }"""


@pytest.fixture(scope="module")
async def proxied(
    dsn: str, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Server]:
    """A server that believes what it is told of where requests come from."""
    settings = settings_for(tmp_path_factory.mktemp("proxied"), dsn, PORT="0", TRUSTED_PROXIES="127.0.0.0/8")
    async with running_server(settings, dsn) as running:
        yield Server(running.runtime, f"http://127.0.0.1:{running.port}", server.session)


@pytest.fixture
async def keeper(proxied: Server) -> Administrator:
    """An owner who has signed in, from `HOME` too."""
    await proxied.runtime.database.system.execute("delete from password_attempts")
    owner = await new_administrator(proxied)
    assert await signing_in(owner, HOME) == "in"
    return owner


async def signing_in(owner: Administrator, network: str, password: str = PASSWORD, *, email: str = "") -> str:
    """How an attempt from a network ends: `in`, or the code of the refusal."""
    given = {"email": email or owner.email, "password": password}
    answer = await replace(owner, key="").post(SIGN_IN, given, **{"x-forwarded-for": network})
    errors = answer.json().get("errors")
    return str(errors[0]["extensions"]["code"]) if errors else "in"


async def guess(owner: Administrator, networks: list[str], *, email: str = "") -> list[str]:
    """One wrong guess from each network, one after the other."""
    return [await signing_in(owner, one, f"a wrong guess from {one}", email=email) for one in networks]


def elsewhere(count: int, *, third: int = 1) -> list[str]:
    """Networks from which nobody has signed in."""
    return [f"198.51.{third}.{number}" for number in range(1, count + 1)]


async def test_guesses_from_elsewhere_do_not_keep_the_owner_out(keeper: Administrator) -> None:
    answers = await guess(keeper, elsewhere(LIMIT * 4))

    assert answers == ["UNAUTHORIZED"] * LIMIT + ["RATE_LIMITED"] * LIMIT * 3
    # not from where it was never seen, though, even with the right password: whoever guessed it must not hear of it
    assert await signing_in(keeper, "203.0.113.1") == "RATE_LIMITED"
    assert await signing_in(keeper, HOME) == "in"
    # typing errors are not counted with the guesses either
    assert await guess(keeper, [HOME]) == ["UNAUTHORIZED"]
    assert await signing_in(keeper, HOME) == "in"


async def test_guesses_while_the_owner_signs_in_do_not_keep_it_out(keeper: Administrator) -> None:
    answers = await asyncio.gather(
        guess(keeper, elsewhere(20)), *[signing_in(keeper, HOME) for _ in range(4)]
    )

    assert answers[1:] == ["in"] * 4


async def test_signing_in_gives_nobody_new_guesses(keeper: Administrator) -> None:
    answers: list[str] = []
    for third in range(1, 4):
        answers += await guess(keeper, elsewhere(LIMIT - 1, third=third))
        assert await signing_in(keeper, HOME) == "in"

    assert answers.count("UNAUTHORIZED") == LIMIT


async def test_guesses_from_the_known_network_are_limited_by_themselves(keeper: Administrator) -> None:
    assert await guess(keeper, [HOME] * (LIMIT + 1)) == ["UNAUTHORIZED"] * LIMIT + ["RATE_LIMITED"]

    assert await signing_in(keeper, HOME) == "RATE_LIMITED"
    # whoever sits there takes nothing from those elsewhere
    assert await signing_in(keeper, "203.0.113.1") == "in"


async def test_a_network_is_known_for_one_address_only(proxied: Server, keeper: Administrator) -> None:
    other = await new_administrator(proxied)

    answers = await guess(other, elsewhere(LIMIT))

    assert answers == ["UNAUTHORIZED"] * LIMIT
    assert await signing_in(other, HOME) == "RATE_LIMITED"
    assert await signing_in(keeper, HOME) == "in"


async def test_an_ipv6_network_is_known_as_one(keeper: Administrator) -> None:
    assert await signing_in(keeper, "2001:db8:1:2::17") == "in"
    await guess(keeper, elsewhere(LIMIT))

    assert await signing_in(keeper, "2001:db8:1:2::99") == "in"
    assert await signing_in(keeper, "2001:db8:1:3::17") == "RATE_LIMITED"


async def test_one_network_gets_no_further_by_many_addresses(keeper: Administrator) -> None:
    answers: list[str] = []
    for number in range(101):
        answers += await guess(keeper, ["198.51.7.7"], email=f"nobody-{number}-{keeper.email}")

    assert answers == ["UNAUTHORIZED"] * 100 + ["RATE_LIMITED"]


async def test_the_networks_of_a_member_are_bounded_the_newest_are_known(
    proxied: Server, keeper: Administrator
) -> None:
    for number in range(1, 9):
        assert await signing_in(keeper, f"203.0.113.{number}") == "in"
    await guess(keeper, elsewhere(LIMIT))

    assert await count_networks(proxied, keeper) == 8
    assert await signing_in(keeper, HOME) == "RATE_LIMITED"
    assert await signing_in(keeper, "203.0.113.1") == "in"
    assert await signing_in(keeper, "203.0.113.8") == "in"


async def test_a_network_is_forgotten_after_ninety_days(proxied: Server, keeper: Administrator) -> None:
    await age_networks(proxied, keeper, "89 days")
    await guess(keeper, elsewhere(LIMIT))
    assert await signing_in(keeper, HOME) == "in"

    await age_networks(proxied, keeper, "91 days")

    assert await signing_in(keeper, HOME) == "RATE_LIMITED"
    await delete_expired(proxied.runtime.database.system)
    assert await count_networks(proxied, keeper) == 0


async def test_another_password_makes_other_networks_unknown(proxied: Server, keeper: Administrator) -> None:
    new = "another lighthouse password"
    office = "203.0.113.77"
    answer = await keeper.post(CHANGE, {"old": PASSWORD, "new": new}, **{"x-forwarded-for": office})
    assert "errors" not in answer.json()
    await guess(keeper, elsewhere(LIMIT))

    assert await signing_in(keeper, HOME, new) == "RATE_LIMITED"
    assert await signing_in(keeper, office, new) == "in"
    assert await count_networks(proxied, keeper) == 1


async def test_a_password_that_the_operator_sets_makes_all_networks_unknown(
    proxied: Server, keeper: Administrator
) -> None:
    organisation_id, new = keeper.tenant.organisation_id, "a password of the operator"

    await reset_password(proxied.runtime.access, organisation_id, UUID(keeper.member_id), new)

    await guess(keeper, elsewhere(LIMIT))
    assert await signing_in(keeper, HOME, new) == "RATE_LIMITED"


async def test_a_network_stays_known_when_the_master_key_changes(
    proxied: Server, keeper: Administrator
) -> None:
    tenancy = proxied.runtime.tenancy
    changed = [replace(tenancy, sealer=Sealer(b"n" * 32, old)) for old in ([b"k" * 32], [], [b"o" * 32])]

    taken = [await take_attempt(one, email=keeper.email, address=HOME) for one in changed]

    assert [one.is_known for one in taken] == [True, False, False]


async def test_a_removed_member_leaves_no_network(proxied: Server, keeper: Administrator) -> None:
    second = await new_administrator(proxied, tenant=keeper.tenant)

    await second.data("mutation($id: UUID!) { removeMember(id: $id) { id } }", id=keeper.member_id)

    assert await count_networks(proxied, keeper) == 0
    assert await count_networks(proxied, second) == 1


async def test_whoever_accepts_an_invitation_is_known_where_they_did(keeper: Administrator) -> None:
    email = f"guest-{keeper.email}"
    invited = await keeper.data(
        "mutation($email: String!) { inviteMember(email: $email, role: VIEWER) { token } }", email=email
    )
    accept = """mutation($token: String!, $password: String!) {
      acceptInvitation(token: $token, name: "Guest", password: $password) { member { id } } }"""
    given = {"token": invited["inviteMember"]["token"], "password": PASSWORD}
    answer = await replace(keeper, key="").post(accept, given, **{"x-forwarded-for": "203.0.113.5"})
    assert "errors" not in answer.json()
    await guess(keeper, elsewhere(LIMIT), email=email)

    assert await signing_in(keeper, "203.0.113.5", email=email) == "in"
    assert await signing_in(keeper, "203.0.113.6", email=email) == "RATE_LIMITED"


async def test_networks_are_kept_as_keyed_digests(proxied: Server, keeper: Administrator) -> None:
    rows = await proxied.runtime.database.system.fetch(
        "select row_to_json(n)::text as row from member_networks n where member_id = $1", keeper.member_id
    )

    assert rows
    assert not any(HOME in row["row"] or keeper.email in row["row"] for row in rows)


async def count_networks(server: Server, owner: Administrator) -> int:
    """How many networks are remembered of a member."""
    found = await server.runtime.database.system.fetchval(
        "select count(*) from member_networks where member_id = $1", owner.member_id
    )
    return int(found)


async def age_networks(server: Server, owner: Administrator, ago: str) -> None:
    """Let a member have signed in so long ago."""
    await server.runtime.database.system.execute(
        "update member_networks set last_signed_in_at = now() - $2::text::interval where member_id = $1",
        owner.member_id,
        ago,
    )
