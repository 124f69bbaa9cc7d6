"""What an operator's tools ask: methods, unknown paths, and a fault while answering."""

import json

import pytest

from outrider.core.asgi import Scope
from outrider.runtime import operating
from outrider.runtime.http import Gate
from outrider.runtime.operating import operating_endpoint
from tests.clients import Server


async def ask(server: Server, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer."""
    async with server.session.request(method, server.base_url + path) as answer:
        return (
            answer.status,
            {name.lower(): text for name, text in answer.headers.items()},
            await answer.read(),
        )


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_pages_are_read_and_nothing_else(server: Server, path: str) -> None:
    status, headers, body = await ask(server, "HEAD", path)
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 0
    assert (await ask(server, "GET", f"{path}/"))[0] == 200

    for method in ("POST", "DELETE", "OPTIONS"):
        status, headers, body = await ask(server, method, path)
        assert (status, headers["allow"]) == (405, "GET, HEAD")
        assert json.loads(body)["error"]["code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize("path", ["/health", "/healthz/more", "/v2/events", "//", "/%00", "/metrics%2f.."])
async def test_there_is_nothing_elsewhere(server: Server, path: str) -> None:
    for method in ("GET", "POST"):
        status, headers, body = await ask(server, method, path)
        assert (status, headers["content-type"]) == (404, "application/json")
        assert json.loads(body)["error"]["code"] == "NOT_FOUND"


async def test_a_surprise_is_told_to_nobody(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_runtime: object) -> bytes:
        raise RuntimeError("a secret")

    monkeypatch.setattr(operating, "_render_metrics", fail)
    endpoint = operating_endpoint(server.runtime, Gate())
    told: list[Scope] = []

    async def send(message: Scope) -> None:
        told.append(message)

    await endpoint({"type": "http", "method": "GET", "path": "/metrics", "headers": []}, None, send)  # type: ignore[arg-type]
    assert told[0]["status"] == 500
    assert json.loads(told[1]["body"])["error"]["code"] == "INTERNAL_ERROR"
    assert b"secret" not in told[1]["body"]
