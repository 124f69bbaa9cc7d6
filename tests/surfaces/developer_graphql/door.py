"""The endpoint called in process, without a network."""

from dataclasses import dataclass
from typing import Any

import orjson

from outrider.core import log
from outrider.runtime.parts import Runtime
from outrider.surfaces.developer_graphql.endpoint import DeveloperGraphql
from outrider.tenancy.api_keys import NewApiKey, create_api_key
from tests.tenants import Tenant


@dataclass(frozen=True)
class Got:
    """An answer, and the line that the log has about it."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    line: dict[str, Any]

    @property
    def error(self) -> dict[str, Any]:
        """The first error."""
        error: dict[str, Any] = orjson.loads(self.body)["errors"][0]
        return error

    @property
    def code(self) -> str:
        """Its code."""
        return str(self.error["extensions"]["code"])


@dataclass(frozen=True)
class Door:
    """The endpoint, called without a network, and keys for it."""

    endpoint: DeveloperGraphql
    runtime: Runtime
    tenant: Tenant
    key: str

    async def knock(
        self, body: bytes | dict[str, object], *, method: str = "POST", **headers: str | None
    ) -> Got:
        """Send a request; headers replace the usual ones, None leaves one out."""
        usual = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        given_headers = {name.replace("_", "-"): value for name, value in headers.items()}
        scope = {
            "type": "http",
            "method": method,
            "path": "/",
            "headers": [
                (name.encode(), value.encode())
                for name, value in {**usual, **given_headers}.items()
                if value is not None
            ],
        }
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        sent: list[Any] = []
        lines: list[bytes] = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        with log.redirected(lines.append):
            await self.endpoint(scope, receive, send)
        line = next(found for found in map(orjson.loads, lines) if found["event"] == "graphql.answered")
        return Got(sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"], line)

    async def ask(self, query: str, **variables: object) -> Got:
        """Send a document."""
        return await self.knock({"query": query, "variables": variables})

    async def data(self, query: str, **variables: object) -> Any:
        """The data of a document that must be answered."""
        answer = orjson.loads((await self.ask(query, **variables)).body)
        assert "errors" not in answer, answer
        return answer["data"]

    async def with_scopes(self, *scopes: str) -> "Door":
        """The same, with a key that may do less."""
        return Door(
            self.endpoint, self.runtime, self.tenant, await key_of(self.runtime, self.tenant, *scopes)
        )

    async def count_events(self) -> int:
        """How many events the application has."""
        pool = self.runtime.database.system
        count = await pool.fetchval(
            "select count(*) from events where application_id = $1", self.tenant.application_id
        )
        return int(count)


async def key_of(runtime: Runtime, tenant: Tenant, *scopes: str) -> str:
    """A new key of a tenant's application."""
    new = NewApiKey(application_id=tenant.application_id, name="tests", scopes=scopes)
    return (await create_api_key(runtime.tenancy, tenant.organisation_id, new)).token
