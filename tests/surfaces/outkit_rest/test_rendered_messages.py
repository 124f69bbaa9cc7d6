"""Messages that are rendered: what is stored of them, and of those that cannot be.

Rendering itself is tested with the templates; here stands a renderer of one rule, in the place where one is handed in.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from outrider.core.errors import AppError
from outrider.messaging.submissions.finding import find_submitted
from outrider.messaging.submissions.showing import shown_message
from outrider.messaging.submissions.submitting import submit_message
from outrider.messaging.submissions.values import SubmitRequest
from outrider.platforms.base import Channel
from outrider.runtime.verifying import verify
from outrider.templates.errors import RenderError
from outrider.templates.values import InApplication, PinnedVersion, Rendering, RenderRequest
from outrider.tenancy.message_keys import MessageSender
from tests.clients import listener
from tests.surfaces.outkit_rest.submitting import Submitter
from tests.surfaces.outkit_rest.test_message_webhooks import subscribe, told

TEMPLATE = UUID("01990000-0000-7000-8000-000000000001")


async def one_rule(actor: InApplication, request: RenderRequest, /) -> Rendering:
    """`{{name}}` is the local of this name; `{{#` is broken."""
    assert actor.application_id is not None

    def filled(text: str | None, part: str) -> str | None:
        if text is not None and "{{#" in text:
            raise RenderError("The block has no end.", part=part, line=2, column=7)
        for name, value in request.locals.items():
            text = None if text is None else text.replace(f"{{{{{name}}}}}", str(value))
        return text

    return Rendering(
        sender=filled(request.sender, "from"),
        subject=filled(request.subject, "subject"),
        text=request.text_body or filled(request.text_template, "text"),
        html=request.html_body or filled(request.html_template, "html"),
        template=None if request.template is None else PinnedVersion(TEMPLATE, request.template, 3),
    )


async def submit(submitter: Submitter, **given: Any) -> dict[str, Any]:
    """Submit past HTTP, with the renderer of one rule."""
    runtime, tenant = submitter.client.server.runtime, submitter.client.tenant
    sender = MessageSender(
        organisation_id=tenant.organisation_id,
        key_id=submitter.key.id,
        application_ids=None,
        tier="unlimited",
    )
    usual: dict[str, Any] = {
        "subject": "Hello {{name}}",
        "text_template": "Dear {{name}}",
        "data": {"name": "Ada"},
    }
    request = SubmitRequest(
        channel=Channel.EMAIL, to="ada@example.com", project=submitter.project, **(usual | given)
    )
    context = replace(runtime.submitting, render=one_rule)
    accepted = await submit_message(context, sender, request)
    found = await find_submitted(context.finding, sender, accepted.message.id)
    assert found.payload == accepted.message.payload or found.progress != accepted.message.progress
    return shown_message(accepted.message)


async def test_a_rendered_message_holds_its_final_content(submitter: Submitter) -> None:
    sent = await submit(submitter, template="welcome", is_sync=True)

    assert (sent["subject"], sent["text_body"]) == ("Hello Ada", "Dear Ada")
    assert (sent["template"], sent["template_id"]) == ("welcome", str(TEMPLATE))
    assert (sent["text_template_body"], sent["data"]) == ("Dear {{name}}", {"name": "Ada"})
    assert sent["received_at"] <= sent["rendered_at"] <= sent["delivered_at"] or sent["status"] == "delivered"
    event = await submitter.client.event(sent["id"])
    assert event["payload"]["message"]["text"] == "Dear Ada"
    rendered, *rest = event["childEvents"]
    assert rendered["eventType"] == "message.rendered"
    assert rendered["payload"]["template"] == {"id": str(TEMPLATE), "identifier": "welcome", "version": 3}
    assert [child["eventType"] for child in rest] == ["message.sent", "message.done"]


async def test_what_cannot_be_rendered_is_kept_as_failed(submitter: Submitter, dsn: str) -> None:
    async with listener() as heard:
        await subscribe(submitter.client, heard.url)
        sent = await submit(submitter, text_template="a\n{{#if x}}", is_sync=True)
        found = await told(heard, "message.submitted", "message.failed", "message.done")

    assert (sent["status"], sent["done"], sent["text_body"]) == ("render_error", True, None)
    assert sent["status_message"] == "The block has no end. (text at line 2, column 7)"
    assert sent["failed_at"] is not None
    assert sent["delivered_at"] is None
    assert await submitter.get(sent["id"]) == sent
    assert found["message.failed"]["data"] == sent
    event = await submitter.client.event(sent["id"])
    assert [child["eventType"] for child in event["childEvents"]] == ["message.failed", "message.done"]
    assert [one["id"] for one in await submitter.list("status=render_error")] == [sent["id"]]
    problems = await verify(dsn)
    mine = str(submitter.client.tenant.application_id)
    assert not [(kind, one) for kind, ids in problems.items() for one in ids if mine in one]


async def test_what_was_only_to_be_rendered_and_cannot_be_is_kept_too(submitter: Submitter) -> None:
    sent = await submit(submitter, text_template="{{#", is_render_only=True)

    assert (sent["status"], sent["done"], sent["render_only"]) == ("render_error", True, True)
    assert await submitter.get(sent["id"]) == sent


@pytest.mark.parametrize("given", [{"subject": "{{name}}"}, {"sender": "{{name}} <a@example.com>"}])
async def test_locals_cannot_smuggle_in_headers(submitter: Submitter, given: dict[str, str]) -> None:
    with pytest.raises(AppError, match="line breaks"):
        await submit(submitter, data={"name": "x\r\nBcc: eve@example.com"}, **given)
    assert await submitter.list() == []


async def test_templates_of_a_message_are_rendered_over_http(submitter: Submitter) -> None:
    sent = await submitter.submit(
        subject="Hi {{name}}",
        text_body=None,
        text_template_body="Dear {{#if name}}{{name}}{{/if}}",
        html_template_body="<p>Dear {{name}}</p>",
        template_styles="p { color: red }",
        data={"name": "Ada & Co"},
        sync=True,
    )

    assert (sent["subject"], sent["status"]) == ("Hi Ada & Co", "delivered")
    assert sent["text_body"] == "Dear Ada & Co"
    assert "Ada &amp; Co" in sent["html_body"]
    assert "color: red" in sent["html_body"]
    assert sent["received_at"] <= sent["rendered_at"]


async def test_a_broken_template_is_an_error_of_the_message_over_http(submitter: Submitter) -> None:
    sent = await submitter.submit(text_body=None, text_template_body="line one\n{{#if x}}")

    assert (sent["status"], sent["done"]) == ("render_error", True)
    assert "line 2" in sent["status_message"]
    missing = await submitter.refused(text_body=None, template="nowhere")
    assert missing[:2] == (422, "bad_data")
