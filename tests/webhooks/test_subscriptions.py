import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from outrider.core.errors import Forbidden, NotFound, ValidationError
from outrider.tenancy.context import TenancyContext
from outrider.webhooks.queries import set_failing
from outrider.webhooks.subscription_directory import SubscriptionDirectory
from outrider.webhooks.subscriptions import (
    MOST_PATTERNS,
    CreatedSubscription,
    NewSubscription,
    create_subscription,
    disable_subscription,
    pause_subscription,
    resume_subscription,
    rotate_subscription_secret,
)
from tests.tenants import Tenant, actor_of, new_tenant, open_tenancy

SECRET = "a-secret-that-has-at-least-32-characters"


def new(**fields: Any) -> NewSubscription:
    return NewSubscription(
        **{
            "name": "Ferry hooks",
            "target_url": "https://hooks.example.com/in",
            "patterns": ["message.*"],
            **fields,
        }
    )


@pytest.fixture(scope="module")
async def tenancy(dsn: str) -> AsyncGenerator[TenancyContext]:
    async with open_tenancy(dsn) as context:
        yield context


@pytest.fixture
async def tenant(tenancy: TenancyContext) -> Tenant:
    return await new_tenant(tenancy)


@pytest.fixture
def directory(tenancy: TenancyContext) -> SubscriptionDirectory:
    return SubscriptionDirectory(tenancy.database, tenancy.sealer)


async def row_of(tenancy: TenancyContext, created: CreatedSubscription) -> dict[str, Any]:
    row = await tenancy.database.system.fetchrow("select * from subscriptions where id = $1", created.id)
    assert row is not None
    return dict(row)


async def patterns_of(tenancy: TenancyContext, created: CreatedSubscription) -> list[str]:
    rows = await tenancy.database.system.fetch(
        "select pattern from subscription_patterns where subscription_id = $1 order by 1", created.id
    )
    return [row["pattern"] for row in rows]


async def append(tenancy: TenancyContext, tenant: Tenant) -> int:
    """Append a fact somewhere, for its position."""
    async with tenancy.database.tenant(tenant.organisation_id) as connection:
        return await connection.fetchval(
            "select append_audit($1, 'system.x', '{}', $2)", tenant.organisation_id, tenancy.ids.new()
        )


async def test_a_subscription_begins_after_the_newest_position(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    position = await append(tenancy, tenant)

    created = await create_subscription(tenancy, tenant.actor, new(patterns=["b.*", "a", "b.*"]))

    row = await row_of(tenancy, created)
    assert row["from_position"] == position
    assert row["status"] == "active"
    assert row["patterns"] == list(created.patterns) == ["b.*", "a"]
    assert await patterns_of(tenancy, created) == ["a", "b.*"]


async def test_creation_waits_for_an_append_under_way_and_begins_after_it(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    async with tenancy.database.system.acquire() as connection, connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(7305002)")
        creating = asyncio.create_task(create_subscription(tenancy, tenant.actor, new()))
        await asyncio.sleep(0.3)
        assert not creating.done()
        position = await connection.fetchval("select nextval('event_position')")

    created = await creating
    assert (await row_of(tenancy, created))["from_position"] == position


async def test_a_secret_is_told_once_and_sealed(
    tenancy: TenancyContext, tenant: Tenant, directory: SubscriptionDirectory
) -> None:
    own = await create_subscription(tenancy, tenant.actor, new(secret=SECRET))
    given = await create_subscription(tenancy, tenant.actor, new())

    assert own.secret == SECRET
    assert given.secret.startswith("whsec_")
    assert SECRET.encode() not in (await row_of(tenancy, own))["sealed_secret"]
    for created in (own, given):
        entry = await directory.get(tenant.application_id, created.id)
        assert entry is not None
        assert entry.secrets == (created.secret,)
        assert created.secret not in repr(entry) + repr(created)
    assert SECRET not in repr(new(secret=SECRET))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "name must have"),
        ({"target_url": "http://hooks.example.com/in"}, "only https:// is allowed"),
        ({"target_url": "https://127.0.0.1/in"}, "not a public address"),
        ({"target_url": "https://[::ffff:10.0.0.1]/in"}, "not a public address"),
        ({"target_url": "https://user:pass@hooks.example.com"}, "credentials"),
        ({"target_url": "ftp://hooks.example.com"}, "https:// URL"),
        ({"target_url": "hooks.example.com"}, "https:// URL"),
        ({"patterns": []}, "1 to 100 patterns"),
        ({"patterns": ["a"] * (MOST_PATTERNS + 1)}, "1 to 100 patterns"),
        ({"patterns": ["message.*", "message.*.x"]}, "is not an event pattern"),
        ({"secret": "short"}, "32 to 255 characters"),
    ],
)
async def test_a_bad_request_says_what_is_wrong_and_writes_nothing(
    tenancy: TenancyContext, tenant: Tenant, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        await create_subscription(tenancy, tenant.actor, new(**fields))

    count = "select count(*) from subscriptions where application_id = $1"
    assert await tenancy.database.system.fetchval(count, tenant.application_id) == 0


async def test_only_a_key_with_every_scope_changes_subscriptions(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    created = await create_subscription(tenancy, tenant.actor, new())
    actor = actor_of(
        tenancy, tenant.organisation_id, tenant.application_id, scopes=frozenset({"events:read"})
    )

    for refused in (
        create_subscription(tenancy, actor, new()),
        pause_subscription(tenancy, actor, created.id),
        resume_subscription(tenancy, actor, created.id),
        rotate_subscription_secret(tenancy, actor, created.id),
    ):
        with pytest.raises(Forbidden):
            await refused


async def test_a_paused_subscription_matches_nothing_and_resumes_from_then(
    tenancy: TenancyContext, tenant: Tenant, directory: SubscriptionDirectory
) -> None:
    created = await create_subscription(tenancy, tenant.actor, new())

    await pause_subscription(tenancy, tenant.actor, created.id)
    assert await patterns_of(tenancy, created) == []
    paused = await directory.get(tenant.application_id, created.id)
    assert paused is not None
    assert not paused.is_active

    position = await append(tenancy, tenant)
    await resume_subscription(tenancy, tenant.actor, created.id)
    row = await row_of(tenancy, created)
    assert (row["status"], row["from_position"]) == ("active", position)
    assert await patterns_of(tenancy, created) == ["message.*"]


async def test_pausing_and_resuming_twice_changes_nothing_more(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    created = await create_subscription(tenancy, tenant.actor, new())
    await resume_subscription(tenancy, tenant.actor, created.id)
    for _ in range(2):
        await pause_subscription(tenancy, tenant.actor, created.id)

    types = await tenancy.database.system.fetch(
        "select event_type from events where application_id = $1 and event_type like 'system.subscription.%'"
        " order by position",
        tenant.hidden_application_id,
    )
    assert [row["event_type"] for row in types] == [
        "system.subscription.created",
        "system.subscription.paused",
    ]


async def test_pausing_and_resuming_at_the_same_time_never_deadlocks(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    created = await create_subscription(tenancy, tenant.actor, new())

    changes = [
        change(tenancy, tenant.actor, created.id)
        for _ in range(15)
        for change in (pause_subscription, resume_subscription)
    ]
    await asyncio.gather(*changes)

    row = await row_of(tenancy, created)
    assert await patterns_of(tenancy, created) == (["message.*"] if row["status"] == "active" else [])


async def test_a_disabled_subscription_says_why_and_can_be_resumed(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    created = await create_subscription(tenancy, tenant.actor, new())
    await set_failing(tenancy.database.system, tenant.application_id, created.id, is_failing=True)

    assert await disable_subscription(tenancy, tenant.application_id, created.id, "gone")
    assert not await disable_subscription(tenancy, tenant.application_id, created.id, "failing")
    row = await row_of(tenancy, created)
    assert (row["status"], row["status_reason"]) == ("disabled", "gone")
    assert await patterns_of(tenancy, created) == []
    with pytest.raises(ValidationError, match="disabled cannot be paused"):
        await pause_subscription(tenancy, tenant.actor, created.id)

    await resume_subscription(tenancy, tenant.actor, created.id)
    row = await row_of(tenancy, created)
    assert (row["status"], row["status_reason"], row["failing_since"]) == ("active", None, None)


async def test_failing_since_is_the_first_failure_until_a_success(
    tenancy: TenancyContext, tenant: Tenant
) -> None:
    created = await create_subscription(tenancy, tenant.actor, new())
    system = tenancy.database.system

    await set_failing(system, tenant.application_id, created.id, is_failing=True)
    first = (await row_of(tenancy, created))["failing_since"]
    await set_failing(system, tenant.application_id, created.id, is_failing=True)
    assert first is not None
    assert (await row_of(tenancy, created))["failing_since"] == first

    await set_failing(system, tenant.application_id, created.id, is_failing=False)
    assert (await row_of(tenancy, created))["failing_since"] is None


async def test_after_a_rotation_both_secrets_sign_until_the_old_one_ends(
    tenancy: TenancyContext, tenant: Tenant, directory: SubscriptionDirectory
) -> None:
    created = await create_subscription(tenancy, tenant.actor, new())

    rotated = await rotate_subscription_secret(tenancy, tenant.actor, created.id, SECRET)
    entry = await directory.get(tenant.application_id, created.id)
    assert entry is not None
    assert rotated == SECRET
    assert entry.secrets == (SECRET, created.secret)

    await tenancy.database.system.execute(
        "update subscriptions set previous_secret_until = now() where id = $1", created.id
    )
    directory.forget(created.id)
    entry = await directory.get(tenant.application_id, created.id)
    assert entry is not None
    assert entry.secrets == (SECRET,)


async def test_another_tenants_subscription_answers_as_a_missing_one(
    tenancy: TenancyContext, tenant: Tenant, directory: SubscriptionDirectory
) -> None:
    other = await new_tenant(tenancy)
    foreign = await create_subscription(tenancy, other.actor, new())

    for subscription_id in (foreign.id, tenancy.ids.new()):
        for change in (pause_subscription, resume_subscription, rotate_subscription_secret):
            with pytest.raises(NotFound) as refused:
                await change(tenancy, tenant.actor, subscription_id)
            assert refused.value.details == {
                "resource_type": "WebhookSubscription",
                "resource_id": str(subscription_id),
            }
        assert not await disable_subscription(tenancy, tenant.application_id, subscription_id, "gone")
        assert await directory.get(tenant.application_id, subscription_id) is None
    assert (await row_of(tenancy, foreign))["status"] == "active"


async def test_an_entry_knows_what_it_wants(
    tenancy: TenancyContext, tenant: Tenant, directory: SubscriptionDirectory
) -> None:
    created = await create_subscription(tenancy, tenant.actor, new(patterns=["message.status", "order.*"]))

    entry = await directory.get(tenant.application_id, created.id)

    assert entry is not None
    wanted = [
        name
        for name in ("message.read", "message.inbound", "order.paid", "orders", "system.x")
        if entry.wants(name)
    ]
    assert wanted == ["message.read", "order.paid"]


async def test_the_audit_event_holds_no_secret(tenancy: TenancyContext, tenant: Tenant) -> None:
    created = await create_subscription(tenancy, tenant.actor, new(secret=SECRET))

    text = await tenancy.database.system.fetchval(
        "select payload::text from events"
        " where application_id = $1 and event_type = 'system.subscription.created'",
        tenant.hidden_application_id,
    )

    assert json.loads(text) == {
        "subscription_id": str(created.id),
        "application_id": str(tenant.application_id),
        "name": "Ferry hooks",
        "target_url": "https://hooks.example.com/in",
        "event_patterns": ["message.*"],
        "family": "outeract",
        "by": {"type": "api_key", "id": str(tenant.actor.key_id)},
    }
