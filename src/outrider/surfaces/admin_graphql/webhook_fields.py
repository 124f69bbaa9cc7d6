"""Fields about webhook subscriptions and deliveries, read by the operations."""

from collections.abc import Callable, Sequence

from outrider.surfaces.admin_graphql.calling import Arguments, Call
from outrider.webhooks import administering
from outrider.webhooks.administering import AdministeredDelivery
from outrider.webhooks.deliveries import AttemptView


async def webhook_deliveries(
    _source: object, call: Call, arguments: Arguments
) -> Sequence[AdministeredDelivery]:
    """`Query.webhookDeliveries`."""
    first = arguments.get("first")
    return await administering.list_deliveries(
        call.tenancy,
        call.member,
        arguments["subscriptionId"],
        first=20 if first is None else first,
        before=arguments.get("before"),
    )


async def attempts(source: AdministeredDelivery, call: Call, _arguments: Arguments) -> Sequence[AttemptView]:
    """`WebhookDelivery.attempts`."""
    return await administering.list_attempts(call.tenancy, call.member, source)


def of_delivery(attribute: str) -> Callable[[AdministeredDelivery, Call, Arguments], object]:
    """A field that the delivery itself has."""
    return lambda source, _call, _arguments: getattr(source.delivery, attribute)
