"""Transactional messages: signed requests at `/v1/messages`, accepted a second, and what a synchronous one takes."""

import base64
import hashlib
import hmac
import statistics
import time

import orjson

from bench import mail
from bench.api import Api, check_status
from bench.databases import ONE_ROW, prepare_commits
from bench.http_client import encode_request
from bench.load import ConnectionPool, closed_loop, paced
from bench.results import Row
from bench.runs import CLIENTS, Run, interleaved, wait_drained
from bench.servers import running_server

NAMES = ("message_accept", "message_sync_p50_ms")
_BACKEND = "bench-mail"
_PATH = "/v1/messages"
_PACE = 100
_DATA = mail.data()
_CONNECTIONS = 16
_LIMIT = "pgbench, one row a commit, 32 connections"


async def measure(run: Run, wanted: set[str]) -> list[Row]:
    """The rows that are wanted."""
    await prepare_commits(run.probe)
    script = run.script("commit", ONE_ROW)
    rows: list[Row] = []
    async with running_server(run.data_dir) as server:
        api = Api(server.address, run.credentials.api_key)
        await api.create_backend(_BACKEND)

        async def accept() -> float:
            found = await closed_loop(
                api.address, CLIENTS, run.seconds, lambda: _message(run), check_status(201)
            )
            await wait_drained(run.probe)
            return found.rate

        if "message_accept" in wanted:
            limit, rate = await interleaved(
                run.rounds, lambda: run.database.pgbench(script, CLIENTS, run.seconds), accept
            )
            rows.append(Row("message_accept", rate, "items/s", limit, _LIMIT))
        if "message_sync_p50_ms" in wanted:
            rows.append(Row("message_sync_p50_ms", await _synchronous(run, api), "ms", None, ""))
    return rows


async def _synchronous(run: Run, api: Api) -> float:
    """From the request to its answer, which tells that the sandbox took the message."""
    found: list[float] = []
    check = check_status(201)
    async with ConnectionPool(api.address, _CONNECTIONS) as pool:

        async def work(_: int) -> None:
            begun = time.monotonic_ns()
            async with pool.connection() as free:
                check(await free.request(_message(run, sync=True)))
            found.append((time.monotonic_ns() - begun) / 1e6)

        await paced(_PACE, round(_PACE * run.seconds * run.rounds), work)
    return statistics.median(found)


def _message(run: Run, **more: object) -> bytes:
    """A signed request with a mail to render: its subject, 10 KB of HTML with inlined styles, and a text part."""
    number = run.number()
    message = {
        "type": "email",
        "project": run.credentials.application_slug,
        "backend": _BACKEND,
        "to": f"someone-{number % 5_000}@example.com",
        "subject": mail.SUBJECT,
        "html_template_body": mail.HTML,
        "template_styles": mail.STYLES,
        "data": {**_DATA, "order": number},
        "id_from_submitter": f"bench-{number}",
        **more,
    }
    body, stamp = orjson.dumps({"message": message}), str(int(time.time()))
    key = run.credentials.message_key
    signed = hmac.digest(key["secret"].encode(), f"{stamp}POST{_PATH}".encode() + body, hashlib.sha256)
    headers = {
        "content-type": "application/json",
        "outkit-access-key": key["key"],
        "outkit-access-passphrase": key["passphrase"],
        "outkit-access-timestamp": stamp,
        "outkit-access-signature": base64.b64encode(signed).decode(),
    }
    return encode_request("POST", _PATH, headers, body)
