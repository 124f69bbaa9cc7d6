"""How tests submit messages: a key of an organisation with a sandbox backend, and requests that are signed right."""

import json
import time
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from yarl import URL

from outrider.platforms.base import Channel
from outrider.surfaces.outkit_rest.signing import signature_of
from outrider.tenancy.accounts import prepare_account
from outrider.tenancy.backends import set_default_backend
from outrider.tenancy.context import settings_transaction
from outrider.tenancy.message_keys import CreatedMessageKey, NewMessageKey, create_message_key
from outrider.tenancy.queries import insert_account
from tests.clients import Answered, Client

PATH = "/v1/messages"


@dataclass(frozen=True)
class Submitter:
    """Somebody with a message key of the client's organisation."""

    client: Client
    key: CreatedMessageKey
    project: str

    def signed(self, method: str, target: str, body: bytes, timestamp: str | None = None) -> dict[str, str]:
        """The headers of a signed request."""
        stamp = timestamp or str(int(time.time()))
        signature = signature_of(self.key.secret, stamp.encode(), method, target.encode(), body)
        return {
            "Outkit-Access-Key": self.key.key,
            "Outkit-Access-Passphrase": self.key.passphrase,
            "Outkit-Access-Timestamp": stamp,
            "Outkit-Access-Signature": signature,
        }

    async def raw(
        self,
        method: str,
        target: str,
        body: bytes | AsyncIterable[bytes] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        """A request exactly as it is given."""
        wanted = {"authorization": "", "content-type": "", **(headers or {})}
        return await self.client.request(body, method=method, path=target, headers=wanted)

    async def call(
        self, method: str, target: str, body: bytes = b"", *, timestamp: str | None = None, **headers: str
    ) -> Answered:
        """A signed request."""
        more = {name.replace("_", "-"): text for name, text in headers.items()}
        usual = {"content-type": "application/json"} if body else {}
        return await self.raw(
            method, target, body, {**usual, **self.signed(method, target, body, timestamp), **more}
        )

    def message(self, **given: object) -> dict[str, object]:
        """An e-mail with ready bodies."""
        return {
            "type": "email",
            "project": self.project,
            "to": "ada@example.com",
            "subject": "Hello",
            "text_body": "Hello Ada",
            **given,
        }

    async def submit(self, timestamp: str | None = None, **given: Any) -> dict[str, Any]:
        """Submit a message that is accepted; its data."""
        answered = await self.post(timestamp=timestamp, **given)
        assert answered.status == 201, answered.body
        data: dict[str, Any] = answered.json()["data"]
        return data

    async def post(
        self, timestamp: str | None = None, headers: Mapping[str, str] | None = None, **given: object
    ) -> Answered:
        """Submit a message, however it is answered."""
        body = json.dumps({"message": self.message(**given)}).encode()
        return await self.call("POST", PATH, body, timestamp=timestamp or fresh_stamp(), **(headers or {}))

    async def refused(self, **given: Any) -> tuple[int, str, str]:
        """Why a message was refused: status, code, message."""
        return refusal(await self.post(**given))

    async def get(self, message_id: str) -> dict[str, Any]:
        """A message by its id."""
        answered = await self.call("GET", f"{PATH}/{message_id}")
        assert answered.status == 200, answered.body
        data: dict[str, Any] = answered.json()["data"]
        return data

    async def list(self, query: str = "") -> list[dict[str, Any]]:
        """A page of messages."""
        answered = await self.call("GET", f"{PATH}?{query}" if query else PATH)
        assert answered.status == 200, answered.body
        data: list[dict[str, Any]] = answered.json()["data"]
        return data

    async def with_key(self, **given: Any) -> "Submitter":
        """The same, with another key of the organisation."""
        return replace(self, key=await new_key(self.client, **given))


async def ask(
    submitter: Submitter, method: str, target: str, body: bytes, signed: bytes, content_type: str = ""
) -> Answered:
    """A signed request whose target is sent exactly as it is written."""
    headers = submitter.signed(method, target, signed, fresh_stamp())
    if content_type:
        headers["content-type"] = content_type
    url = URL(submitter.client.base_url + target, encoded=True)
    async with submitter.client.session.request(
        method, url, data=body, headers=headers, skip_auto_headers=["content-type"]
    ) as answer:
        return Answered(answer.status, answer.headers, await answer.read())


_stamps = iter(range(1, 10**9))


def fresh_stamp() -> str:
    """A timestamp of now that was never used before: equal requests of one second are repeats."""
    return f"{int(time.time())}.{next(_stamps):09d}"


def refusal(answered: Answered) -> tuple[int, str, str]:
    """Status, code and message of a refusal."""
    body = answered.json()
    assert body.keys() == {"error"}, body
    assert body["error"].keys() == {"code", "message"}
    return answered.status, body["error"]["code"], body["error"]["message"]


async def new_key(client: Client, **given: Any) -> CreatedMessageKey:
    """A new message key of the client's organisation."""
    new = NewMessageKey(name="tests", **given)
    return await create_message_key(client.server.runtime.tenancy, client.tenant.organisation_id, new)


async def new_backend(
    client: Client,
    channel: Channel = Channel.EMAIL,
    identifier: str = "post-office",
    *,
    provider: str = "sandbox",
    config: Mapping[str, object] | None = None,
) -> UUID:
    """An account of the client's organisation."""
    context, actor = client.server.runtime.tenancy, client.tenant.actor
    account = prepare_account(
        context, actor, channel=channel, provider=provider, identifier=identifier, config=config or {}
    )
    async with settings_transaction(context, actor.organisation_id) as connection:
        await insert_account(connection, actor.organisation_id, account.insert)
    return account.insert.id


async def new_submitter(
    client: Client,
    channel: Channel = Channel.EMAIL,
    *,
    provider: str = "sandbox",
    config: Mapping[str, object] | None = None,
) -> Submitter:
    """A key, and a default backend."""
    account_id = await new_backend(client, channel, provider=provider, config=config)
    runtime, tenant = client.server.runtime, client.tenant
    await set_default_backend(
        runtime.tenancy,
        tenant.organisation_id,
        tenant.application_id,
        channel=channel,
        account_id=account_id,
    )
    return Submitter(client, await new_key(client), "ferry-desk")
