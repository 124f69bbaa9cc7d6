"""How tests speak to a running server: GraphQL over HTTP, webhooks in, and an endpoint for webhooks out."""

import asyncio
import io
import json
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from outrider.runtime.parts import Runtime
from outrider.tenancy.actors import Environment
from outrider.tenancy.api_keys import NewApiKey, create_api_key
from tests.tenants import Tenant, new_tenant

SECRET = "a-secret-that-has-more-than-32-characters"
_SEND = """mutation($c: UUID!, $to: String!, $text: String!, $metadata: JSON, $wait: Boolean, $sandbox: Boolean,
    $key: String, $replyTo: UUID, $scheduledAt: DateTime, $expiresAt: DateTime) {
  sendMessage(platformConnectionId: $c, toExternalId: $to, message: $text, metadata: $metadata, wait: $wait,
      sandbox: $sandbox, idempotencyKey: $key, replyToEventId: $replyTo, scheduledAt: $scheduledAt,
      expiresAt: $expiresAt) {
    id status { success externalMessageId state error { code message } } } }"""
_EVENT = """query($id: UUID!) { event(id: $id) { id eventType status payload createdAt processedAt originEventId
  childEvents { id eventType payload }
  edges { edgeType targetNodeType targetNodeId targetPlatformUser { externalId name } targetEvent { id } } } }"""
_EVENTS = """query($type: String!) { events(filters: {eventType: {equals: $type}}, first: 200) {
  totalCount edges { node { id eventType payload originEventId raw { base64 size }
    edges { edgeType targetPlatformUser { externalId name } } } } } }"""


@dataclass(frozen=True)
class Server:
    """A server under test."""

    runtime: Runtime
    base_url: str
    session: aiohttp.ClientSession


@dataclass(frozen=True)
class Answered:
    """What an HTTP request got."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Caller:
    """Somebody with a key of an application, and the address of its server."""

    session: aiohttp.ClientSession
    base_url: str
    key: str

    async def request(
        self,
        body: bytes | AsyncIterable[bytes],
        *,
        method: str = "POST",
        headers: dict[str, str] | None = None,
        path: str = "/",
    ) -> Answered:
        """Any request at all; `headers` replace the usual ones by their names."""
        usual = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        # aiohttp warns of large bytes, which it writes at once
        data = io.BytesIO(body) if isinstance(body, bytes) else body
        wanted = {name: value for name, value in (usual | (headers or {})).items() if value}
        async with self.session.request(
            method, f"{self.base_url}{path}", data=data, headers=wanted, skip_auto_headers=["content-type"]
        ) as answer:
            return Answered(answer.status, answer.headers, await answer.read())

    async def graphql(self, query: str, **variables: object) -> dict[str, Any]:
        """The whole answer, `data` and `errors`."""
        answered = await self.request(json.dumps({"query": query, "variables": variables}).encode())
        found: dict[str, Any] = answered.json()
        return found

    async def data(self, query: str, **variables: object) -> dict[str, Any]:
        """The data of a request that must succeed."""
        answer = await self.graphql(query, **variables)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    async def refused(self, query: str, **variables: object) -> dict[str, Any]:
        """Why a request that must not succeed was refused: `code`, `message`, `details`."""
        answer = await self.graphql(query, **variables)
        assert answer.get("data") is None, answer
        (error,) = answer["errors"]
        return {"message": error["message"], **error["extensions"]}

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

    async def subscribe(self, url: str, *patterns: str) -> str:
        """A new subscription, signed with `SECRET`; its id."""
        created = await self.data(
            """mutation($url: String!, $secret: String!, $patterns: [String!]!) {
              createWebhookSubscription(name: "all", targetUrl: $url, eventPatterns: $patterns, secret: $secret) {
                id } }""",
            url=url,
            secret=SECRET,
            patterns=patterns or ["*"],
        )
        return str(created["createWebhookSubscription"]["id"])

    async def send(self, connection_id: str, to: str, text: str = "Hello", **more: object) -> dict[str, Any]:
        """Send a message and wait for its first attempt: `id` and `status`."""
        sent = await self.data(_SEND, c=connection_id, to=to, text=text, **more)
        result: dict[str, Any] = sent["sendMessage"]
        return result

    async def send_refused(
        self, connection_id: str, to: str, text: str = "Hello", **more: object
    ) -> dict[str, Any]:
        """Why a message that must be refused was refused."""
        return await self.refused(_SEND, c=connection_id, to=to, text=text, **more)

    async def event(self, event_id: str) -> dict[str, Any]:
        """An event with its edges and children."""
        found: dict[str, Any] = (await self.data(_EVENT, id=event_id))["event"]
        return found

    async def events(self, event_type: str) -> list[dict[str, Any]]:
        """All events of a type, newest first."""
        found = await self.data(_EVENTS, type=event_type)
        return [edge["node"] for edge in found["events"]["edges"]]

    async def children(self, event_id: str, *until: str, seconds: float = 10.0) -> list[dict[str, Any]]:
        """The events that follow from one, once all of these types are among them."""
        async with asyncio.timeout(seconds):
            while True:
                found = (await self.event(event_id))["childEvents"]
                if set(until) <= {child["eventType"] for child in found}:
                    return found
                await asyncio.sleep(0.02)

    async def delivered(self, delivery_id: str, seconds: float = 10.0) -> None:
        """Wait until a delivery has arrived."""
        document = "query($id: UUID!) { webhookDelivery(id: $id) { state } }"
        async with asyncio.timeout(seconds):
            while (await self.data(document, id=delivery_id))["webhookDelivery"]["state"] != "SUCCEEDED":
                await asyncio.sleep(0.02)

    async def knock(self, connection: dict[str, Any], body: bytes | str | object, **headers: str) -> Answered:
        """Post to the webhook address of a connection, as its platform does."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        path = urlsplit(connection["webhookUrl"]).path
        return await self.request(body, path=path, headers={"authorization": "", **headers})


@dataclass(frozen=True)
class Client(Caller):
    """A customer's application on the server under test."""

    server: Server
    tenant: Tenant

    async def with_key(self, *scopes: str, environment: Environment = Environment.LIVE) -> "Client":
        """The same application, spoken to with another key."""
        created = await create_api_key(
            self.server.runtime.tenancy,
            self.tenant.organisation_id,
            NewApiKey(
                application_id=self.tenant.application_id,
                name="tests",
                scopes=scopes or ["*"],
                environment=environment,
            ),
        )
        return replace(self, key=created.token)


async def new_client(server: Server) -> Client:
    """A new organisation with an application and a key that may do everything."""
    tenant = await new_tenant(server.runtime.tenancy)
    return await Client(server.session, server.base_url, "", server, tenant).with_key()


@dataclass
class Listener:
    """An endpoint for webhooks: what it received, and what it answers next."""

    url: str
    received: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    answer: Callable[[web.Request], Awaitable[web.Response]] | None = None

    async def wait_for(self, count: int, seconds: float = 10.0) -> None:
        """Wait until at least `count` requests came."""
        async with asyncio.timeout(seconds):
            while len(self.received) < count:
                await asyncio.sleep(0.01)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What was posted, as JSON."""
        return [json.loads(raw) for _, raw in self.received]

    async def wait_for_types(self, *types: str, seconds: float = 10.0) -> dict[str, dict[str, Any]]:
        """Wait for webhooks of these event types; the first of each type that came."""
        async with asyncio.timeout(seconds):
            while True:
                told: dict[str, dict[str, Any]] = {}
                for body in self.bodies:
                    told.setdefault(body["event_type"], body)
                if set(types) <= told.keys():
                    return told
                await asyncio.sleep(0.01)


@asynccontextmanager
async def listener() -> AsyncGenerator[Listener]:
    """An endpoint on a free port of this machine."""
    heard = Listener("")

    async def hear(request: web.Request) -> web.Response:
        heard.received.append((request.headers, await request.read()))
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
