"""How tests speak to a running server: GraphQL over HTTP, webhooks in, and an endpoint for webhooks out."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from outrider.runtime.wiring import Runtime
from outrider.tenancy.api_keys import NewApiKey, create_api_key
from tests.tenants import Tenant, new_tenant


@dataclass(frozen=True)
class Server:
    """A server under test."""

    runtime: Runtime
    base_url: str
    session: aiohttp.ClientSession


@dataclass(frozen=True)
class Client:
    """A customer's application, with its key."""

    server: Server
    tenant: Tenant
    key: str

    async def graphql(self, query: str, **variables: object) -> dict[str, Any]:
        """The whole answer, `data` and `errors`."""
        async with self.server.session.post(
            f"{self.server.base_url}/",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {self.key}"},
        ) as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def data(self, query: str, **variables: object) -> dict[str, Any]:
        """The data of a request that must succeed."""
        answer = await self.graphql(query, **variables)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    async def connect(
        self, channel: str, provider: str, config: dict[str, object], **more: object
    ) -> dict[str, Any]:
        """A new connection: its `id` and `webhookUrl`."""
        created = await self.data(
            """mutation($channel: PlatformName!, $provider: String, $config: JSON!, $name: String!) {
              createPlatformConnection(platformName: $channel, provider: $provider, name: $name, config: $config) {
                id webhookUrl } }""",
            channel=channel,
            provider=provider,
            config=config,
            name=f"{provider} {channel}",
            **more,
        )
        connection: dict[str, Any] = created["createPlatformConnection"]
        return connection

    async def send(self, connection_id: str, to: str, text: str = "Hello", **more: object) -> dict[str, Any]:
        """Send a message and wait for its first attempt: `id` and `status`."""
        sent = await self.data(
            """mutation($c: UUID!, $to: String!, $text: String!, $metadata: JSON, $wait: Boolean) {
              sendMessage(platformConnectionId: $c, toExternalId: $to, message: $text, metadata: $metadata, wait: $wait) {
                id status { success externalMessageId state error { code message } } } }""",
            c=connection_id,
            to=to,
            text=text,
            **more,
        )
        result: dict[str, Any] = sent["sendMessage"]
        return result


async def new_client(server: Server) -> Client:
    """A new organisation with an application and a key that may do everything."""
    tenant = await new_tenant(server.runtime.tenancy)
    created = await create_api_key(
        server.runtime.tenancy,
        tenant.organisation_id,
        NewApiKey(application_id=tenant.application_id, name="tests", scopes=["*"]),
    )
    return Client(server, tenant, created.token)


@dataclass
class Listener:
    """An endpoint for webhooks: what it received, and what it answers next."""

    url: str
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answer: Callable[[web.Request], Awaitable[web.Response]] | None = None

    async def wait_for(self, count: int, seconds: float = 10.0) -> None:
        """Wait until at least `count` deliveries came."""
        async with asyncio.timeout(seconds):
            while len(self.received) < count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def listener() -> AsyncGenerator[Listener]:
    """An endpoint on a free port of this machine."""
    heard = Listener("")

    async def hear(request: web.Request) -> web.Response:
        heard.received.append((dict(request.headers), await request.read()))
        return web.Response() if heard.answer is None else await heard.answer(request)

    application = web.Application()
    application.router.add_post("/{path:.*}", hear)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    heard.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield heard
    finally:
        await runner.cleanup()
