"""Every request that the Telegram provider makes, checked against a description of the Bot API by Prism."""

from collections.abc import Generator

import pytest

from outrider.core.outgoing import HttpAnswer, HttpFailure, OutgoingHttp
from outrider.platforms.base import Channel, Deferred, Outcome, Rejected, Sent
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
