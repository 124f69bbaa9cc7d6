"""What operators see: health pages, numbers, a log without secrets, and a disk that fills up."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from outrider.core import log
from outrider.core.database.embedded import EmbeddedPostgres, start_embedded
from outrider.core.database.migrating import migrate
from outrider.core.disk import DiskWatch, Space
from outrider.dispatch.cross_tenant import select_age
from outrider.runtime.running import running_server
from outrider.webhooks.signing import new_secret, verify_standard
from outrider.webhooks.subscriptions import rotate_subscription_secret
from tests.clients import SECRET, Client, Server, listener, new_client
from tests.conftest import settings_for
from tests.installations import new_installation
from tests.platforms.telegram.updates import text_update
from tests.running import new_database

GB = 10**9
_NAMES = """outrider_append_batch_size outrider_append_queue_depth outrider_append_refused outrider_append_seconds
outrider_deliveries outrider_deliveries_in_flight outrider_delivery_seconds outrider_events_appended
outrider_http_request_seconds outrider_http_requests outrider_inbound outrider_log_lines_dropped
outrider_queue_age_seconds outrider_queue_depth outrider_shards_owned outrider_sqlcalls""".split()  # noqa: SIM905
_SEND = """mutation($c: UUID!, $text: String!) {
  sendMessage(platformConnectionId: $c, toExternalId: "42", message: $text) { id status { state } } }"""


@pytest.fixture
async def alone(dsn: str, tmp_path: Path, server: Server) -> AsyncGenerator[Server]:
    """A server with a database that nobody else uses."""
    async with (
        new_database(dsn, "alone") as own,
        running_server(settings_for(tmp_path, own, PORT="0"), own) as running,
    ):
        yield Server(running.runtime, f"http://127.0.0.1:{running.port}", server.session)


async def _page(server: Server, path: str) -> tuple[int, str, bytes]:
    async with server.session.get(server.base_url + path) as answer:
        return answer.status, answer.headers["Content-Type"], await answer.read()


async def _samples(server: Server) -> dict[str, float]:
    """Every number of `/metrics` by its name and labels."""
    status, content_type, body = await _page(server, "/metrics")
    assert status == 200
    assert content_type.startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(body.decode()))
    assert set(_NAMES) <= {family.name for family in families}
    assert all(family.documentation for family in families)
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in families
        for sample in family.samples
    }


async def test_the_health_pages_of_a_healthy_server(alone: Server) -> None:
    status, content_type, body = await _page(alone, "/readyz")

    assert (await _page(alone, "/healthz"))[0] == 200
    assert (status, content_type) == (200, "application/json")
    assert json.loads(body) == {
        "status": "ok",
        "checks": dict.fromkeys(["database", "migrations", "partitions", "queue", "disk", "accepting"], "ok"),
    }


async def test_the_numbers_move_with_the_work(alone: Server) -> None:
    client = await new_client(alone)
    async with listener() as heard:
        await client.subscribe(heard.url, "message.*")
        connection = await client.connect("WHATSAPP", "sandbox", {})
        before = await _samples(alone)
        sent = await client.send(connection["id"], "ada")
        await client.send(connection["id"], "rejected")
        for _ in range(2):
            await client.knock(connection, {"messages": [{"id": "m", "from": "ada", "text": "Hi"}]})
        await client.knock({"webhookUrl": connection["webhookUrl"] + "x"}, b"{}")
        await client.graphql("{ nothing }")
        await heard.wait_for(5)
        await client.children(sent["id"], "message.sent")
        await asyncio.sleep(0.1)
        after = await _samples(alone)

    def grown(name: str, **labels: str) -> float:
        key = f"{name}{sorted(labels.items())}"
        return after.get(key, 0) - before.get(key, 0)

    assert grown("outrider_events_appended_total") == 5
    assert grown("outrider_deliveries_total", kind="message", outcome="succeeded") == 1
    assert grown("outrider_deliveries_total", kind="message", outcome="rejected") == 1
    assert grown("outrider_deliveries_total", kind="webhook", outcome="succeeded") == 5
    assert grown("outrider_delivery_seconds_count", kind="message") == 2
    assert grown("outrider_delivery_seconds_count", kind="webhook") == 5
    assert grown("outrider_inbound_total", platform="whatsapp", outcome="ok") == 1
    assert grown("outrider_inbound_total", platform="whatsapp", outcome="repeated") == 1
    assert grown("outrider_http_requests_total", surface="inbound", status="200") == 2
    assert grown("outrider_http_requests_total", surface="inbound", status="401") == 1
    assert grown("outrider_http_requests_total", surface="developer_graphql", status="400") == 1
    assert grown("outrider_http_request_seconds_count", surface="developer_graphql") >= 3
    still = {
        "outrider_shards_owned[]": 64,
        "outrider_append_queue_depth[]": 0,
        "outrider_log_lines_dropped[]": 0,
    }
    assert {name: after[name] for name in still} == still


async def test_what_waits_for_its_time_is_no_backlog(alone: Server) -> None:
    client = await new_client(alone)
    connection = (await client.connect("WHATSAPP", "sandbox", {}))["id"]
    await client.subscribe("http://127.0.0.1:9/", "message.outbound")

    await client.send(connection, "ada", scheduledAt="2099-01-01T00:00:00Z")

    assert await select_age(alone.runtime.database.system) == (0, 0.0)


async def test_one_tenants_bad_token_makes_nobody_unready(alone: Server) -> None:
    client = await new_client(alone)
    async with listener() as vendor:

        async def refuse(_request: web.Request) -> web.Response:
            return web.json_response(
                {"ok": False, "error_code": 401, "description": "Unauthorized"}, status=401
            )

        vendor.answer = refuse
        bad = {"bot_token": "1234567890:" + "x" * 35, "api_base_url": vendor.url.rstrip("/")}
        connection = (await client.connect("TELEGRAM", "telegram", bad))["id"]
        for number in range(5):
            await client.send(connection, str(1000 + number), wait=False)
            await asyncio.sleep(0.2)

        async with asyncio.timeout(10):
            while (await select_age(alone.runtime.database.system))[1] < 0.5:
                await asyncio.sleep(0.05)

        assert await alone.runtime.dispatcher.neglected_seconds() < 0.5


async def test_a_server_without_its_database_is_alive_and_not_ready(
    tmp_path: Path, server: Server, elsewhere: EmbeddedPostgres
) -> None:
    await migrate(elsewhere.dsn)
    async with running_server(settings_for(tmp_path, elsewhere.dsn, PORT="0"), elsewhere.dsn) as running:
        lonely = Server(running.runtime, f"http://127.0.0.1:{running.port}", server.session)
        client = await new_client(lonely)
        connection = await client.connect("WHATSAPP", "sandbox", {})
        os.kill(elsewhere.pid, signal.SIGKILL)
        async with asyncio.timeout(10):
            while (await _page(lonely, "/readyz"))[0] == 200:
                await asyncio.sleep(0.05)

        status, _, body = await _page(lonely, "/readyz")
        healthy, *_ = await _page(lonely, "/healthz")
        numbers, *_ = await _page(lonely, "/metrics")
        read = await client.refused("{ application { id } }")
        knocked = await client.knock(connection, {"messages": [{"from": "ada", "text": "Hi"}]})
        stranger = replace(client, key="otr_live_" + "A" * 43)
        unknown = (await stranger.graphql("{ application { id } }"))["errors"][0]["extensions"]

        await elsewhere.ensure_running()
        async with asyncio.timeout(10):
            while (await _page(lonely, "/readyz"))[0] != 200:
                await asyncio.sleep(0.05)
        back = await client.send(connection["id"], "ada")

    assert status == 503
    assert json.loads(body)["status"] == "unavailable"
    assert json.loads(body)["checks"]["database"] != "ok"
    assert (healthy, numbers) == (200, 200)
    assert (read["code"], read["http"]["status"]) == ("UNAVAILABLE", 503)
    assert knocked.status == 503
    # nobody can tell whether this key is known
    assert unknown["code"] == "UNAVAILABLE"
    assert back["status"]["state"] == "sent"


@pytest.fixture
async def elsewhere() -> AsyncGenerator[EmbeddedPostgres]:
    """A PostgreSQL of the test's own, which nobody restarts."""
    async with new_installation() as made:
        postgres = await start_embedded(made.data_dir)
        yield postgres
        await postgres.close()


def _fill(disk: DiskWatch, free: int) -> None:
    disk._measure = lambda _folder: Space(free=free, total=100 * GB)
    disk._next_check = 0.0


async def test_a_disk_that_is_nearly_full_takes_no_new_facts_and_finishes_the_old(alone: Server) -> None:
    client = await new_client(alone)
    connection = await client.connect("WHATSAPP", "sandbox", {})
    async with listener() as heard:
        await client.subscribe(heard.url, "message.*")
        early = await client.send(connection["id"], "slow-1.delivered", wait=False)
        _fill(alone.runtime.disk, 4 * GB)
        sent = await client.send_refused(connection["id"], "ada")
        created = await client.refused('mutation { createEvent(eventType: "a.b", payload: {}) { id } }')
        written = await client.knock(connection, {"messages": [{"from": "ada", "text": "Hi"}]})
        children = await client.children(early["id"], "message.sent", "message.delivered")
        told = await heard.wait_for_types("message.outbound", "message.sent", "message.delivered")
        ready = await _page(alone, "/readyz")
        read = await client.events("message.outbound")
        refusals = (await _samples(alone))["outrider_append_refused_total[('reason', 'disk')]"]

        _fill(alone.runtime.disk, 50 * GB)
        later = await client.send(connection["id"], "ada")
        taken = await client.knock(connection, {"messages": [{"from": "ada", "text": "Hi"}]})

    assert (sent["code"], sent["http"]["status"]) == ("UNAVAILABLE", 503)
    assert created["code"] == "UNAVAILABLE"
    assert written.status == 503
    assert len(children) == 2
    assert len(told) == 3
    assert ready[0] == 503
    assert json.loads(ready[2])["checks"]["disk"] == "nearly full"
    assert [event["id"] for event in read] == [early["id"]]
    assert refusals == 3
    assert later["status"]["state"] == "sent"
    assert taken.status == 200


@pytest.fixture
def lines() -> Generator[list[str]]:
    """What the server logs meanwhile."""
    written: list[str] = []
    with log.redirected(lambda line: written.append(line.decode())):
        yield written


async def test_no_secret_of_a_whole_run_stands_in_the_log(client: Client, lines: list[str]) -> None:
    token = "7712345678:AAE_only_for_the_log_test_0123456789ab"
    door_token, signing = "door-token-Zebra-4711", "signing-secret-Quagga-4711"
    password, whsec = "smtp-password-Okapi-4711", new_secret()

    async def indiscreet(request: web.Request) -> web.Response:
        told = {"ok": False, "error_code": 400, "description": f"Bad Request: {request.path} with {token}"}
        return web.json_response(told, status=400)

    async with listener() as vendor:
        vendor.answer = indiscreet
        telegram = await client.connect(
            "TELEGRAM",
            "telegram",
            {"bot_token": token, "api_base_url": vendor.url, "webhook_secret_token": door_token},
        )
        sandbox = await client.connect("SLACK", "sandbox", {"signing_secret": signing})
        mail = await client.connect(
            "EMAIL",
            "smtp",
            {
                "host": "127.0.0.1",
                "port": 9,
                "username": "desk",
                "password": password,
                "from_email": "a@b.test",
            },
        )
        await client.data(
            """mutation($secret: String!, $url: String!) { createWebhookSubscription(
              name: "x", targetUrl: $url, eventPatterns: ["*"], secret: $secret) { id } }""",
            secret=whsec,
            url=vendor.url,
        )
        await client.send(telegram["id"], "42", f"my token is {token}")
        await client.send(mail["id"], "ada@example.org")
        await client.knock(telegram, text_update(1), **{"X-Telegram-Bot-Api-Secret-Token": door_token})
        await client.knock(telegram, text_update(2), **{"X-Telegram-Bot-Api-Secret-Token": door_token + "x"})
        await client.knock(sandbox, b"{}", **{"X-Sandbox-Signature": f"sha256={signing}"})
        await client.knock({"webhookUrl": telegram["webhookUrl"] + "/more"}, b"{}")
        await _provoke(client, token=token, whsec=whsec, password=password)
        await vendor.wait_for(3)
        await asyncio.sleep(0.1)

    text = "".join(lines)
    assert len(lines) > 15
    assert '"event":"message.attempted"' in text
    doors = [connection["webhookUrl"].rsplit("/", 1)[1] for connection in (telegram, sandbox)]
    for secret in (token, token.split(":")[1], door_token, signing, password, whsec, client.key, *doors):
        assert secret not in text, [line for line in lines if secret in line]


async def _provoke(client: Client, *, token: str, whsec: str, password: str) -> None:
    """Requests that are refused, with secrets where error messages might repeat them."""
    connect = """mutation($config: JSON, $name: String!) { createPlatformConnection(
      platformName: TELEGRAM, provider: "telegram", name: $name, config: $config) { id } }"""
    assert "errors" in await client.graphql(connect, name="x", config={"bot_token": [token]})
    assert "errors" in await client.graphql(
        connect, name="x", config={"bot_token": token, "api_base_url": f"ftp://a:{password}@b/"}
    )
    assert "errors" in await client.graphql(connect, name="x", config={"bot_token": token, token: 1})
    assert "errors" in await client.graphql(
        connect, name={"bot_token": token, "password": password}, config={}
    )
    subscribe = """mutation($secret: String!) { createWebhookSubscription(
      name: "x", targetUrl: "https://a.test", eventPatterns: ["*"], secret: $secret) { id } }"""
    assert "errors" in await client.graphql(subscribe, secret=[whsec])
    assert "errors" in await client.graphql(subscribe, secret=whsec + "!")
    assert "errors" in await client.graphql(
        f'{{ application(token: "{token}", secret: "{whsec}") {{ id }} }}'
    )
    assert "errors" in await client.graphql(
        f'mutation {{ createWebhookSubscription(secret: "{whsec}", password: "{password}'
    )
    await client.request(b"{}", headers={"authorization": f"Bearer {client.key}x"})
    await client.request(b"{}", headers={"authorization": client.key})
    await client.request(f'{{"query": "{{ a }}", "{client.key}": 1}}'.encode())
    await client.request(b"{}", path=f"/nothing/{client.key}?token={whsec}")


async def test_a_log_line_is_one_json_object_with_what_one_looks_for(
    client: Client, lines: list[str]
) -> None:
    connection = await client.connect("SLACK", "sandbox", {})
    sent = await client.send(connection["id"], "ada", "line\nfeed")

    parsed: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert all(line.endswith("\n") and "\n" not in line[:-1] for line in lines)
    for line in parsed:
        assert {"time", "level", "event", "outcome"} <= line.keys()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    (attempted,) = [line for line in parsed if line["event"] == "message.attempted"]
    assert attempted["event_id"] == sent["id"]
    assert attempted["connection_id"] == connection["id"]
    assert attempted["application_id"] == str(client.tenant.application_id)
    assert "duration_ms" in attempted


async def test_deliveries_during_a_rotation_carry_both_signatures(client: Client) -> None:
    newer = "another-secret-that-has-more-than-32-characters"
    async with listener() as heard:
        subscription = await client.subscribe(heard.url, "order.*")
        create = 'mutation { createEvent(eventType: "order.placed", payload: {}) { id } }'
        await client.data(create)
        await heard.wait_for(1)
        await _rotate(client, subscription, newer)
        # other processes hear of it by a notification
        await asyncio.sleep(0.3)
        await client.data(create)
        await heard.wait_for(2)

    def is_signed(number: int, secret: str) -> bool:
        headers, raw = heard.received[number]
        return verify_standard(secret, {name.lower(): value for name, value in headers.items()}, raw)

    assert [is_signed(0, SECRET), is_signed(0, newer)] == [True, False]
    assert [is_signed(1, SECRET), is_signed(1, newer)] == [True, True]


async def _rotate(client: Client, subscription_id: str, secret: str) -> None:
    context = client.server.runtime.tenancy
    await rotate_subscription_secret(context, client.tenant.actor, UUID(subscription_id), secret)


async def test_a_failing_endpoint_is_tried_again_with_the_same_body(client: Client) -> None:
    async with listener() as heard:

        async def fail_once(_request: web.Request) -> web.Response:
            return web.Response(status=500 if len(heard.received) == 1 else 204)

        heard.answer = fail_once
        subscription = await client.subscribe(heard.url, "order.*")
        await client.data('mutation { createEvent(eventType: "order.placed", payload: {n: 1.50}) { id } }')
        await heard.wait_for(1)
        query = """query($id: UUID!) { webhookDeliveries(subscriptionId: $id) { edges { node {
          id state nextAttemptAt attempts { number result statusCode retryAt } } } } }"""
        await asyncio.sleep(0.2)
        waiting = (await client.data(query, id=subscription))["webhookDeliveries"]["edges"][0]["node"]
        await heard.wait_for(2)
        await asyncio.sleep(0.2)
        done = (await client.data(query, id=subscription))["webhookDeliveries"]["edges"][0]["node"]

    (first, first_body), (second, second_body) = heard.received
    assert first_body == second_body
    assert first["webhook-id"] == second["webhook-id"] == waiting["id"]
    assert (first["X-Outeract-Attempt"], second["X-Outeract-Attempt"]) == ("1", "2")
    assert waiting["state"] == "RETRYING"
    assert waiting["attempts"][0]["statusCode"] == 500
    assert waiting["nextAttemptAt"] == waiting["attempts"][0]["retryAt"]
    assert done["state"] == "SUCCEEDED"
    assert [attempt["statusCode"] for attempt in done["attempts"]] == [500, 204]


async def test_an_endpoint_that_is_gone_is_disabled_and_the_log_says_so(client: Client) -> None:
    async with listener() as heard:

        async def gone(_request: web.Request) -> web.Response:
            return web.Response(status=410)

        heard.answer = gone
        subscription = await client.subscribe(heard.url, "order.*")
        await client.data('mutation { createEvent(eventType: "order.placed", payload: {}) { id } }')
        async with asyncio.timeout(10):
            while not (disabled := await client.events("system.subscription.disabled")):
                await asyncio.sleep(0.05)
        await client.data('mutation { createEvent(eventType: "order.placed", payload: {}) { id } }')
        await asyncio.sleep(0.3)
        found = await client.data("{ webhookSubscriptions { id status statusReason } }")

    assert len(heard.received) == 1
    assert disabled[0]["payload"]["subscription_id"] == subscription
    (shown,) = found["webhookSubscriptions"]
    assert shown["status"] == "disabled"
    assert "410" in shown["statusReason"]
