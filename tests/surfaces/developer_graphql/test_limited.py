"""What the rate limit shows at the door of the developer GraphQL."""

from tests.surfaces.developer_graphql.door import Door, key_of
from tests.tenants import new_tenant

QUERY = "{ events(first: 1) { edges { node { id } } } }"
LIMITS = (b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset")


async def on_tier(door: Door, tier: str) -> Door:
    """The same endpoint with the key of another organisation, on a tier of its own."""
    runtime = door.runtime
    tenant = await new_tenant(runtime.tenancy)
    change = "update organisations set tier = $1 where id = $2"
    await runtime.database.system.execute(change, tier, tenant.organisation_id)
    return Door(door.endpoint, runtime, tenant, await key_of(runtime, tenant, "*"))


async def test_every_answer_to_a_key_tells_its_limit(door: Door) -> None:
    limited = await on_tier(door, "pro")

    answers = [
        await limited.ask(QUERY),
        await limited.ask("{ nothing }"),
        await limited.knock(b"{"),
        await limited.knock({"query": QUERY}, content_type="text/plain"),
        await limited.knock({"query": "mutation { cancelMessage }"}),
        await limited.knock(b" " * (1024 * 1024 + 1)),
        await limited.knock(b"", method="PUT"),
        await limited.knock(b"", method="GET"),
        await limited.knock({"query": QUERY}, x_outeract_app_id="another's"),
    ]

    assert [got.status for got in answers] == [200, 400, 400, 415, 400, 413, 405, 405, 200]
    assert [[int(got.headers[name]) for name in LIMITS[:2]] for got in answers] == [
        [600, left] for left in range(599, 590, -1)
    ]
    assert len({got.headers[LIMITS[2]] for got in answers}) <= 2


async def test_an_unlimited_key_sees_a_large_number(door: Door) -> None:
    got = await (await on_tier(door, "unlimited")).ask(QUERY)

    assert [got.headers[name] for name in LIMITS[:2]] == [b"1000000", b"1000000"]


async def test_too_many_requests_are_refused_whole(door: Door) -> None:
    limited = await on_tier(door, "free")
    answers = [await limited.ask(QUERY) for _ in range(40)]

    refused = next(got for got in answers if got.status == 429)

    assert refused.code == "RATE_LIMITED"
    assert refused.error["extensions"]["http"] == {"status": 429}
    assert refused.error["extensions"]["details"].keys() == {"limit", "reset_at"}
    assert refused.error["extensions"]["details"]["limit"] == 60
    assert refused.headers[b"retry-after"] == b"1"
    assert refused.headers[LIMITS[0]] == b"60"
    assert all(name in got.headers for got in answers for name in LIMITS)


async def test_without_a_key_there_is_no_limit_to_tell(door: Door) -> None:
    got = await door.knock({"query": QUERY}, authorization=None)

    assert got.status == 401
    assert not set(LIMITS) & got.headers.keys()
