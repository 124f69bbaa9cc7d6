"""The ASGI application: finds the endpoint of a path, and lets nobody in once the process stops."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from outrider.core.asgi import Receive, Scope, Send, respond

_STOPPING: Final = b'{"error":{"code":"UNAVAILABLE","message":"The server is stopping.","details":{}}}'

Endpoint: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(slots=True)
class Gate:
    """Whether requests are let in; closed at the beginning of a stop, which is when `on_close` is called."""

    is_open: bool = True
    on_close: Callable[[], None] | None = None

    def close(self) -> None:
        """Let nobody in any more, and end what would go on for ever."""
        self.is_open = False
        if self.on_close is not None:
            self.on_close()


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What answers, by the path or by the first part of it; `stopping` does once nobody is let in any more."""

    exact: Mapping[str, Endpoint]
    prefixed: Mapping[str, Endpoint]
    stopping: Mapping[str, Endpoint]


def build_app(endpoints: Endpoints, otherwise: Endpoint, gate: Gate) -> Endpoint:
    """The application of one process; `otherwise` answers every path that no endpoint has, also while it stops."""
    exact, prefixed = endpoints.exact, endpoints.prefixed

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        begins = path[: path.find("/", 1) + 1]
        endpoint = exact.get(path) or prefixed.get(begins)
        if endpoint is None:
            await otherwise(scope, receive, send)
        elif gate.is_open:
            await endpoint(scope, receive, send)
        elif begins in endpoints.stopping:
            await endpoints.stopping[begins](scope, receive, send)
        else:
            await respond(send, 503, _STOPPING, headers=[(b"connection", b"close")])

    return app
