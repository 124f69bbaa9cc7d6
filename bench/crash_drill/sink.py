"""The drill's sink: `python -m bench.crash_drill.sink PORT FILE DELAY_MS`.

Platform and webhook endpoint in one. Every request is one line of FILE, in order of arrival and written before the
answer, which comes DELAY_MS later. It is never killed, so the file is the truth about what arrived.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import uvloop

_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n" + b'{"ok":true}'
_ID_HEADERS = ("idempotency-key", "webhook-id")


@dataclass(frozen=True)
class Arrival:
    """One request as the sink saw it. `idempotency_id` is the id of the delivery."""

    at: float
    path: str
    idempotency_id: str
    body: dict[str, Any]


def read_arrivals(path: Path) -> Iterator[Arrival]:
    """Everything that has arrived, in order."""
    with path.open("rb") as file:
        for line in file:
            yield Arrival(**json.loads(line))


class _Connection(asyncio.Protocol):
    def __init__(self, file: int, delay: float) -> None:
        self._file = file
        self._delay = delay
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            request, *lines = self._received[:end].decode("latin1").split("\r\n")
            headers = {
                name.strip().lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines)
            }
            whole = end + 4 + int(headers.get("content-length", "0"))
            if len(self._received) < whole:
                return
            body = self._received[end + 4 : whole]
            self._received = self._received[whole:]
            if body:
                self._record(request.split(" ")[1], headers, body)
            asyncio.get_running_loop().call_later(self._delay, self._answer)

    def _record(self, path: str, headers: dict[str, str], body: bytes) -> None:
        identifier = next((headers[name] for name in _ID_HEADERS if name in headers), "")
        line = {"at": time.time(), "path": path, "idempotency_id": identifier, "body": json.loads(body)}
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def _answer(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_ANSWER)


async def main(port: int, path: str, delay_ms: float) -> None:
    """Serve until killed."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(file, delay_ms / 1000), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
