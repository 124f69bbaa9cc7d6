"""The application, its connections, its webhook subscriptions and their deliveries."""

from typing import Final

from outrider.surfaces.developer_rest import resources
from outrider.surfaces.developer_rest.parameters import CREATED, PAGES, Parameter
from outrider.surfaces.developer_rest.route_kinds import Acting, Getting, Listing

APPLICATION: Final = (
    Getting(
        path="/v1/application",
        field="application",
        shape=resources.APPLICATION,
        name="get_application",
        tag="application",
    ),
    Acting(
        method="PATCH",
        path="/v1/application",
        field="updateApplication",
        shape=resources.APPLICATION,
        tag="application",
        example={"config": {"auto_mark_read": "on_received"}},
    ),
)

CONNECTIONS: Final = (
    Listing(
        path="/v1/platform-connections",
        field="platformConnections",
        shape=resources.CONNECTION,
        name="list_platform_connections",
        tag="platform connections",
    ),
    Getting(
        path="/v1/platform-connections/{id}",
        field="platformConnection",
        shape=resources.CONNECTION,
        name="get_platform_connection",
        tag="platform connections",
    ),
    Acting(
        path="/v1/platform-connections",
        field="createPlatformConnection",
        shape=resources.CONNECTION,
        tag="platform connections",
        status=201,
        refusals=(409, 502),
        example={"platform_name": "telegram", "name": "Support", "config": {"bot_token": "123456:ABC"}},
    ),
    Acting(
        method="PATCH",
        path="/v1/platform-connections/{id}",
        field="updatePlatformConnection",
        shape=resources.CONNECTION,
        tag="platform connections",
        refusals=(409, 502),
        example={"name": "Support", "status": "disabled"},
    ),
    Acting(
        method="DELETE",
        path="/v1/platform-connections/{id}",
        field="deletePlatformConnection",
        tag="platform connections",
        status=204,
    ),
    Acting(
        path="/v1/platform-connections/{id}/test",
        field="testPlatformConnection",
        shape=resources.CONNECTION_TEST,
        tag="platform connections",
        refusals=(502,),
    ),
)

_BY_ID: Final = "/v1/webhook-subscriptions/{id}"
WEBHOOKS: Final = (
    Listing(
        path="/v1/webhook-subscriptions",
        field="webhookSubscriptions",
        shape=resources.SUBSCRIPTION,
        name="list_webhook_subscriptions",
        tag="webhook subscriptions",
    ),
    Getting(
        path=_BY_ID,
        field="webhookSubscription",
        shape=resources.SUBSCRIPTION,
        name="get_webhook_subscription",
        tag="webhook subscriptions",
    ),
    Acting(
        path="/v1/webhook-subscriptions",
        field="createWebhookSubscription",
        shape=resources.SUBSCRIPTION,
        tag="webhook subscriptions",
        status=201,
        example={
            "name": "Orders",
            "target_url": "https://example.com/webhooks/outrider",
            "event_patterns": ["message.*", "order.created"],
            "secret": "my-webhook-secret-32chars-minimum",
        },
    ),
    Acting(
        method="PATCH",
        path=_BY_ID,
        field="updateWebhookSubscription",
        shape=resources.SUBSCRIPTION,
        tag="webhook subscriptions",
        example={"event_patterns": ["message.inbound"]},
    ),
    Acting(
        method="DELETE",
        path=_BY_ID,
        field="deleteWebhookSubscription",
        tag="webhook subscriptions",
        status=204,
    ),
    *(
        Acting(
            path=f"{_BY_ID}/{what}",
            field=f"{what}WebhookSubscription",
            shape=resources.SUBSCRIPTION,
            tag="webhook subscriptions",
        )
        for what in ("pause", "resume")
    ),
    Acting(
        path=f"{_BY_ID}/rotate-secret",
        field="rotateWebhookSubscriptionSecret",
        shape=resources.SUBSCRIPTION,
        tag="webhook subscriptions",
        example={"secret": "another-webhook-secret-of-32-characters"},
    ),
    Acting(
        path=f"{_BY_ID}/test",
        field="testWebhookSubscription",
        shape=resources.DELIVERY,
        tag="webhook subscriptions",
    ),
    Listing(
        path="/v1/webhook-deliveries",
        field="webhookDeliveries",
        shape=resources.DELIVERY,
        name="list_webhook_deliveries",
        tag="webhook deliveries",
        parameters=(
            Parameter("subscription_id", "UUID", "Only those to this subscription.", ("subscriptionId",)),
            Parameter("event_id", "UUID", "Only those of this event.", ("eventId",)),
            Parameter("state", "WebhookDeliveryState", "Only those in this state.", ("state",)),
            *CREATED,
            *PAGES,
        ),
    ),
    Getting(
        path="/v1/webhook-deliveries/{id}",
        field="webhookDelivery",
        shape=resources.DELIVERY,
        name="get_webhook_delivery",
        tag="webhook deliveries",
    ),
    Acting(
        path="/v1/webhook-deliveries/{id}/retry",
        field="retryWebhookDelivery",
        shape=resources.DELIVERY,
        tag="webhook deliveries",
        refusals=(409,),
    ),
)
