"""What a check of a connection tells of credentials that are wrong."""

from outrider.core.outgoing import OutgoingHttp
from outrider.platforms.base import Channel, Healthy, Unhealthy
from outrider.platforms.host_check import PublicHosts
from outrider.platforms.smtp.adapter import SmtpAdapter
from outrider.platforms.telegram.adapter import TelegramAdapter
from tests.platforms.connections import connection_of
from tests.platforms.http_vendor import HttpVendor, Reply
from tests.platforms.smtp.smtp_vendor import smtp_vendor

TOKEN = "700100200:AAF-token_of_a_check_00000000001"


async def test_a_bot_tells_its_name_and_a_refused_token_is_not_repeated(outgoing: OutgoingHttp) -> None:
    vendor = HttpVendor(lambda _: Reply(200, {"ok": True, "result": {"username": "ferry_bot"}}), {})
    await vendor.start()
    adapter = TelegramAdapter(outgoing, attempt_seconds=2.0)
    connection = connection_of(Channel.TELEGRAM, bot_token=TOKEN, api_base_url=vendor.url)

    assert await adapter.check(connection) == Healthy("Connected as @ferry_bot.")
    assert vendor.asked[0].path == f"/bot{TOKEN}/getMe"

    vendor.reply_with(
        Reply(401, {"ok": False, "error_code": 401, "description": f"Unauthorized: bot{TOKEN}"}),
        Reply(502, b"<html>"),
    )
    assert await adapter.check(connection) == Unhealthy("The Bot API refuses the bot: Unauthorized: bot***")
    assert await adapter.check(connection) == Unhealthy("The Bot API refuses the bot: HTTP 502")
    await vendor.stop()


async def test_a_mail_server_is_entered_anew_for_every_check() -> None:
    adapter = SmtpAdapter(PublicHosts(allow_private_targets=True), attempt_seconds=2.0)
    async with smtp_vendor() as vendor:
        vendor.extensions.append("AUTH PLAIN LOGIN")
        connection = connection_of(
            Channel.EMAIL,
            host="127.0.0.1",
            port=vendor.port,
            security="none",
            username="outrider",
            password="correct-horse",
            from_email="hello@sender.example",
        )

        assert await adapter.check(connection) == Healthy("Logged in as outrider.")
        vendor.replies["AUTH"] = "535 5.7.8 wrong"
        refused = await adapter.check(connection)

    assert isinstance(refused, Unhealthy)
    assert "535 5.7.8 wrong" in refused.detail
    assert vendor.connections == 2
    assert "NOOP" in vendor.commands
    await adapter.close()
