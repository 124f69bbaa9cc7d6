"""The part of the conformance suite about files, places, contacts, reactions and replies; only tests import it."""

from dataclasses import replace

from outrider.platforms.base import Capability, Deferred, FetchedFile, Rejected, Sent
from outrider.platforms.conformance_case import AdapterCase, Mood

_SHAPES: dict[Capability, dict[str, object]] = {
    Capability.SEND_LOCATION: {
        "type": "location",
        "location": {"latitude": 52.5, "longitude": 13.4, "name": "Pier"},
    },
    Capability.SEND_CONTACT: {"type": "contact", "contact": {"name": "Ada Byron", "phone": "+12025550101"}},
    Capability.SEND_REACTION: {"type": "reaction", "reaction": {"emoji": "👍", "message_id": "51:7"}},
}


class ContentConformance:
    """What holds for every adapter of what it sends beyond text, and of what it fetches."""

    async def test_what_the_manifest_can_send_is_sent_and_all_else_is_rejected(
        self, case: AdapterCase
    ) -> None:
        await case.vendor.set_mood(Mood.TAKES)
        capabilities = case.adapter.manifest.capabilities
        for capability, content in _SHAPES.items():
            outcome = await case.adapter.send(replace(case.outbound(), content=content), case.connection)

            assert isinstance(outcome, Sent if capability in capabilities else Rejected), content
        outcome = await case.adapter.send(case.outbound_with_files("a.pdf"), case.connection)
        assert isinstance(outcome, Sent if Capability.SEND_MEDIA in capabilities else Rejected)

    async def test_media_without_its_file_is_rejected(self, case: AdapterCase) -> None:
        await case.vendor.set_mood(Mood.TAKES)
        outbound = replace(case.outbound_with_files("a.pdf"), files=())

        outcome = await case.adapter.send(outbound, case.connection)

        assert isinstance(outcome, Rejected) or case.takes_missing_files

    async def test_several_files_are_sent_in_parts_that_are_recorded_and_not_sent_again(
        self, case: AdapterCase
    ) -> None:
        if Capability.SEND_MEDIA not in case.adapter.manifest.capabilities:
            return
        await case.vendor.set_mood(Mood.TAKES)
        recorded: dict[int, str] = {}

        async def record(number: int, external_id: str) -> None:
            assert external_id == recorded.setdefault(number, external_id)

        outbound = replace(case.outbound_with_files("a.pdf", "Grüße b.pdf"), record_part=record)
        whole = await case.adapter.send(outbound, case.connection)
        assert isinstance(whole, Sent)
        calls = len(case.vendor.idempotency_ids())
        again = await case.adapter.send(
            replace(outbound, sent_parts=whole.part_ids[:1], attempt=2), case.connection
        )

        assert isinstance(again, Sent)
        if whole.part_ids or case.has_idempotency:
            assert again.external_id == whole.external_id
        if whole.part_ids:
            assert (whole.part_ids[0], len(set(whole.part_ids))) == (whole.external_id, calls)
            # whatever came before the last is known before that one leaves
            assert recorded == dict(enumerate(whole.part_ids[:-1]))
            assert len(case.vendor.idempotency_ids()) == calls + len(whole.part_ids) - 1

    async def test_a_reply_is_sent(self, case: AdapterCase) -> None:
        await case.vendor.set_mood(Mood.TAKES)
        for answered in ("51:7", "some-id@mail.example", "no id\r\nof: ours", ""):
            outbound = replace(case.outbound(), reply_to_external_id=answered)

            assert isinstance(await case.adapter.send(outbound, case.connection), Sent)

    async def test_fetching_what_nobody_sent_is_an_outcome(self, case: AdapterCase) -> None:
        await case.vendor.set_mood(Mood.TAKES)
        references: list[dict[str, object]] = [{}, {"file_id": 7}, {"file_id": "../../x"}, {"base64": "%"}]
        for reference in references:
            fetched = await case.adapter.fetch_file(reference, case.connection)

            assert isinstance(fetched, FetchedFile | Rejected | Deferred)
