"""Every request that the Twilio provider makes, checked against Twilio's own description of its API by Prism."""

from collections.abc import Generator
from dataclasses import replace

import pytest

from outrider.core.outgoing import HttpAnswer, HttpFailure, OutgoingHttp
from outrider.platforms.base import Channel, ConnectionContext, Healthy, Rejected, Sent
from outrider.platforms.conformance_case import file_of
from outrider.platforms.twilio.adapter import TwilioAdapter
from tests.peers import PeerMissing, PrismPeer, prism_peer
from tests.platforms.connections import connection_of, text_to

ACCOUNT = "AC" + "0" * 32


@pytest.fixture(scope="module")
def prism() -> Generator[PrismPeer]:
    try:
        with prism_peer("twilio.json") as peer:
            yield peer
    except PeerMissing as reason:
        pytest.skip(str(reason))


def _connection(prism: PrismPeer, **config: object) -> ConnectionContext:
    return connection_of(
        Channel.SMS,
        **{
            "account_sid": ACCOUNT,
            "auth_token": "t0ken",
            "phone_number": "+14155550100",
            "api_base_url": prism.url,
            **config,
        },
    )


@pytest.mark.parametrize("text", ["hi", "Grüße 👋\n& more=1", "x" * 1600])
async def test_every_text_is_accepted(text: str, outgoing: OutgoingHttp, prism: PrismPeer) -> None:
    outcome = await TwilioAdapter(outgoing).send(text_to("+14155552671", text), _connection(prism))

    assert isinstance(outcome, Sent)
    assert outcome.external_id[:2] in {"SM", "MM"}


class _Bracketed:
    """The HTTP client with repeated fields as Prism reads them; Twilio and its libraries repeat the bare name."""

    def __init__(self, http: OutgoingHttp) -> None:
        self._http = http

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, **rest: object
    ) -> HttpAnswer | HttpFailure:
        bracketed = body.replace(b"&MediaUrl=", b"&MediaUrl%5B%5D=") if body else body
        return await self._http.request(method, url, body=bracketed, **rest)


async def test_a_messaging_service_and_files_are_accepted(outgoing: OutgoingHttp, prism: PrismPeer) -> None:
    files = tuple(replace(file_of(name), url=f"https://o.example/files/{name}?s=1") for name in "ab")
    outbound = replace(text_to("+14155552671"), content={"type": "image", "caption": "Look"}, files=files)

    outcome = await TwilioAdapter(_Bracketed(outgoing)).send(
        outbound, _connection(prism, messaging_service_sid="MG" + "0" * 32)
    )

    assert isinstance(outcome, Sent)


async def test_the_check_is_accepted(outgoing: OutgoingHttp, prism: PrismPeer) -> None:
    assert isinstance(await TwilioAdapter(outgoing).check(_connection(prism)), Healthy)


async def test_an_account_of_a_wrong_shape_is_not_taken(outgoing: OutgoingHttp, prism: PrismPeer) -> None:
    # that Prism does refuse: else the tests above would show nothing
    connection = _connection(prism, account_sid="nobody", messaging_service_sid="nothing")

    outcome = await TwilioAdapter(outgoing).send(text_to("+14155552671"), connection)

    assert isinstance(outcome, Rejected)
