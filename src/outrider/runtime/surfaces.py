"""Joins each surface to the operations that it calls."""

from functools import partial

from outrider.runtime.wiring import Runtime
from outrider.surfaces.inbound.routes import InboundEndpoint
from outrider.webhooks import receiving


def inbound_endpoint(runtime: Runtime) -> InboundEndpoint:
    """`POST /webhooks/{id}/{secret}`."""
    return InboundEndpoint(partial(receiving.receive, runtime.receiving), runtime.metrics)
