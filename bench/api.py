"""The developer GraphQL API as the load speaks it: documents, encoded requests, checks of answers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import orjson

from bench.http_client import Address, Response, ask, encode_request

_SEND = """
mutation Send($connection: UUID!, $to: String!, $message: String!, $at: DateTime, $key: String) {
  sendMessage(platformConnectionId: $connection, toExternalId: $to, message: $message, scheduledAt: $at,
    idempotencyKey: $key, wait: false) { id status { success state } }
}"""
_SEND_MANY = """
mutation SendMany($inputs: [SendMessageInput!]!) {
  sendMessages(inputs: $inputs) { message { id status { success state } } error { code message } }
}"""
_CREATE_EVENT = """
mutation Create($type: String!, $payload: JSON!) { createEvent(eventType: $type, payload: $payload) { id } }"""
_PAGE = """
query Page($type: String!, $since: DateTime!) {
  events(first: 20, filters: { eventType: { equals: $type }, createdAt: { gte: $since } },
    orderBy: { field: CREATED_AT, direction: DESC }) {
    edges { node { id eventType payload createdAt edges { edgeType targetPlatformUser { externalId } } } cursor }
    pageInfo { hasNextPage endCursor }
  }
}"""
_CONVERSATIONS = """
query Inbox {
  conversations(first: 20) {
    edges {
      node {
        id unreadCount
        platformUser { id externalId name }
        lastMessage { id eventType payload createdAt }
      }
      cursor
    }
    pageInfo { hasNextPage endCursor }
  }
}"""
_CREATE_CONNECTION = """
mutation Connect($name: String!, $config: JSON!) {
  createPlatformConnection(platformName: TELEGRAM, provider: "sandbox", name: $name, identifier: $name,
    config: $config) { id webhookUrl }
}"""
_CREATE_BACKEND = """
mutation Backend($name: String!) {
  createPlatformConnection(platformName: EMAIL, provider: "sandbox", name: $name, identifier: $name,
    config: {}) { id }
}"""
_SUBSCRIBE = """
mutation Subscribe($name: String!, $url: String!, $patterns: [String!]!, $secret: String) {
  createWebhookSubscription(name: $name, targetUrl: $url, eventPatterns: $patterns, secret: $secret) { id }
}"""


class Refused(Exception):
    """The API answered with an error."""


@dataclass(frozen=True)
class SandboxConnection:
    """A connection to the sandbox and the path of its webhook."""

    id: str
    webhook_path: str


@dataclass(frozen=True)
class Api:
    """One application's developer API at one server."""

    address: Address
    api_key: str

    def encode(self, document: str, variables: dict[str, Any]) -> bytes:
        """The bytes of one GraphQL request."""
        headers = {"authorization": f"Bearer {self.api_key}", "content-type": "application/json"}
        body = orjson.dumps({"query": document, "variables": variables})
        return encode_request("POST", "/", headers, body)

    async def execute(self, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Run one document, outside of any measurement."""
        response = await ask(self.address, self.encode(document, variables))
        answer = orjson.loads(response.body)
        if response.status != 200 or answer.get("errors"):
            raise Refused(f"HTTP {response.status}: {response.body.decode()[:2000]}")
        return answer["data"]

    async def create_connection(self, name: str, sink_url: str | None = None) -> SandboxConnection:
        """Make a sandbox connection on a chat channel; with a sink its messages are posted there."""
        config = {"api_base_url": sink_url} if sink_url else {}
        data = await self.execute(_CREATE_CONNECTION, {"name": name, "config": config})
        created = data["createPlatformConnection"]
        return SandboxConnection(created["id"], urlsplit(str(created["webhookUrl"])).path)

    async def create_backend(self, name: str) -> None:
        """Make a sandbox account for e-mail."""
        await self.execute(_CREATE_BACKEND, {"name": name})

    async def subscribe(self, name: str, url: str, patterns: list[str]) -> str:
        """Make a webhook subscription and give its id."""
        secret = "s" * 32
        variables = {"name": name, "url": url, "patterns": patterns, "secret": secret}
        return (await self.execute(_SUBSCRIBE, variables))["createWebhookSubscription"]["id"]

    def send(
        self, connection_id: str, to: str, text: str, *, due: datetime | None = None, key: str | None = None
    ) -> bytes:
        """One `sendMessage(wait: false)`."""
        variables = {"connection": connection_id, "to": to, "message": text, "at": due, "key": key}
        return self.encode(_SEND, variables)

    def send_many(self, inputs: list[dict[str, Any]]) -> bytes:
        """One `sendMessages`."""
        return self.encode(_SEND_MANY, {"inputs": inputs})

    def create_event(self, event_type: str, payload: dict[str, Any]) -> bytes:
        """One `createEvent`."""
        return self.encode(_CREATE_EVENT, {"type": event_type, "payload": payload})

    def page(self, event_type: str) -> bytes:
        """The newest 20 events of a type and of the last day, with their edges."""
        since = datetime.now(UTC) - timedelta(days=1)
        return self.encode(_PAGE, {"type": event_type, "since": since})

    def conversations(self) -> bytes:
        """The 20 conversations with the latest messages, each with that message and how many are unread."""
        return self.encode(_CONVERSATIONS, {})


def one_message(connection_id: str, to: str, text: str, **more: Any) -> dict[str, Any]:
    """One input of `sendMessages`."""
    return {"platformConnectionId": connection_id, "toExternalId": to, "message": text, **more}


def inbound_message(path: str, identifier: str, sender: str, text: str) -> bytes:
    """What a platform posts when somebody writes to the sandbox."""
    message = {"id": identifier, "from": sender, "name": "Somebody", "text": text}
    body = orjson.dumps({"messages": [message]})
    return encode_request("POST", path, {"content-type": "application/json"}, body)


def is_accepted(response: Response) -> bool:
    """Whether an answer holds no error, not even for one message of several."""
    refused = b'"errors"' in response.body or b'"error":{' in response.body
    return response.status == 200 and not refused


def check_accepted(response: Response) -> None:
    """Stop a run whose load is refused: its figures would mean nothing."""
    if not is_accepted(response):
        raise Refused(f"HTTP {response.status}: {response.body.decode()[:2000]}")


def check_status(status: int) -> Callable[[Response], None]:
    """Fail on an answer with any other status."""

    def check(response: Response) -> None:
        if response.status != status:
            raise Refused(f"HTTP {response.status}: {response.body.decode()[:2000]}")

    return check
