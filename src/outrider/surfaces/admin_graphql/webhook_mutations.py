"""The mutations of webhook subscriptions, from arguments to operations."""

from outrider.surfaces.admin_graphql.calling import Arguments, Call
from outrider.webhooks import administering
from outrider.webhooks.managing import SubscriptionChanges
from outrider.webhooks.subscriptions import NewSubscription


async def create_subscription(call: Call, given: Arguments) -> object:
    """`createWebhookSubscription`."""
    new = NewSubscription(
        name=given["name"],
        target_url=given["targetUrl"],
        patterns=given.get("eventPatterns") or (),
        secret=given.get("secret"),
        family=(given.get("family") or "OUTBOUND").lower(),
    )
    return await administering.subscribe(call.tenancy, call.member, given.get("applicationId"), new)


async def update_subscription(call: Call, given: Arguments) -> object:
    """`updateWebhookSubscription`."""
    changes = SubscriptionChanges(
        name=given.get("name"), target_url=given.get("targetUrl"), patterns=given.get("eventPatterns")
    )
    return await administering.change_subscription(call.tenancy, call.member, given["id"], changes)


async def pause_subscription(call: Call, given: Arguments) -> object:
    """`pauseWebhookSubscription`."""
    return await administering.pause(call.tenancy, call.member, given["id"])


async def resume_subscription(call: Call, given: Arguments) -> object:
    """`resumeWebhookSubscription`."""
    return await administering.resume(call.tenancy, call.member, given["id"])


async def delete_subscription(call: Call, given: Arguments) -> object:
    """`deleteWebhookSubscription`."""
    return await administering.unsubscribe(call.tenancy, call.member, given["id"])


async def rotate_secret(call: Call, given: Arguments) -> object:
    """`rotateWebhookSubscriptionSecret`."""
    return await administering.rotate_secret(call.tenancy, call.member, given["id"], given.get("secret"))


async def retry_delivery(call: Call, given: Arguments) -> object:
    """`retryWebhookDelivery`."""
    return await administering.retry(call.tenancy, call.member, given["id"])


async def test_subscription(call: Call, given: Arguments) -> object:
    """`testWebhookSubscription`."""
    return await administering.send_test(call.tenancy, call.member, given["id"])
