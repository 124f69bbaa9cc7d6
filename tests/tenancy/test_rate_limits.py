"""Limits of a clock minute and of any one second, counted together by processes that know nothing of each other."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from outrider.core.database.listening import Listener
from outrider.core.database.pools import Database, open_database
from outrider.core.errors import NotFound, Unavailable, ValidationError
from outrider.tenancy.actors import Actor
from outrider.tenancy.api_keys import ApiKeyDirectory, NewApiKey, create_api_key, revoke_api_key
from outrider.tenancy.changes import follow_changes
from outrider.tenancy.context import Changed, TenancyContext
from outrider.tenancy.organisations import change_tier
from outrider.tenancy.rate_limits import SHOWN_UNLIMITED, LimitState, RateExceeded, RateLimits
from outrider.tenancy.tiers import TIERS
from tests.tenants import Tenant, actor_of

MINUTE = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


class Clock:
    """A time that stands until it is moved."""

    def __init__(self, now: datetime = MINUTE) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
async def neighbour(dsn: str) -> AsyncGenerator[Database]:
    """The pools of another process."""
    database = await open_database(dsn)
    yield database
    await database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(tenancy: TenancyContext, clock: Clock) -> RateLimits:
    return RateLimits(tenancy.database.system, clock)


@pytest.fixture
def free(tenancy: TenancyContext, tenant: Tenant) -> Actor:
    return on_tier(tenancy, tenant, "free")


def on_tier(tenancy: TenancyContext, tenant: Tenant, tier: str) -> Actor:
    return replace(actor_of(tenancy, tenant.organisation_id, tenant.application_id), tier=tier)


async def outcome(limits: RateLimits, actor: Actor) -> LimitState | RateExceeded:
    try:
        return await limits.check(actor)
    except RateExceeded as refused:
        return refused


async def taken(limits: RateLimits, actor: Actor, requests: int) -> int:
    """How many of these requests, one after the other, were let through."""
    found = [await outcome(limits, actor) for _ in range(requests)]
    return sum(isinstance(one, LimitState) for one in found)


async def test_every_request_tells_what_is_left_of_the_minute(limits: RateLimits, free: Actor) -> None:
    states = [await limits.check(free) for _ in range(3)]

    reset = int(MINUTE.timestamp()) + 60
    assert states == [LimitState(60, left, reset) for left in (59, 58, 57)]
    assert states[0].headers() == (
        (b"x-ratelimit-limit", b"60"),
        (b"x-ratelimit-remaining", b"59"),
        (b"x-ratelimit-reset", str(reset).encode()),
    )


async def test_the_sixty_first_request_of_a_minute_is_refused_until_the_minute_ends(
    limits: RateLimits, clock: Clock, free: Actor
) -> None:
    for _ in range(6):
        assert await taken(limits, free, 10) == 10
        clock.pass_by(2)

    with pytest.raises(RateExceeded) as refused:
        await limits.check(free)
    assert refused.value.code == "RATE_LIMITED"
    assert refused.value.message == "Rate limit exceeded"
    assert dict(refused.value.details) == {"limit": 60, "reset_at": "2026-03-01T09:31:00Z"}
    assert refused.value.headers() == (*refused.value.state.headers(), (b"retry-after", b"48"))
    assert refused.value.state.remaining == 0

    clock.now = MINUTE + timedelta(seconds=59.99)
    assert isinstance(await outcome(limits, free), RateExceeded)
    clock.now = MINUTE + timedelta(seconds=60)
    assert await limits.check(free) == LimitState(60, 59, int(MINUTE.timestamp()) + 120)


@pytest.mark.parametrize(
    ("tier", "in_minute", "in_second"),
    [("free", 60, 10), ("pro", 600, 100), ("business", 3_000, 500), ("enterprise", 6_000, 1_000)],
)
async def test_each_tier_lets_through_what_the_contract_says(
    tenancy: TenancyContext,
    tenant: Tenant,
    limits: RateLimits,
    clock: Clock,
    *,
    tier: str,
    in_minute: int,
    in_second: int,
) -> None:
    actor = on_tier(tenancy, tenant, tier)
    for used in range(0, in_minute, in_second):
        found = await asyncio.gather(*[outcome(limits, actor) for _ in range(in_second + 1)])
        states = [one for one in found if isinstance(one, LimitState)]
        assert [one.remaining for one in states] == [
            in_minute - used - number for number in range(1, in_second + 1)
        ]
        clock.pass_by(1.5)

    refused = await outcome(limits, actor)

    assert isinstance(refused, RateExceeded)
    assert (refused.state.limit, refused.state.remaining) == (in_minute, 0)
    assert refused.details == {"limit": in_minute, "reset_at": "2026-03-01T09:31:00Z"}
    assert refused.retry_after == 60 - in_minute // in_second * 1.5


async def test_a_burst_is_refused_for_a_second_and_costs_nothing_of_the_minute(
    limits: RateLimits, clock: Clock, free: Actor
) -> None:
    assert await taken(limits, free, 10) == 10

    with pytest.raises(RateExceeded) as refused:
        await limits.check(free)
    assert refused.value.headers()[-1] == (b"retry-after", b"1")
    assert refused.value.state.remaining == 50

    clock.pass_by(1)
    assert (await limits.check(free)).remaining == 49


async def test_no_second_wherever_it_begins_has_more_than_the_burst(
    limits: RateLimits, clock: Clock, free: Actor
) -> None:
    clock.now = MINUTE + timedelta(seconds=0.9)
    assert await taken(limits, free, 6) == 6
    # another second of the clock, but the same second of anybody who counts from 0.9
    clock.now = MINUTE + timedelta(seconds=1.5)
    assert await taken(limits, free, 6) == 4
    clock.now = MINUTE + timedelta(seconds=1.89)
    assert await taken(limits, free, 1) == 0
    clock.now = MINUTE + timedelta(seconds=1.91)
    assert await taken(limits, free, 7) == 6
    clock.now = MINUTE + timedelta(seconds=2.52)
    assert await taken(limits, free, 7) == 4


async def test_a_burst_holds_across_the_end_of_a_minute(
    limits: RateLimits, clock: Clock, free: Actor
) -> None:
    clock.now = MINUTE + timedelta(seconds=59.7)
    assert await taken(limits, free, 10) == 10

    clock.now = MINUTE + timedelta(seconds=60.2)
    refused = await outcome(limits, free)
    assert isinstance(refused, RateExceeded)
    assert (refused.retry_after, refused.state.remaining) == (1, 60)


@pytest.mark.parametrize("tier", ["free", "pro", "business", "enterprise"])
async def test_two_processes_together_let_through_exactly_the_tier(
    tenancy: TenancyContext, tenant: Tenant, neighbour: Database, tier: str
) -> None:
    actor, one, other = on_tier(tenancy, tenant, tier), Clock(), Clock()
    processes = [RateLimits(tenancy.database.system, one), RateLimits(neighbour.system, other)]
    allowed = TIERS[tier]

    async def ask_at_once(requests: int) -> Counter[str]:
        found = await asyncio.gather(*(outcome(processes[number % 2], actor) for number in range(requests)))
        return Counter(type(one).__name__ for one in found)

    bursts = 0
    while bursts * allowed.in_second < allowed.in_minute:
        left = allowed.in_minute - bursts * allowed.in_second
        found = await ask_at_once(allowed.in_second + 7)
        assert found["LimitState"] == min(allowed.in_second, left)
        bursts += 1
        one.pass_by(1.5)
        other.pass_by(1.5)

    assert await ask_at_once(20) == {"RateExceeded": 20}


async def test_processes_whose_clocks_differ_share_one_minute(
    tenancy: TenancyContext, neighbour: Database, free: Actor
) -> None:
    ahead, behind = Clock(MINUTE), Clock(MINUTE - timedelta(milliseconds=30))
    first, second = RateLimits(tenancy.database.system, ahead), RateLimits(neighbour.system, behind)

    assert (await first.check(free)).remaining == 59
    late = await second.check(free)

    assert (late.remaining, late.reset) == (58, int(MINUTE.timestamp()) + 60)
    assert await taken(second, free, 20) == 8


async def test_keys_are_counted_apart(
    tenancy: TenancyContext, tenant: Tenant, limits: RateLimits, free: Actor
) -> None:
    other = on_tier(tenancy, tenant, "free")

    found = await asyncio.gather(*(outcome(limits, actor) for actor in (free, other) for _ in range(12)))

    assert [sum(isinstance(one, LimitState) for one in part) for part in (found[:12], found[12:])] == [10, 10]


async def test_a_larger_tier_holds_within_the_minute_that_was_used_up(
    limits: RateLimits, clock: Clock, free: Actor
) -> None:
    for _ in range(6):
        await taken(limits, free, 10)
        clock.pass_by(2)
    assert isinstance(await outcome(limits, free), RateExceeded)

    assert (await limits.check(replace(free, tier="pro"))).remaining == 600 - 61


async def test_the_unlimited_tier_asks_nobody(tenancy: TenancyContext, tenant: Tenant, dsn: str) -> None:
    closed = await open_database(dsn)
    await closed.close()
    limits = RateLimits(closed.system, tenancy.ids.now)

    state = await limits.check(on_tier(tenancy, tenant, "unlimited"))

    assert (state.limit, state.remaining) == (SHOWN_UNLIMITED, SHOWN_UNLIMITED)
    assert 0 < state.reset - tenancy.ids.now().timestamp() <= 61
    with pytest.raises(Unavailable):
        await limits.check(on_tier(tenancy, tenant, "free"))


async def test_a_caller_who_hangs_up_does_not_stop_the_others(limits: RateLimits, free: Actor) -> None:
    gone = asyncio.create_task(limits.check(free))
    staying = [asyncio.create_task(limits.check(free)) for _ in range(3)]
    await asyncio.sleep(0)
    gone.cancel()

    assert sorted(state.remaining for state in await asyncio.gather(*staying)) == [56, 57, 58]


async def test_a_key_brings_its_organisations_tier(tenancy: TenancyContext, tenant: Tenant) -> None:
    directory = ApiKeyDirectory(tenancy.database, tenancy.ids)
    new = NewApiKey(application_id=tenant.application_id, name="desk", scopes=["*"])
    key = await create_api_key(tenancy, tenant.organisation_id, new)
    assert (await directory.authenticate(key.token)).tier == "unlimited"

    await change_tier(tenancy, tenant.organisation_id, "business")
    directory.forget(key.id)

    assert (await directory.authenticate(key.token)).tier == "business"


async def test_a_changed_tier_is_told_for_every_key_in_use(tenancy: TenancyContext, tenant: Tenant) -> None:
    new = NewApiKey(application_id=tenant.application_id, name="desk", scopes=["*"])
    keys = [await create_api_key(tenancy, tenant.organisation_id, new) for _ in range(3)]
    await revoke_api_key(tenancy, tenant.organisation_id, keys[1].id)
    told: list[UUID] = []
    listener = Listener(tenancy.database.dsn)
    follow_changes(listener, {Changed.API_KEY: told.append}, told.clear)
    await listener.start()

    await change_tier(tenancy, tenant.organisation_id, "pro")
    async with asyncio.timeout(5):
        while len(told) < 2:
            await asyncio.sleep(0.01)
    await listener.close()

    assert sorted(told) == [keys[0].id, keys[2].id]


async def test_a_tier_that_does_not_exist_is_refused(tenancy: TenancyContext, tenant: Tenant) -> None:
    with pytest.raises(ValidationError, match="tier must be one of: free, pro"):
        await change_tier(tenancy, tenant.organisation_id, "gold")
    with pytest.raises(NotFound):
        await change_tier(tenancy, tenancy.ids.new(), "free")


async def test_the_second_is_kept_in_few_numbers(
    tenancy: TenancyContext, tenant: Tenant, limits: RateLimits, clock: Clock
) -> None:
    actor = on_tier(tenancy, tenant, "business")
    wait: Callable[[float], None] = clock.pass_by
    for _ in range(300):
        await limits.check(actor)
        wait(0.003)

    kept = "select cardinality(moments) from rate_windows where key_id = $1"
    assert await tenancy.database.system.fetchval(kept, actor.key_id) <= 101
