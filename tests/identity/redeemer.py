"""A process of its own that redeems link codes: started by tests, told on stdin what to do, killed at will.

Each line is a JSON list of jobs: ["activate", code, platform user] or ["write", connection, sender, text, id].
It answers a line with the outcome of each: "ok", or the name of the error.
"""

import asyncio
import json
import sys
from pathlib import Path
from uuid import UUID

from outrider.identity.activating import activate_link_code
from outrider.platforms.base import InboundRequest
from outrider.runtime.parts import Runtime
from outrider.runtime.wiring import open_runtime
from outrider.tenancy.actors import Actor, Environment, Scope
from outrider.webhooks.receiving import receive_for
from tests.conftest import settings_for


async def serve(dsn: str, folder: str, organisation_id: UUID, application_id: UUID) -> None:
    """Do what stdin says until it ends."""
    runtime = await open_runtime(settings_for(Path(folder), dsn), dsn, role="api")
    actor = Actor(
        organisation_id, application_id, runtime.identity.ids.new(), frozenset({Scope.ALL}), Environment.LIVE
    )
    say("ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        jobs = json.loads(line)
        ends = await asyncio.gather(*(do(runtime, actor, *job) for job in jobs), return_exceptions=True)
        say(["ok" if end is None else type(end).__name__ for end in ends])
    await runtime.close()


async def do(runtime: Runtime, actor: Actor, kind: str, *job: str) -> None:
    """One job."""
    if kind == "activate":
        code, person = job
        await activate_link_code(runtime.identity, actor, code, UUID(person))
        return
    connection, sender, text, message_id = job
    entry = await runtime.directories.connections.get(actor.application_id, UUID(connection))
    assert entry is not None
    body = json.dumps({"messages": [{"from": sender, "text": text, "id": message_id}]}).encode()
    await receive_for(runtime.receiving, entry, runtime.registry.get("sandbox"), InboundRequest({}, body))


def say(answer: object) -> None:
    """Tell the test."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], UUID(sys.argv[3]), UUID(sys.argv[4])))
