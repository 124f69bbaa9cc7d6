import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from outrider.core.targets import BadTarget, parse_target, refusal_of

PRIVATE_IPV4 = [
    "0.0.0.0",  # noqa: S104 - an address to refuse, not one to bind
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
]
PRIVATE_IPV6 = [
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "223.255.255.255", "9.9.9.9"]
PUBLIC_IPV6 = ["2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "2001:4860:4860::8888"]


@pytest.mark.parametrize("address", PRIVATE_IPV4 + PRIVATE_IPV6)
def test_special_addresses_are_refused_and_named(address: str) -> None:
    assert refusal_of(address)


@pytest.mark.parametrize("address", PUBLIC + PUBLIC_IPV6)
def test_public_addresses_are_not_refused(address: str) -> None:
    assert refusal_of(address) is None


@given(st.ip_addresses())
def test_nothing_that_the_standard_library_calls_private_passes(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if address.is_private or address.is_multicast or address.is_reserved or address.is_link_local:
        assert refusal_of(str(address))


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_no_ipv6_wrapping_hides_an_ipv4_address(address: ipaddress.IPv4Address) -> None:
    number = int(address)

    for wrapped in (
        number,
        0xFFFF << 32 | number,
        0xFFFF << 48 | number,
        0x0064FF9B << 96 | number,
        0x2002 << 112 | number << 80,
        0x20010000 << 96 | number ^ 0xFFFFFFFF,
    ):
        assert refusal_of(str(ipaddress.IPv6Address(wrapped)))


@given(st.text())
def test_what_is_no_address_at_all_is_refused(text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        assert refusal_of(text) == "malformed"


def spellings(address: ipaddress.IPv4Address) -> list[str]:
    a, b, c, d = address.packed
    number = int(address)
    return [
        str(number),
        hex(number),
        f"{number:#013o}".replace("0o", "0"),
        f"0x{a:x}.{b}.{c}.{d}",
        f"0{a:o}.{b}.{c}.{d}",
        f"{a}.{b}.{c * 256 + d}",
        f"{a}.{number & 0xFFFFFF}",
        f"{a}.{b}.{c}.{d}.",
        f"0x{a:02X}{b:02X}{c:02X}{d:02X}",
        f"{a:03d}.{b:03d}.{c:03d}.{d:03d}",
        f"{a}.{b}.{c}.0x{d:x}",
        str(address).translate({ord(n): chr(0xFF10 + int(n)) for n in "0123456789"}),
        str(address).replace(".", "\u3002"),
    ]


@given(st.ip_addresses(v=4, network="127.0.0.0/8") | st.ip_addresses(v=4, network="169.254.0.0/16"))
def test_every_spelling_of_a_private_address_is_refused(address: ipaddress.IPv4Address) -> None:
    for spelling in spellings(address):
        assert isinstance(parse_target(f"https://{spelling}/", allow_private=False), BadTarget), spelling


@given(st.integers(0, 2**32 - 1), st.data())
def test_a_host_that_the_system_reads_as_a_number_is_judged_as_that_number(
    number: int, data: st.DataObject
) -> None:
    spelling = data.draw(st.sampled_from(spellings(ipaddress.IPv4Address(number))))
    target = parse_target(f"https://{spelling}/x", allow_private=False)

    if isinstance(target, URL):
        assert refusal_of(socket.inet_ntoa(socket.inet_aton(str(target.raw_host)))) is None


@pytest.mark.parametrize(
    "address", [*PRIVATE_IPV4, *(f"[{address}]" for address in PRIVATE_IPV6 if "%" not in address)]
)
def test_literals_of_private_addresses_are_refused_in_urls(address: str) -> None:
    target = parse_target(f"https://{address}:8443/hook", allow_private=False)

    assert isinstance(target, BadTarget)
    assert target.is_refused
    assert isinstance(parse_target(f"http://{address}/hook", allow_private=True), URL)


@pytest.mark.parametrize("address", [*PUBLIC, *(f"[{address}]" for address in PUBLIC_IPV6)])
def test_literals_of_public_addresses_pass(address: str) -> None:
    assert isinstance(parse_target(f"https://{address}/hook", allow_private=False), URL)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook",
        "//example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://user@example.com/",
        "https://user:pw@example.com/",
        "https://:@example.com/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:port/",
        "https://exa mple.com/",
        "https://example.com/\r\nX: y",
        "https://example.com\\@127.0.0.1/",
        "https://example.com\0.evil/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://example.com/" + "x" * 9000,
        "https://999.1.1.1/",
        "https://1.2.3.4.5/",
        "https://example.0x7f/",
        "https://\ud800/",
    ],
)
def test_malformed_urls_are_refused_whatever_is_allowed(url: str) -> None:
    for allow_private in (False, True):
        target = parse_target(url, allow_private=allow_private)
        assert isinstance(target, BadTarget)
        assert not target.is_refused


def test_plain_http_needs_permission() -> None:
    assert parse_target("http://example.com/", allow_private=False) == BadTarget(
        "only https:// is allowed", is_refused=True
    )
    assert isinstance(parse_target("http://example.com/", allow_private=True), URL)


def test_path_and_query_go_out_as_they_were_named() -> None:
    target = parse_target("https://example.com:8443/a%2Fb/c?x=1&y=%20#part", allow_private=False)

    assert isinstance(target, URL)
    assert (target.raw_host, target.port, target.raw_path_qs) == ("example.com", 8443, "/a%2Fb/c?x=1&y=%20")


@given(st.text())
def test_no_text_breaks_the_reading_of_a_url(text: str) -> None:
    for url in (text, f"https://{text}", f"https://example.com/{text}"):
        target = parse_target(url, allow_private=False)
        assert isinstance(target, URL | BadTarget)
