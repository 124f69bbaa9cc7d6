"""Joins each surface to the operations that it calls."""

from functools import partial

from outrider.events.creating import create_event
from outrider.messaging.sending import cancel_message, send_message, send_messages
from outrider.runtime.wiring import Runtime
from outrider.surfaces.developer_graphql.endpoint import DeveloperGraphql
from outrider.surfaces.developer_graphql.operations import Operations
from outrider.surfaces.inbound.routes import InboundEndpoint
from outrider.tenancy.connections import create_connection
from outrider.webhooks import receiving
from outrider.webhooks.subscriptions import create_subscription


def developer_endpoint(runtime: Runtime) -> DeveloperGraphql:
    """`POST /`."""
    return DeveloperGraphql(
        authenticate=runtime.api_keys.authenticate,
        database=runtime.database,
        operations=Operations(
            send=partial(send_message, runtime.sending),
            send_many=partial(send_messages, runtime.sending),
            cancel=partial(cancel_message, runtime.sending),
            create_event=partial(create_event, runtime.creating),
            create_connection=partial(create_connection, runtime.tenancy),
            create_subscription=partial(create_subscription, runtime.tenancy),
        ),
        public_url=runtime.settings.public_url,
        metrics=runtime.metrics,
    )


def inbound_endpoint(runtime: Runtime) -> InboundEndpoint:
    """`POST /webhooks/{id}/{secret}`."""
    return InboundEndpoint(
        recognise=partial(receiving.recognise, runtime.receiving),
        receive=partial(receiving.receive, runtime.receiving),
        metrics=runtime.metrics,
    )
