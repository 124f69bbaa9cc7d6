"""Looking into a mailbox: what is new and only that, in portions, and servers that say strange things."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import cast

import pytest

from outrider.core.ids import IdClock
from outrider.platforms.base import Channel, ConnectionContext, Deferred, InboundMessage, JsonObject
from outrider.platforms.host_check import PublicHosts
from outrider.platforms.polling import Polled, Polling
from outrider.platforms.smtp import mailboxes
from outrider.platforms.smtp.adapter import SmtpAdapter
from outrider.platforms.smtp.return_paths import ReturnPaths
from tests.platforms.smtp.imap_vendor import ImapVendor, imap_vendor

_IDS = IdClock()


@pytest.fixture
async def vendor() -> AsyncGenerator[ImapVendor]:
    async with imap_vendor() as running:
        yield running


@pytest.fixture
async def adapter() -> AsyncGenerator[SmtpAdapter]:
    smtp = SmtpAdapter(PublicHosts(allow_private_targets=True), ReturnPaths((b"k" * 32,)))
    assert isinstance(smtp, Polling)
    yield smtp
    await smtp.close()


def _connection(vendor: ImapVendor, **more: object) -> ConnectionContext:
    config = {
        "host": "127.0.0.1",
        "from_email": "desk@ferry.example",
        "imap_host": "127.0.0.1",
        "imap_port": vendor.port,
        "imap_security": "none",
        "imap_password": 'pa"ss\\word',
        **more,
    }
    return ConnectionContext(_IDS.new(), _IDS.new(), Channel.EMAIL, config)


def _mail(text: str) -> bytes:
    return f"From: ada@a.example\r\n\r\n{text}\r\n".encode()


async def _poll(
    adapter: SmtpAdapter, connection: ConnectionContext, cursor: JsonObject | None
) -> tuple[list[object], Polled]:
    polled = await adapter.poll(cursor, connection)
    assert isinstance(polled, Polled), polled
    texts = [cast("InboundMessage", one.item).content["text"] for one in polled.items]
    return list(texts), polled


async def test_each_mail_is_read_once_and_nothing_in_the_mailbox_is_changed(
    adapter: SmtpAdapter, vendor: ImapVendor
) -> None:
    connection = _connection(vendor)
    vendor.put(_mail("one"))
    texts, polled = await _poll(adapter, connection, None)
    assert texts == ["one"]
    assert (await _poll(adapter, connection, polled.cursor))[0] == []
    vendor.put(_mail("two"))
    vendor.put(_mail("three"), gap=20_000)
    found: list[object] = []
    cursor = polled.cursor
    for _ in range(10):
        texts, polled = await _poll(adapter, connection, cursor)
        found += texts
        cursor = polled.cursor
        if not polled.has_more:
            break
    assert found == ["two", "three"]
    assert {command.split()[0] for command in vendor.commands} <= {
        b"CAPABILITY",
        b"LOGIN",
        b"EXAMINE",
        b"UID",
    }
    assert all(b"BODY[" not in command for command in vendor.commands)


async def test_a_connection_that_was_made_while_the_clock_was_ahead_is_read_all_the_same(
    adapter: SmtpAdapter, vendor: ImapVendor
) -> None:
    ahead = IdClock()
    ahead.set_offset(3 * 3_600_000)
    connection = replace(_connection(vendor), connection_id=ahead.new())
    vendor.put(_mail("one"))

    assert (await _poll(adapter, connection, None))[0] == ["one"]


async def test_many_mails_come_in_portions(adapter: SmtpAdapter, vendor: ImapVendor) -> None:
    connection, cursor = _connection(vendor), None
    for number in range(60):
        vendor.put(_mail(str(number)))
    found: list[object] = []
    has_more = True
    while has_more:
        texts, polled = await _poll(adapter, connection, cursor)
        assert len(texts) <= 25
        found, cursor, has_more = found + texts, polled.cursor, polled.has_more
    assert found == [str(number) for number in range(60)]


async def test_a_mailbox_that_was_numbered_anew_is_read_again_with_the_same_keys(
    adapter: SmtpAdapter, vendor: ImapVendor
) -> None:
    connection = _connection(vendor)
    vendor.put(_mail("one"))
    _, first = await _poll(adapter, connection, None)
    vendor.validity, vendor.mails, vendor.next_uid = 8, {}, 1
    vendor.put(_mail("one"))
    vendor.put(_mail("two"))

    texts, second = await _poll(adapter, connection, first.cursor)

    assert texts == ["one", "two"]
    keys = [cast("InboundMessage", one.item).dedupe_key for one in (*first.items, *second.items)]
    assert keys[0] == keys[1] != keys[2]


async def test_a_cursor_of_another_mailbox_means_nothing(adapter: SmtpAdapter, vendor: ImapVendor) -> None:
    vendor.put(_mail("one"))
    _, polled = await _poll(adapter, _connection(vendor), None)

    texts, _ = await _poll(adapter, _connection(vendor, imap_mailbox="Replies"), polled.cursor)

    assert texts == ["one"]
    assert b'EXAMINE "Replies"' in vendor.commands


async def test_a_mail_that_is_too_large_is_cut(
    adapter: SmtpAdapter, vendor: ImapVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailboxes, "_LARGEST_MAIL", 1_000)
    monkeypatch.setattr(mailboxes, "_OF_A_LARGER_MAIL", 100)
    vendor.put(_mail("x" * 5_000))
    vendor.put(_mail("small"))

    texts, _ = await _poll(adapter, _connection(vendor), None)

    assert [len(str(text)) < 100 for text in texts] == [True, True]
    assert texts[1] == "small"


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"", b"* BYE go away\r\n"),
        (b"", b"SSH-2.0-x\r\n"),
        (b"LOGIN", b"TAG NO wrong password\r\n"),
        (b"EXAMINE", b"TAG NO no such mailbox\r\n"),
        (b"EXAMINE", b"TAG OK without ids\r\n"),
        (b"UID SEARCH", b"* SEARCH " + b"9" * 300_000 + b"\r\nTAG OK\r\n"),
        (b"UID FETCH", b"* 1 FETCH (UID 1 BODY[] {999999999999}\r\n"),
        (b"UID FETCH", b"* 1 FETCH (UID 1 {5}\r\n"),
        (b"UID SEARCH", b"* SEARCH x y z\r\nTAG BAD what\r\n"),
        (b"CAPABILITY", b"* noise\r\n" * 30_000),
    ],
)
async def test_a_server_that_says_strange_things_is_asked_again_later(
    adapter: SmtpAdapter, vendor: ImapVendor, start: bytes, said: bytes
) -> None:
    vendor.put(_mail("one"))
    vendor.says[start] = said
    polling = asyncio.ensure_future(adapter.poll(None, _connection(vendor)))
    if said.endswith(b"{5}\r\n"):
        # it never goes on: whoever asks limits the time
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(polling, 0.5)
        return

    found = await asyncio.wait_for(polling, 10)

    assert isinstance(found, Deferred)
    assert 'pa"ss' not in found.detail


async def test_what_cannot_be_one_line_is_never_sent(adapter: SmtpAdapter, vendor: ImapVendor) -> None:
    found = await adapter.poll(None, _connection(vendor, imap_password="x\r\nTAG LOGOUT"))

    assert isinstance(found, Deferred)
    assert not any(command.startswith((b"LOGIN", b"TAG")) for command in vendor.commands)


async def test_a_connection_without_a_mailbox_is_not_asked(adapter: SmtpAdapter, vendor: ImapVendor) -> None:
    assert adapter.poll_seconds(_connection(vendor, imap_host="")) is None
    assert adapter.poll_seconds(_connection(vendor, imap_poll_seconds=30)) == 30
    assert adapter.poll_seconds(_connection(vendor)) == 60
