"""Where a request came from."""

from ipaddress import ip_network

import pytest

from outrider.core.client_addresses import client_address

TRUSTED = (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        # nobody need believe a stranger
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "198.51.100.1, 10.0.0.7", "198.51.100.1"),
        ("::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", None, "203.0.113.9"),
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", " , ", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("127.0.0.1", "[2001:db8:1:2:3:4:5:6]:4711", "2001:db8:1:2::/64"),
        ("127.0.0.1", "unknown", "unknown"),
        ("127.0.0.1", "x" * 5_000, "unknown"),
        (None, "198.51.100.1", "unknown"),
    ],
)
def test_the_last_hop_that_is_not_ours_counts(peer: str | None, forwarded: str | None, address: str) -> None:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    scope = {"client": None if peer is None else (peer, 4711), "headers": headers}

    assert client_address(scope, TRUSTED) == address


def test_a_proxy_that_adds_a_line_is_believed_and_the_line_above_is_not() -> None:
    told = [(b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-for", b"198.51.100.1, 10.0.0.7")]

    assert client_address({"client": ("127.0.0.1", 4711), "headers": told}, TRUSTED) == "198.51.100.1"
