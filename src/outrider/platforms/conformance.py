"""The suite that every adapter must pass; only tests import it.

An adapter's tests subclass `AdapterConformance` and give it a fixture `case`: the adapter, a connection that
leads to a fake vendor, and webhooks. What is checked here is promised to the dispatcher and the receiver.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Protocol

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.platforms.base import (
    Capability,
    ConfigField,
    Deferred,
    Healthy,
    InboundRequest,
    InDoubt,
    Outcome,
    ParsedWebhook,
    Rejected,
    Sent,
    Unhealthy,
)
from outrider.platforms.config import CheckedConfig, check_config, masked_config, opened_config
from outrider.platforms.conformance_bodies import TEXTS, distorted, json_values, spoiled
from outrider.platforms.conformance_case import AdapterCase, Mood
from outrider.platforms.conformance_contents import ContentConformance

_SECRET_WORDS = ("secret", "token", "password", "api_key", "private_key")
_LONGEST_KEY = 300
_SLACK_SECONDS = 0.5
_REPLACEMENT = "\ufffd"


class AdapterConformance(ContentConformance):
    """What holds for every adapter. Subclasses provide the fixture `case`."""

    # What a send comes to.

    async def test_a_message_that_the_vendor_takes_is_sent(self, case: AdapterCase) -> None:
        await case.vendor.set_mood(Mood.TAKES)

        outcome = await _send(case)

        assert isinstance(outcome, Sent)
        assert 0 < len(outcome.external_id) <= _LONGEST_KEY
        assert len(case.vendor.idempotency_ids()) == 1

    async def test_two_messages_have_two_external_ids(self, case: AdapterCase) -> None:
        await case.vendor.set_mood(Mood.TAKES)

        outcomes = [await _send(case), await _send(case)]

        assert len(set(outcomes)) == 2
        assert all(isinstance(outcome, Sent) for outcome in outcomes)

    async def test_a_message_that_the_vendor_refuses_is_rejected(self, case: AdapterCase) -> None:
        await case.vendor.set_mood(Mood.REFUSES)

        outcome = await _send(case)

        assert isinstance(outcome, Rejected)
        assert outcome.detail

    async def test_a_rate_limit_defers_for_as_long_as_the_vendor_asks(self, case: AdapterCase) -> None:
        await case.vendor.set_mood(Mood.LIMITS)

        outcome = await _send(case)

        assert isinstance(outcome, Deferred)
        assert outcome.retry_after == case.pause_seconds
        assert outcome.pauses_connection == (case.pause_seconds is not None)

    async def test_a_failing_vendor_defers(self, case: AdapterCase) -> None:
        await case.vendor.set_mood(Mood.FAILS)

        assert isinstance(await _send(case), Deferred)

    async def test_an_unreachable_vendor_defers(self, case: AdapterCase) -> None:
        await case.vendor.set_mood(Mood.IS_AWAY)

        assert isinstance(await _send(case), Deferred)

    async def test_a_vendor_that_hangs_up_after_reading_leaves_doubt(self, case: AdapterCase) -> None:
        await case.vendor.set_mood(Mood.HANGS_UP)

        assert isinstance(await _send(case), InDoubt)

    async def test_a_hanging_vendor_leaves_doubt_within_the_deadline(self, case: AdapterCase) -> None:
        await case.vendor.set_mood(Mood.HANGS)

        async with asyncio.timeout(case.adapter.manifest.attempt_seconds + _SLACK_SECONDS):
            outcome = await _send(case)

        assert isinstance(outcome, InDoubt)

    async def test_the_vendor_is_well_again_after_every_fault(self, case: AdapterCase) -> None:
        for mood in (Mood.REFUSES, Mood.FAILS, Mood.HANGS_UP, Mood.IS_AWAY, Mood.LIMITS):
            await case.vendor.set_mood(mood)
            await _send(case)
        await case.vendor.set_mood(Mood.TAKES)

        assert isinstance(await _send(case), Sent)

    async def test_a_second_attempt_can_be_recognised(self, case: AdapterCase) -> None:
        await case.vendor.set_mood(Mood.TAKES)
        outbound = case.outbound()

        for attempt in (1, 2):
            await case.adapter.send(replace(outbound, attempt=attempt), case.connection)

        identities = case.vendor.idempotency_ids()
        assert len(identities) == 2
        if case.has_idempotency:
            assert identities[0] == identities[1]

    async def test_content_that_no_vendor_knows_is_an_outcome(self, case: AdapterCase) -> None:
        await case.vendor.set_mood(Mood.TAKES)
        contents: list[dict[str, object]] = [
            {},
            {"type": "hologram", "data": [1]},
            {"type": "text", "text": 7},
            {"type": "text", "text": "half a pair \ud800 and NUL \x00"},
            {"type": "text", "text": ""},
        ]
        for content in contents:
            outcome = await case.adapter.send(replace(case.outbound(), content=content), case.connection)

            assert isinstance(outcome, Sent | Rejected)

    async def test_asking_about_an_attempt_tells_an_end_or_nothing(self, case: AdapterCase) -> None:
        await case.vendor.set_mood(Mood.TAKES)

        found = await case.adapter.find_outcome(case.outbound(), case.connection)

        assert found is None or isinstance(found, Sent | Rejected)
        if Capability.FIND_OUTCOME not in case.adapter.manifest.capabilities:
            assert found is None

    async def test_sends_beside_each_other_all_end(self, case: AdapterCase) -> None:
        await case.vendor.set_mood(Mood.TAKES)

        outcomes = await asyncio.gather(*(_send(case) for _ in range(20)))

        assert len(set(outcomes)) == 20
        assert all(isinstance(outcome, Sent) for outcome in outcomes)

    # Health.

    async def test_a_vendor_that_is_there_is_healthy_and_takes_nothing(self, case: AdapterCase) -> None:
        await case.vendor.set_mood(Mood.TAKES)

        health = await case.adapter.check(case.connection)

        assert isinstance(health, Healthy)
        assert health.detail
        assert not case.vendor.idempotency_ids()

    async def test_a_vendor_that_is_away_is_unhealthy_and_well_again_when_it_is_back(
        self, case: AdapterCase
    ) -> None:
        await case.vendor.set_mood(Mood.IS_AWAY)
        away = await case.adapter.check(case.connection)
        await case.vendor.set_mood(Mood.TAKES)

        assert isinstance(away, Unhealthy) == case.asks_vendor
        assert away.detail
        assert isinstance(await case.adapter.check(case.connection), Healthy)

    async def test_a_check_ends_within_the_deadline_whatever_the_vendor_does(self, case: AdapterCase) -> None:
        for mood in Mood:
            await case.vendor.set_mood(mood)
            async with asyncio.timeout(case.adapter.manifest.attempt_seconds + _SLACK_SECONDS):
                assert isinstance(await case.adapter.check(case.connection), Healthy | Unhealthy)

    # Secrets.

    async def test_no_secret_is_told(
        self, case: AdapterCase, caplog: "_LogCapture", capfd: "_OutputCapture"
    ) -> None:
        told: list[str] = []
        with caplog.at_level(logging.DEBUG):
            for mood in (Mood.TAKES, Mood.REFUSES, Mood.LIMITS, Mood.FAILS, Mood.HANGS_UP, Mood.IS_AWAY):
                await case.vendor.set_mood(mood)
                told += [repr(await _send(case)), repr(await case.adapter.check(case.connection))]
        told += [repr(case.adapter), repr(case.connection), caplog.text, *capfd.readouterr()]
        told += [repr(vars(case.adapter))] if hasattr(case.adapter, "__dict__") else []

        assert case.secrets
        assert not [secret for secret in case.secrets for text in told if secret in text]

    def test_a_config_that_is_read_back_shows_no_secret(self, case: AdapterCase) -> None:
        checked = check_config(case.adapter.manifest, dict(case.connection.config))
        assert isinstance(checked, CheckedConfig)

        shown = json.dumps(masked_config(checked))

        assert not [secret for secret in case.secrets if secret in shown]

    # The manifest.

    def test_the_manifest_is_consistent(self, case: AdapterCase) -> None:
        manifest = case.adapter.manifest
        names = [field.name for field in manifest.config_fields]

        assert manifest.name.isidentifier()
        assert manifest.name == manifest.name.lower()
        assert manifest.label
        assert manifest.documentation
        assert manifest.channels
        assert manifest.ordered_channels <= manifest.channels
        assert len(set(names)) == len(names)
        assert 0 < manifest.attempt_seconds <= 120
        assert 0 < manifest.lifetime_hours <= 96
        assert manifest.text_limit is None or manifest.text_limit > 0

    def test_every_field_is_labelled_and_its_default_fits(self, case: AdapterCase) -> None:
        for field in case.adapter.manifest.config_fields:
            assert field.label
            assert not (field.is_secret and field.default is not None)
            if any(word in field.name for word in _SECRET_WORDS):
                assert field.is_secret
            if field.default is not None:
                assert _problem_paths(case, {field.name: field.default}).isdisjoint({f"config.{field.name}"})

    def test_the_config_of_the_case_is_valid_and_its_secrets_are_set_apart(self, case: AdapterCase) -> None:
        manifest = case.adapter.manifest
        checked = check_config(manifest, dict(case.connection.config))

        assert isinstance(checked, CheckedConfig)
        secret_fields = {field.name for field in manifest.config_fields if field.is_secret}
        assert checked.secrets.keys() == secret_fields & case.connection.config.keys()
        assert set(checked.secrets.values()) == set(case.secrets)
        opened = opened_config(manifest, checked.public, checked.secrets)
        assert opened.items() >= dict(case.connection.config).items()

    def test_what_is_missing_unknown_or_wrong_in_a_config_is_named(self, case: AdapterCase) -> None:
        manifest = case.adapter.manifest
        needed = {f"config.{field.name}" for field in manifest.config_fields if _must_be_given(field)}
        wrong = {field.name: ["not", "a", "scalar"] for field in manifest.config_fields}

        assert _problem_paths(case, {}) == needed
        assert _problem_paths(case, wrong) == {f"config.{name}" for name in wrong}
        assert "config.no_such_setting" in _problem_paths(case, {"no_such_setting": 1})

    # Addresses.

    def test_addresses_are_normalised_as_promised(self, case: AdapterCase) -> None:
        assert {given: case.adapter.normalise_address(given) for given in case.addresses} == case.addresses
        assert case.adapter.normalise_address(case.recipient) == case.recipient

    def test_normalising_twice_changes_nothing(self, case: AdapterCase) -> None:
        @settings(max_examples=200, deadline=None)
        @given(
            TEXTS | st.from_regex(r"\+?[0-9 ()-]{3,20}") | st.emails() | st.sampled_from(list(case.addresses))
        )
        def check(address: str) -> None:
            once = case.adapter.normalise_address(address)
            if once is not None:
                assert case.adapter.normalise_address(once) == once
                assert _is_storable(once)

        check()

    # Webhooks.

    async def test_authentic_webhooks_are_recognised_and_others_are_not(self, case: AdapterCase) -> None:
        is_receiving = Capability.RECEIVE_MESSAGES in case.adapter.manifest.capabilities
        assert bool(case.webhooks) == is_receiving
        assert bool(case.forged) == is_receiving
        if not is_receiving:
            assert await case.adapter.verify(InboundRequest({}, b"{}"), case.connection) is False

        await case.vendor.set_mood(Mood.TAKES)
        for request in case.webhooks:
            assert await case.adapter.verify(request, case.connection) is True
        for request in case.forged:
            assert await case.adapter.verify(request, case.connection) is False

    async def test_verifying_never_raises(self, case: AdapterCase) -> None:
        names = sorted({name for request in case.webhooks for name in request.headers})
        headers = st.dictionaries(st.sampled_from(names or ["x-signature"]), TEXTS)
        loop = asyncio.get_running_loop()

        @settings(max_examples=200, deadline=None)
        @given(headers, st.binary(max_size=50))
        def check(given_headers: dict[str, str], body: bytes) -> None:
            request = InboundRequest(given_headers, body)
            verifying = case.adapter.verify(request, case.connection)
            assert isinstance(asyncio.run_coroutine_threadsafe(verifying, loop).result(5), bool | Deferred)

        await asyncio.to_thread(check)

    def test_every_known_webhook_says_the_same_twice(self, case: AdapterCase) -> None:
        for request in case.webhooks:
            first, again = (case.adapter.parse(request, case.connection) for _ in range(2))

            assert first == again
            assert all(item.dedupe_key for item in first.items)
            assert len({item.dedupe_key for item in first.items}) == len(first.items)

    def test_parsing_arbitrary_bytes_never_raises(self, case: AdapterCase) -> None:
        @settings(max_examples=200, deadline=None)
        @given(st.binary(max_size=200) | json_values().map(_written))
        def check(body: bytes) -> None:
            _assert_storable(case.adapter.parse(InboundRequest({}, body), case.connection))

        check()

    def test_parsing_a_distorted_webhook_never_raises(self, case: AdapterCase) -> None:
        documents = list(filter(_has_json, case.webhooks))

        @settings(max_examples=400, deadline=None)
        @given(st.data())
        def check(data: st.DataObject) -> None:
            request = data.draw(st.sampled_from(documents))
            document = distorted(data, json.loads(request.body))
            parsed = case.adapter.parse(replace(request, body=_written(document)), case.connection)
            _assert_storable(parsed)

        if documents:
            check()

    def test_what_postgres_cannot_hold_is_shown_as_a_replacement_character(self, case: AdapterCase) -> None:
        shown = ""
        for request in filter(_has_json, case.webhooks):
            document = spoiled(json.loads(request.body))
            parsed = case.adapter.parse(replace(request, body=_written(document)), case.connection)
            _assert_storable(parsed)
            shown += json.dumps(asdict(parsed), default=str, ensure_ascii=False)

        assert _REPLACEMENT in shown or not case.webhooks

    # The end.

    async def test_closing_twice_is_closing_once(self, case: AdapterCase) -> None:
        await case.vendor.set_mood(Mood.TAKES)
        await _send(case)

        await case.adapter.close()
        await case.adapter.close()


class _LogCapture(Protocol):
    """What the suite needs of pytest's `caplog`; naming its type would import pytest into the product."""

    text: str

    def at_level(self, level: int) -> "_Level": ...


class _OutputCapture(Protocol):
    """What the suite needs of pytest's `capfd`: our own log goes to standard error."""

    def readouterr(self) -> tuple[str, str]: ...


class _Level(Protocol):
    def __enter__(self) -> object: ...
    def __exit__(self, *problem: object) -> bool | None: ...


async def _send(case: AdapterCase) -> Outcome:
    return await case.adapter.send(case.outbound(), case.connection)


def _must_be_given(field: ConfigField) -> bool:
    return field.is_required and field.default is None


def _problem_paths(case: AdapterCase, config: Mapping[str, object]) -> set[str]:
    checked = check_config(case.adapter.manifest, config)
    return set() if isinstance(checked, CheckedConfig) else {problem.path for problem in checked}


def _written(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


def _has_json(request: InboundRequest) -> bool:
    try:
        json.loads(request.body)
    except ValueError:
        return False
    return True


def _is_storable(value: object) -> bool:
    try:
        return "\\u0000" not in orjson.dumps(value, default=str).decode()
    except TypeError:
        return False


def _assert_storable(parsed: ParsedWebhook) -> None:
    for item in parsed.items:
        assert _is_storable(asdict(item))
        assert item.dedupe_key is None or len(item.dedupe_key) <= _LONGEST_KEY
