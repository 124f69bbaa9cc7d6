"""Mutations: arguments reach their operation, results are answered as graphql-core would answer them."""

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from graphql import execute, parse

from outrider.core.errors import AppError, Forbidden, NotFound
from outrider.events.creating import EdgeRequest, NewCustomEvent
from outrider.events.values import NodeType
from outrider.messaging.values import SendRequest, SendResult
from outrider.platforms.base import Channel
from outrider.surfaces.developer_graphql.mutating import answer_mutation
from outrider.surfaces.developer_graphql.operations import Operations
from outrider.surfaces.developer_graphql.queries.statements import Call
from outrider.surfaces.developer_graphql.schema import load_schema
from outrider.surfaces.graphql_errors import FieldRefused
from outrider.tenancy.actors import Actor
from outrider.tenancy.connections import CreatedConnection, NewConnection
from outrider.webhooks.subscriptions import CreatedSubscription, NewSubscription
from tests.surfaces.developer_graphql.door import Door
from tests.surfaces.developer_graphql.stage import Stage

A, B, C = (UUID(f"00000000-0000-7000-8000-00000000000{letter}") for letter in "abc")
MANY = """mutation($inputs: [SendMessageInput!]!) { sendMessages(inputs: $inputs) {
  message { id status { state } } error { code message } } }"""


async def unexpected(*_: object, **__: object) -> object:
    """An operation that nothing here asks for."""
    raise AssertionError


@dataclass
class Recorder:
    """Operations that write down what they were called with, and answer what the recipient's name says."""

    stage: Stage
    calls: list[object] = field(default_factory=list)

    def operations(self) -> Operations:
        """Those that are looked at here; the rest are not to be called."""
        own = {
            "send": self.send,
            "send_many": self.send_many,
            "cancel": self.cancel,
            "create_event": self.create_event,
            "create_connection": self.create_connection,
            "create_subscription": self.create_subscription,
        }
        others = {one.name: unexpected for one in fields(Operations) if one.name not in own}
        return Operations(**own, **others)  # type: ignore[arg-type]

    async def send(self, actor: Actor, request: SendRequest) -> SendResult:
        assert actor is self.stage.tenant.actor
        self.calls.append(request)
        match request.recipient:
            case "missing":
                raise NotFound("No such connection.", resource_type="PlatformConnection", resource_id=str(A))
            case "failed":
                return SendResult(A, "failed", None, "RECIPIENT_NOT_FOUND", "Nobody there.")
            case "unexplained":
                return SendResult(A, "failed")
            case recipient:
                return SendResult(A, "sent", f'id of "{recipient}"')

    async def send_many(
        self, actor: Actor, requests: "list[SendRequest | AppError]"
    ) -> "list[SendResult | AppError]":
        answers: list[SendResult | AppError] = []
        for request in requests:
            try:
                answers.append(request if isinstance(request, AppError) else await self.send(actor, request))
            except AppError as problem:
                answers.append(problem)
        return answers

    async def cancel(self, _: Actor, event_id: UUID) -> SendResult:
        self.calls.append(event_id)
        return SendResult(event_id, "failed", None, "CANCELLED", "The message was cancelled.")

    async def create_event(self, _: Actor, new: NewCustomEvent) -> UUID:
        self.calls.append(new)
        return UUID(self.stage.world.ids("events", self.stage.tenant)[0])

    async def create_connection(self, _: Actor, new: NewConnection) -> CreatedConnection:
        self.calls.append(new)
        created = UUID(self.stage.world.ids("connections", self.stage.tenant)[0])
        url = None if new.account_id else "https://x/webhooks/1/open-secret"
        return CreatedConnection(created, A, "sandbox", "x", datetime.now(UTC), url)

    async def create_subscription(self, _: Actor, new: NewSubscription) -> CreatedSubscription:
        self.calls.append(new)
        created = UUID(self.stage.world.ids("subscriptions", self.stage.tenant)[0])
        return CreatedSubscription(created, 'whsec_"quoted"', (), datetime.now(UTC))

    async def ask(self, document: str, **variables: object) -> Any:
        """Carry out a mutation."""
        operation = self.stage.documents.operation(document, None)
        coerced = operation.coerce(variables)
        call = Call(self.stage.tenant.actor, coerced.coerced)
        text = await answer_mutation(self.stage.reading, self.operations(), operation, call, coerced)
        return orjson.loads(text)


@pytest.fixture
def recorder(stage: Stage) -> Recorder:
    """Operations over the stage's tenant."""
    return Recorder(stage)


async def test_every_argument_of_send_message_arrives(recorder: Recorder) -> None:
    await recorder.ask(
        f"""mutation {{ sendMessage(platformConnectionId: "pc_{A}", toExternalId: "x",
          content: {{type: "text", n: [1.5]}}, fileIds: ["{B}"], metadata: {{subject: "S"}}, sandbox: true,
          idempotencyKey: "k", replyToEventId: "{C}", scheduledAt: "2030-01-01T00:00:00+02:00",
          expiresAt: "2030-01-02T00:00:00Z", wait: false) {{ id }} }}"""
    )

    assert recorder.calls == [
        SendRequest(
            connection_id=A,
            recipient="x",
            content={"type": "text", "n": [1.5]},
            metadata={"subject": "S"},
            file_ids=[B],
            is_sandbox=True,
            idempotency_key="k",
            reply_to_event_id=C,
            scheduled_at=datetime(2029, 12, 31, 22, tzinfo=UTC),
            expires_at=datetime(2030, 1, 2, tzinfo=UTC),
            wait=False,
        )
    ]


async def test_what_is_left_out_has_its_default(recorder: Recorder) -> None:
    document = (
        "mutation($t: String, $m: JSON, $w: Boolean, $s: Boolean) "
        f'{{ sendMessage(platformConnectionId: "{A}", toExternalId: "x", message: $t, metadata: $m, '
        "wait: $w, sandbox: $s) { id } }"
    )

    await recorder.ask(document)
    await recorder.ask(document, t=None, m=None, w=None, s=None)

    assert recorder.calls == [SendRequest(connection_id=A, recipient="x")] * 2


async def test_every_argument_of_create_event_arrives(recorder: Recorder) -> None:
    data = await recorder.ask(
        """mutation($x: JSON, $gone: Int, $id: UUID!) { createEvent(eventType: "order.created",
          payload: {list: [$x, null], gone: $gone, text: "ü"}, originEventId: $id, idempotencyKey: "k",
          edges: {edgeType: "placed_by", targetNodeType: PLATFORM_USER, targetNodeId: $id})
          { again: id __typename ...Rest } } fragment Rest on Event { eventType edges { id } }""",
        x={"deep": [1]},
        id=str(A),
    )

    assert recorder.calls == [
        NewCustomEvent(
            event_type="order.created",
            payload={"list": [{"deep": [1]}, None], "text": "ü"},
            edges=[EdgeRequest("placed_by", NodeType.PLATFORM_USER, A)],
            origin_event_id=A,
            idempotency_key="k",
        )
    ]
    created = data["createEvent"]
    assert created["again"] == recorder.stage.world.ids("events", recorder.stage.tenant)[0]
    assert list(created) == ["again", "__typename", "eventType", "edges"]


async def test_a_new_connection_shows_its_webhook_url_once(recorder: Recorder) -> None:
    document = """mutation($account: UUID) { createPlatformConnection(platformName: TELEGRAM, name: "Bot",
        provider: "sandbox", identifier: "bot", accountId: $account, inDoubtPolicy: HOLD,
        config: {token: "t"}) { id webhookUrl } }"""

    own = (await recorder.ask(document))["createPlatformConnection"]
    joined = (await recorder.ask(document, account=str(A)))["createPlatformConnection"]
    read = await recorder.stage.ask(
        "query($id: UUID!) { platformConnection(id: $id) { id webhookUrl } }", {"id": joined["id"]}
    )

    assert own["webhookUrl"] == "https://x/webhooks/1/open-secret"
    assert {"platformConnection": joined} == read
    assert joined["webhookUrl"].endswith("/********")
    expected = NewConnection(
        channel=Channel.TELEGRAM,
        name="Bot",
        provider="sandbox",
        identifier="bot",
        config={"token": "t"},
        in_doubt_policy="hold",
    )
    assert recorder.calls[0] == expected


async def test_a_new_subscription_shows_its_secret_once(recorder: Recorder) -> None:
    created = await recorder.ask(
        """mutation { createWebhookSubscription(name: "n", targetUrl: "https://x", eventPatterns: "*") {
          id secret status } }"""
    )
    read = await recorder.stage.ask("{ webhookSubscriptions { id secret } }")

    assert created["createWebhookSubscription"]["secret"] == 'whsec_"quoted"'
    assert read["webhookSubscriptions"][0] == {
        "id": created["createWebhookSubscription"]["id"],
        "secret": None,
    }
    assert recorder.calls == [NewSubscription(name="n", target_url="https://x", patterns=["*"])]


async def test_each_of_several_messages_has_its_own_answer(recorder: Recorder) -> None:
    one = {"platformConnectionId": str(A)}

    answers = await recorder.ask(
        MANY,
        inputs=[
            {**one, "toExternalId": "ada"},
            {**one, "toExternalId": "missing"},
            {**one, "toExternalId": "eve", "metadata": 5},
            {**one, "toExternalId": "bob", "wait": True},
        ],
    )

    assert answers["sendMessages"] == [
        {"message": {"id": str(A), "status": {"state": "sent"}}, "error": None},
        {"message": None, "error": {"code": "NOT_FOUND", "message": "No such connection."}},
        {"message": None, "error": {"code": "VALIDATION_ERROR", "message": "metadata must be an object."}},
        {"message": {"id": str(A), "status": {"state": "sent"}}, "error": None},
    ]
    assert [(call.recipient, call.wait) for call in recorder.calls if isinstance(call, SendRequest)] == [
        ("ada", False),
        ("missing", False),
        ("bob", True),
    ]


@pytest.mark.parametrize("count", [0, 501])
async def test_none_and_too_many_messages_are_refused(recorder: Recorder, count: int) -> None:
    one = {"platformConnectionId": str(A), "toExternalId": "x"}

    with pytest.raises(FieldRefused, match="1 to 500"):
        await recorder.ask(MANY, inputs=[one] * count)

    assert not recorder.calls


async def test_fields_run_in_order_until_one_is_refused(recorder: Recorder) -> None:
    with pytest.raises(FieldRefused) as refused:
        await recorder.ask(
            f"""mutation {{ a: cancelMessage(id: "{A}") {{ id }}
              b: sendMessage(platformConnectionId: "{A}", toExternalId: "missing") {{ id }}
              c: cancelMessage(id: "{B}") {{ id }} }}"""
        )

    assert refused.value.path == ["b"]
    assert refused.value.locations == [{"line": 2, "column": 15}]
    assert refused.value.problem.details["resource_type"] == "PlatformConnection"
    assert recorder.calls == [A, SendRequest(connection_id=A, recipient="missing")]


async def test_scopes_are_asked_before_anything_is_done(stage: Stage) -> None:
    recorder = Recorder(stage)
    operation = stage.documents.operation(
        f'mutation {{ cancelMessage(id: "{A}") {{ id }} createWebhookSubscription(name: "n", targetUrl: "x", '
        'eventPatterns: "*") { id } }',
        None,
    )
    variables = operation.coerce({})
    weak = Actor(
        A, stage.tenant.application_id, A, frozenset({"events:write"}), stage.tenant.actor.environment
    )

    with pytest.raises(FieldRefused) as refused:
        await answer_mutation(stage.reading, recorder.operations(), operation, Call(weak, {}), variables)

    assert isinstance(refused.value.problem, Forbidden)
    assert not recorder.calls


_SELECTIONS = [
    "{ id }",
    "{ __typename id s: status { __typename success x: externalMessageId state error { code } } }",
    "{ ...F } fragment F on SendMessageResult { status { ... on SendStatus { error { m: message code } } } id }",
    "{ status { success } status { state error { code } } status { error { message } } }",
    "{ id @skip(if: true) status @include(if: true) { state @include(if: false) success } }",
]


@pytest.mark.parametrize("selection", _SELECTIONS)
@pytest.mark.parametrize("recipient", ["ada", "failed", "unexplained"])
async def test_results_are_written_as_graphql_core_writes_them(
    recorder: Recorder, selection: str, recipient: str
) -> None:
    document = (
        f'mutation {{ r: sendMessage(platformConnectionId: "{A}", toExternalId: "{recipient}") {selection}'
    )
    head, _, fragment = selection.partition("fragment")
    document = (
        f'mutation {{ r: sendMessage(platformConnectionId: "{A}", toExternalId: "{recipient}") {head} }} '
        + (f"fragment{fragment}" if fragment else "")
    )

    answered = await recorder.ask(document)

    assert answered == await _as_graphql_core(recorder, document, recipient)


async def _as_graphql_core(recorder: Recorder, document: str, recipient: str) -> Any:
    result = await recorder.send(
        recorder.stage.tenant.actor, SendRequest(connection_id=A, recipient=recipient)
    )
    error = {
        "code": result.error_code or "UNKNOWN",
        "message": result.error_message or "The message was not sent.",
    }
    status = {
        "success": result.state != "failed",
        "externalMessageId": result.external_message_id,
        "state": result.state,
        "error": error if result.state == "failed" else None,
    }
    schema = load_schema()
    assert schema.mutation_type
    schema.mutation_type.fields["sendMessage"].resolve = lambda *_, **__: {
        "id": str(result.event_id),
        "status": status,
    }
    executed: Any = execute(schema, parse(document))
    assert not executed.errors
    return executed.data


async def test_the_whole_way(door: Door) -> None:
    connection = (
        await door.data(
            """mutation { createPlatformConnection(platformName: SMS, provider: "sandbox", name: "S", config: {}) {
              id webhookUrl config provider status createdAt } }"""
        )
    )["createPlatformConnection"]
    subscription = (
        await door.data(
            """mutation { createWebhookSubscription(name: "n", targetUrl: "http://127.0.0.1:9/x",
              eventPatterns: ["order.*", "message.inbound"]) { id secret eventPatterns status } }"""
        )
    )["createWebhookSubscription"]
    sent = (
        await door.data(
            'mutation($c: UUID!) { sendMessage(platformConnectionId: $c, toExternalId: "ada", message: "Hi") '
            "{ id status { success state externalMessageId error { code } } } }",
            c=f"pc_{connection['id']}",
        )
    )["sendMessage"]
    event = (
        await door.data(
            """mutation($id: UUID!) { createEvent(eventType: "order.created", payload: {n: 1}, originEventId: $id,
              edges: [{edgeType: "about", targetNodeType: EVENT, targetNodeId: $id}]) {
              id payload status originEvent { eventType } edges { targetNodeType targetEvent { id } } } }""",
            id=sent["id"],
        )
    )["createEvent"]

    assert connection["webhookUrl"].count("/") >= 5
    assert "•" not in connection["webhookUrl"]
    assert len(subscription["secret"]) >= 32
    assert subscription["eventPatterns"] == ["order.*", "message.inbound"]
    assert sent["status"]["success"] is True
    assert event["payload"] == {"n": 1}
    assert event["status"] in {"pending", "processing"}
    assert event["originEvent"] == {"eventType": "message.outbound"}
    assert event["edges"] == [{"targetNodeType": "EVENT", "targetEvent": {"id": sent["id"]}}]
