"""Submitted messages and the suppression list: who is on it gets nothing, unless the submitter says so."""

from typing import Any

import pytest

from outrider.platforms.base import Channel
from outrider.tenancy.backends import set_default_backend
from tests.surfaces.outkit_rest.submitting import Submitter, new_backend

_ADD = """mutation($a: String!, $p: PlatformName!) {
  addSuppression(platformName: $p, address: $a) { id } }"""
_REMOVE = "mutation($id: UUID!) { removeSuppression(id: $id) { id } }"


async def suppress(submitter: Submitter, address: str, platform: str = "EMAIL") -> str:
    added = await submitter.client.data(_ADD, a=address, p=platform)
    return str(added["addSuppression"]["id"])


async def test_who_is_on_the_list_gets_nothing_and_nothing_is_stored(submitter: Submitter) -> None:
    entry = await suppress(submitter, "Ada@example.com")

    for to in ("ada@example.com", "Ada <ADA@Example.com>"):
        refused = await submitter.refused(to=to)
        assert refused[:2] == (422, "recipient_suppressed")
        assert "manual" in refused[2]
    assert await submitter.list() == []
    assert await submitter.client.events("message.outbound") == []
    assert (await submitter.submit(to="bob@example.com", sync=True))["status"] == "delivered"

    await submitter.client.data(_REMOVE, id=entry)
    assert (await submitter.submit(sync=True))["status"] == "delivered"


async def test_a_text_message_is_refused_however_its_number_is_written(submitter: Submitter) -> None:
    account_id = await new_backend(submitter.client, Channel.SMS, "texts")
    await set_default_backend(
        submitter.client.server.runtime.tenancy,
        submitter.client.tenant.organisation_id,
        submitter.client.tenant.application_id,
        channel=Channel.SMS,
        account_id=account_id,
    )
    await suppress(submitter, "+1 555 867 5310", "SMS")

    refused = await submitter.refused(type="sms", to="+15558675310", subject=None)

    assert refused[:2] == (422, "recipient_suppressed")
    # the list is kept for each way of reaching somebody
    await submitter.submit(to="15558675310@example.com")


@pytest.mark.parametrize("given", [{"ignore_suppression": True}, {"test": True}, {"render_only": True}])
async def test_what_goes_through_all_the_same(submitter: Submitter, given: dict[str, Any]) -> None:
    await suppress(submitter, "ada@example.com")

    sent = await submitter.submit(sync=True, **given)

    assert sent["done"] is True
    assert "ignore_suppression" not in sent
    event = await submitter.client.event(sent["id"])
    assert event["payload"]["submission"].get("ignore_suppression") == given.get("ignore_suppression")


@pytest.mark.parametrize("value", [None, False])
async def test_null_and_false_change_nothing(submitter: Submitter, value: object) -> None:
    await suppress(submitter, "ada@example.com")

    assert (await submitter.refused(ignore_suppression=value))[1] == "recipient_suppressed"
    await submitter.submit(to="bob@example.com", ignore_suppression=value)


async def test_only_a_flag_will_do(submitter: Submitter) -> None:
    assert (await submitter.refused(ignore_suppression="yes"))[:2] == (422, "bad_data")


async def test_a_repeat_of_what_was_accepted_answers_as_the_first_did(submitter: Submitter) -> None:
    headers = {"Idempotency_Key": "order-1"}
    first = (await submitter.post(headers=headers)).json()["data"]
    await suppress(submitter, "ada@example.com")

    again = await submitter.post(headers=headers)

    assert again.status == 201
    assert again.json()["data"]["id"] == first["id"]
    assert (await submitter.refused())[1] == "recipient_suppressed"


async def test_what_cannot_be_rendered_is_not_rendered_for_them(submitter: Submitter) -> None:
    await suppress(submitter, "ada@example.com")

    refused = await submitter.refused(text_body=None, text_template_body="{{#if x}}")

    assert refused[:2] == (422, "recipient_suppressed")
    assert await submitter.list() == []
