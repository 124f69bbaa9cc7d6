"""Which URLs and addresses outgoing requests may reach; the rules of the guard, without any network.

A URL is judged by its text, an address by the networks that are not the public internet. A host name is judged
by the addresses it resolves to, at the moment of dialling.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from yarl import URL

_LONGEST_URL: Final = 8192
_NEVER_IN_URLS: Final = re.compile(r"[\x00-\x20\x7f\\]")
_LOOKS_NUMERIC: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?")

# The registries of special-purpose addresses, written out: the standard library's own notion of a global
# address differs between patch releases of Python.
_REFUSED_IPV4: Final = tuple(
    (ipaddress.IPv4Network(network), what)
    for network, what in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "AS112"),
        ("192.52.193.0/24", "AMT"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "AS112"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved or broadcast"),
    )
)
_GLOBAL_IPV6: Final = ipaddress.IPv6Network("2000::/3")
_REFUSED_IPV6: Final = tuple(
    (ipaddress.IPv6Network(network), what)
    for network, what in (
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "NAT64"),
        ("2001::/32", "Teredo"),
        ("2001::/23", "protocol assignments"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("2620:4f:8000::/48", "AS112"),
        ("3fff::/20", "documentation"),
        ("fc00::/7", "unique local"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
    )
)


@dataclass(frozen=True, slots=True)
class BadTarget:
    """Why a URL is not requested: `is_refused` if it is well-formed and points where requests may not go."""

    detail: str
    is_refused: bool


@lru_cache(maxsize=4096)
def refusal_of(address: str) -> str | None:
    """Say what kind of address this is if it is not one of the public internet, else None."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "malformed"
    if isinstance(parsed, ipaddress.IPv4Address):
        return next((what for network, what in _REFUSED_IPV4 if parsed in network), None)
    bare = ipaddress.IPv6Address(int(parsed))  # without a scope id
    what = next((what for network, what in _REFUSED_IPV6 if bare in network), None)
    return what or (None if bare in _GLOBAL_IPV6 else "not a global address")


@lru_cache(maxsize=4096)
def parse_target(url: str, *, allow_private: bool) -> URL | BadTarget:
    """Read a URL that somebody else named; a host that is an address is judged here."""
    if len(url) > _LONGEST_URL or _NEVER_IN_URLS.search(url):
        return BadTarget(
            "the URL is too long or has spaces, control characters or backslashes", is_refused=False
        )
    try:
        parsed = URL(url)
        host, port = parsed.raw_host, parsed.port
    except ValueError as problem:
        return BadTarget(f"the URL is malformed: {problem}", is_refused=False)
    detail = _malformed(parsed)
    if detail is not None or host is None:
        return BadTarget(detail or "the URL has no host", is_refused=False)
    if not allow_private and parsed.scheme != "https":
        return BadTarget("only https:// is allowed", is_refused=True)
    what = None if allow_private or not _is_address(host) else refusal_of(host)
    if what is not None:
        return BadTarget(f"{host} is not a public address ({what})", is_refused=True)
    return parsed if port else BadTarget("the URL's port is out of range", is_refused=False)


def _malformed(url: URL) -> str | None:
    host = url.raw_host
    if url.scheme not in {"http", "https"} or not host:
        return "an https:// URL with a host is expected"
    if url.raw_user is not None or url.raw_password is not None:
        return "the URL has credentials in it"
    if "%" in host:
        return "the URL's host has a zone"
    # Resolvers read 2130706433, 0x7f.1 and 127.1 as addresses: no such spelling is an honest host name.
    if _LOOKS_NUMERIC.fullmatch(host) and not _is_address(host):
        return "the URL's host is an address in an unusual spelling"
    return None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
