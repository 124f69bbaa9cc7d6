"""Every request that the Telegram provider makes, checked against a description of the Bot API by Prism."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest

from outrider.core.outgoing import HttpAnswer, HttpFailure, OutgoingHttp
from outrider.platforms.base import Channel, Deferred, Outcome, Rejected, Sent
from outrider.platforms.conformance_case import file_of
from outrider.platforms.telegram.adapter import TelegramAdapter
from tests.peers import PeerMissing, PrismPeer, prism_peer
from tests.platforms.connections import connection_of, text_to

TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"


@pytest.fixture(scope="module")
def prism() -> Generator[PrismPeer]:
    try:
        with prism_peer("telegram_openapi.json") as peer:
            yield peer
    except PeerMissing as reason:
        pytest.skip(str(reason))


class _Preferring:
    """The HTTP client with a header that tells Prism which of the described answers to give."""

    def __init__(self, http: OutgoingHttp, prefer: str) -> None:
        self._http = http
        self._prefer = prefer

    async def request(
        self, method: str, url: str, *, headers: dict[str, str], **rest: object
    ) -> HttpAnswer | HttpFailure:
        return await self._http.request(method, url, headers={**headers, "prefer": self._prefer}, **rest)


async def _send(
    http: object, prism: PrismPeer, *, recipient: str = "42", text: str = "hi", token: str = TOKEN
) -> Outcome:
    connection = connection_of(Channel.TELEGRAM, bot_token=token, api_base_url=prism.url)
    return await TelegramAdapter(http).send(text_to(recipient, text), connection)


@pytest.mark.parametrize("recipient", ["42", "-1001234567890", "@tide_tables"])
@pytest.mark.parametrize("text", ["hi", "Grüße 👋\n<b>not bold</b> *nor this*", "x" * 4096])
async def test_every_request_is_accepted(
    recipient: str, text: str, outgoing: OutgoingHttp, prism: PrismPeer
) -> None:
    outcome = await _send(outgoing, prism, recipient=recipient, text=text)

    assert isinstance(outcome, Sent)
    assert outcome.external_id.endswith(":777")


SHAPES: dict[str, dict[str, object]] = {
    "a place": {"type": "location", "location": {"latitude": 52.5, "longitude": 13.4}},
    "a venue": {"type": "location", "location": {"latitude": 52.5, "longitude": 13, "name": "Pier"}},
    "a contact": {"type": "contact", "contact": {"name": "Ada Byron", "phone": "+12025550101"}},
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_shape_is_accepted(shape: str, outgoing: OutgoingHttp, prism: PrismPeer) -> None:
    outcome = await _send_content(outgoing, prism, SHAPES[shape])

    assert isinstance(outcome, Sent)


@pytest.mark.parametrize("emoji", ["👍", ""])
async def test_reactions_are_accepted(emoji: str, outgoing: OutgoingHttp, prism: PrismPeer) -> None:
    content = {"type": "reaction", "reaction": {"emoji": emoji, "message_id": "42:7"}}

    assert isinstance(await _send_content(outgoing, prism, content), Sent)


@pytest.mark.parametrize(
    "mime_type",
    ["image/png", "image/gif", "video/mp4", "audio/mpeg", "audio/ogg", "application/pdf"],
)
async def test_every_upload_is_accepted(mime_type: str, outgoing: OutgoingHttp, prism: PrismPeer) -> None:
    file = replace(file_of("Grüße.bin"), mime_type=mime_type)
    content = {"media": {"id": str(file.id)}, "type": mime_type.partition("/")[0], "caption": "Look 👋"}
    content["type"] = "document" if content["type"] == "application" else content["type"]

    outcome = await _send_content(outgoing, prism, content, files=(file,), reply_to_external_id="42:6")

    assert isinstance(outcome, Sent)


async def test_a_reply_is_accepted(outgoing: OutgoingHttp, prism: PrismPeer) -> None:
    content = {"type": "text", "text": "Yes"}

    assert isinstance(await _send_content(outgoing, prism, content, reply_to_external_id="42:6"), Sent)


async def test_asking_for_a_file_is_accepted(outgoing: OutgoingHttp, prism: PrismPeer) -> None:
    connection = connection_of(Channel.TELEGRAM, bot_token=TOKEN, api_base_url=prism.url)

    fetched = await TelegramAdapter(outgoing).fetch_file({"file_id": "AgACAgUAAx"}, connection)

    # Prism has no files: what is checked is that it gave us the way to one
    assert not isinstance(fetched, Rejected)


async def _send_content(
    http: OutgoingHttp, prism: PrismPeer, content: dict[str, object], **more: Any
) -> Outcome:
    connection = connection_of(Channel.TELEGRAM, bot_token=TOKEN, api_base_url=prism.url)
    outbound = replace(text_to("42"), content={**content, "role": "assistant"}, **more)
    return await TelegramAdapter(http).send(outbound, connection)


async def test_a_text_over_the_limit_is_refused(outgoing: OutgoingHttp, prism: PrismPeer) -> None:
    outcome = await _send(outgoing, prism, text="x" * 4097)

    assert isinstance(outcome, Rejected)


async def test_a_token_of_a_wrong_shape_keeps_the_message(outgoing: OutgoingHttp, prism: PrismPeer) -> None:
    outcome = await _send(outgoing, prism, token="not a token")

    assert not isinstance(outcome, Sent)


@pytest.mark.parametrize(
    ("code", "kind", "pauses"),
    [(400, Rejected, False), (401, Deferred, True), (403, Rejected, False), (429, Deferred, True)],
)
async def test_error_envelopes_are_read(
    code: int, kind: type, pauses: bool, outgoing: OutgoingHttp, prism: PrismPeer
) -> None:
    outcome = await _send(_Preferring(outgoing, f"code={code}"), prism)

    assert isinstance(outcome, kind)
    if isinstance(outcome, Deferred):
        assert outcome.pauses_connection is pauses
        assert outcome.retry_after is not None
