"""How tests speak REST to the server under test."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.clients import Answered, Client

MISSING = "00000000-0000-7000-8000-000000000000"
LIMITS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


@dataclass(frozen=True)
class Rest:
    """A customer's application, spoken to through `/v1`."""

    client: Client

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
        **parameters: object,
    ) -> Answered:
        """Any request below `/v1`; None is no body, bytes are sent as they are."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        query = f"?{urlencode(parameters)}" if parameters else ""
        usual = {} if raw else {"content-type": ""}
        return await self.client.request(
            raw, method=method, path=f"/v1{path}{query}", headers=usual | (headers or {})
        )

    async def get(self, path: str, **parameters: object) -> Any:
        """What a read that must succeed answers."""
        return self._done(await self.call("GET", path, **parameters), 200)

    async def post(self, path: str, body: object = None, *, status: int = 201, **headers: str) -> Any:
        """What a post that must succeed answers."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._done(await self.call("POST", path, body, headers=named), status)

    async def patch(self, path: str, body: object) -> Any:
        """What a change that must succeed answers."""
        return self._done(await self.call("PATCH", path, body), 200)

    async def delete(self, path: str) -> None:
        """Delete what must be there."""
        answered = await self.call("DELETE", path)
        assert (answered.status, answered.body) == (204, b"")

    async def refused(self, method: str, path: str, body: object = None, *, status: int) -> dict[str, Any]:
        """Why a request that must be refused was refused."""
        answered = await self.call(method, path, body)
        assert answered.status == status, answered.body
        refusal: dict[str, Any] = answered.json()
        assert refusal.keys() == {"error"}
        error: dict[str, Any] = refusal["error"]
        assert error.keys() == {"code", "message", "details"}
        return error

    async def connect(self) -> str:
        """A new connection of the sandbox; its id."""
        created = await self.post(
            "/platform-connections", {"platform_name": "sms", "provider": "sandbox", "name": "Sandbox"}
        )
        return str(created["id"])

    async def send(self, connection_id: str, to: str = "+14155551234", **more: object) -> Any:
        """Send a message."""
        message = {"platform_connection_id": connection_id, "to_external_id": to, "message": "Hello"}
        return await self.post("/messages", message | more)

    @staticmethod
    def _done(answered: Answered, status: int) -> Any:
        assert answered.status == status, answered.body
        return answered.json()
