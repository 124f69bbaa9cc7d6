"""The SMTP provider keeps what every provider promises."""

from collections.abc import AsyncGenerator

import pytest

from outrider.platforms.base import Channel
from outrider.platforms.conformance import AdapterConformance
from outrider.platforms.conformance_case import AdapterCase
from outrider.platforms.host_check import PublicHosts
from outrider.platforms.smtp.adapter import SmtpAdapter
from tests.platforms.connections import connection_of
from tests.platforms.smtp.smtp_vendor import smtp_vendor

PASSWORD = "correct-horse-battery-77"


class TestSmtp(AdapterConformance):
    @pytest.fixture
    async def case(self) -> AsyncGenerator[AdapterCase]:
        adapter = SmtpAdapter(PublicHosts(allow_private_targets=True), attempt_seconds=2.0)
        async with smtp_vendor() as vendor:
            vendor.extensions.append("AUTH PLAIN LOGIN")
            yield AdapterCase(
                adapter=adapter,
                connection=connection_of(
                    Channel.EMAIL,
                    host="127.0.0.1",
                    port=vendor.port,
                    security="none",
                    username="outrider",
                    password=PASSWORD,
                    from_email="hello@sender.example",
                ),
                vendor=vendor,
                recipient="ada@example.com",
                secrets=(PASSWORD,),
                pause_seconds=None,
                has_idempotency=True,
                addresses={
                    " Ada.Byron@EXAMPLE.com ": "Ada.Byron@example.com",
                    "jörg@München.de": "jörg@münchen.de",
                    "x@xn--mnchen-3ya.de": "x@münchen.de",
                    "root@localhost": "root@localhost",
                    "root@printer.local": "root@printer.local",
                    "Ada <ada@example.com>": None,
                    "ada@example.com\nBcc: eve@example.com": None,
                    "ada@example.com, eve@example.com": None,
                    "ada": None,
                    "@example.com": None,
                    "": None,
                },
            )
            await adapter.close()
