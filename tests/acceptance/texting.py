"""What tests with emulate's Twilio share: its account, and what is done to it behind our back."""

import aiohttp

from tests.clients import Client

ACCOUNT, TOKEN, NUMBER, ADA = "AC" + "0" * 32, "12345", "+15551234567", "+15558675310"
SEED = {
    "twilio": {
        "account": {"sid": ACCOUNT, "auth_token": TOKEN},
        "phone_numbers": [{"phone_number": NUMBER}],
    }
}


def config_of(twilio: str, *, token: str = TOKEN) -> dict[str, object]:
    """The configuration of a connection to it."""
    return {
        "account_sid": ACCOUNT,
        "auth_token": token,
        "phone_number": NUMBER,
        "api_base_url": twilio,
    }


async def ask(client: Client, url: str, **form: str) -> dict[str, object]:
    """Call its API as the owner of the account."""
    headers = {"authorization": aiohttp.encode_basic_auth(ACCOUNT, TOKEN)}
    async with client.session.post(url, data=form, headers=headers) as answer:
        assert answer.status < 300, await answer.text()
        found: dict[str, object] = await answer.json()
        return found


async def simulate(client: Client, twilio: str, sid: str, status: str) -> None:
    """Let it tell what became of a message."""
    await ask(client, f"{twilio}/_twilio/simulate/message-status", MessageSid=sid, Status=status)
