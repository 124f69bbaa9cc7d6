"""The SES provider at moto's SES and SNS: what is sent is there, what is posted is signed."""

import json
from collections.abc import Generator
from urllib.parse import urlencode

import aiohttp
import pytest

from outrider.core.outgoing import OutgoingHttp
from outrider.platforms.base import Channel, ConnectionContext, FailureCode, InboundRequest, Rejected, Sent
from outrider.platforms.ses.adapter import SesAdapter
from tests.clients import listener
from tests.peers import PeerMissing, moto_peer
from tests.platforms.connections import connection_of, text_to
from tests.platforms.ses.sns import Rerouted

REGION = "us-east-1"
FROM = "hello@sender.example"
# moto reads the region and the service out of it, and checks no more
CREDENTIAL = f"AWS4-HMAC-SHA256 Credential=AKID/20261120/{REGION}/{{service}}/aws4_request"


@pytest.fixture(scope="module")
def moto() -> Generator[str]:
    try:
        with moto_peer() as url:
            yield url
    except PeerMissing as reason:
        pytest.skip(str(reason))


def _connection(moto: str, **config: object) -> ConnectionContext:
    return connection_of(
        Channel.EMAIL,
        **{
            "access_key_id": "AKID",
            "secret_access_key": "s3cret",
            "region": REGION,
            "from_email": FROM,
            "api_base_url": moto,
            **config,
        },
    )


async def _sns(moto: str, **fields: str) -> str:
    headers = {
        "authorization": CREDENTIAL.format(service="sns"),
        "content-type": "application/x-www-form-urlencoded",
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(moto, data=urlencode(fields), headers=headers) as answer,
    ):
        assert answer.status == 200, await answer.text()
        return await answer.text()


async def _verify_sender(moto: str) -> None:
    headers = {"authorization": CREDENTIAL.format(service="ses")}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{moto}/v2/email/identities", json={"EmailIdentity": FROM}, headers=headers) as answer,
    ):
        assert answer.status in {200, 400}, await answer.text()


async def test_a_sender_that_is_not_verified_is_the_accounts_fault(outgoing: OutgoingHttp, moto: str) -> None:
    connection = _connection(moto, from_email="nobody@elsewhere.example")

    outcome = await SesAdapter(outgoing).send(text_to("ada@example.com"), connection)

    assert isinstance(outcome, Rejected)
    assert outcome.code is FailureCode.ACCOUNT_ERROR


async def test_a_mail_is_sent(outgoing: OutgoingHttp, moto: str) -> None:
    await _verify_sender(moto)

    outcome = await SesAdapter(outgoing).send(
        text_to("ada@example.com", "Grüße 👋", subject="Prüfung"), _connection(moto)
    )

    assert isinstance(outcome, Sent)
    async with aiohttp.ClientSession() as session, session.get(f"{moto}/moto-api/data.json") as answer:
        sent = json.dumps((await answer.json(content_type=None))["ses"])
    assert outcome.external_id in sent


async def test_what_sns_posts_is_authentic_and_what_is_changed_on_the_way_is_not(
    outgoing: OutgoingHttp, moto: str
) -> None:
    created = await _sns(moto, Action="CreateTopic", Name="mail-events")
    topic = created.partition("<TopicArn>")[2].partition("</TopicArn>")[0]
    # moto tells its services apart by whom a request was signed for
    http = Rerouted(outgoing, moto, authorization=CREDENTIAL.format(service="sns"))
    adapter = SesAdapter(http)
    async with listener() as heard:
        await _sns(moto, Action="Subscribe", TopicArn=topic, Protocol="http", Endpoint=heard.url)
        await _sns(moto, Action="Publish", TopicArn=topic, Message="Grüße\nof SES")
        await heard.wait_for(1)
    body = heard.received[0][1]
    ours = _connection(moto, topic_arn=topic)

    assert await adapter.verify(InboundRequest({}, body), ours) is True
    changed = json.dumps({**json.loads(body), "Message": "other"}).encode()
    assert await adapter.verify(InboundRequest({}, changed), ours) is False
    assert await adapter.verify(InboundRequest({}, body), _connection(moto, topic_arn="other")) is False
    assert await adapter.verify(InboundRequest({}, body), _connection(moto)) is False
