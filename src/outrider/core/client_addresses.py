"""Where a request came from: the peer, or what a trusted proxy in front says of it."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from outrider.core.asgi import Scope, header

Networks = Sequence[IPv4Network | IPv6Network]
_FORWARDED: Final = b"x-forwarded-for"
# Some proxies write the port, too: `198.51.100.1:4711`, `[2001:db8::1]:4711`.
_WITH_PORT: Final = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::\d{1,5})?|([0-9.]{7,15}):\d{1,5}")


def client_address(scope: Scope, trusted: Networks) -> str:
    """Name who sent a request; of IPv6 the network, since one household has all of it."""
    client = scope.get("client")
    address = str(client[0]) if client else ""
    hops = _told_hops(scope)
    while hops and _is_trusted(address, trusted):
        address = hops.pop()
    return _grouped(address)


def _told_hops(scope: Scope) -> list[str]:
    """Every hop that is told of, the nearest last: a proxy may add a line of its own below that of its client."""
    lines = [bytes(value).decode("latin-1") for name, value in scope["headers"] if name == _FORWARDED]
    hops = [hop.strip() for hop in ",".join(lines).split(",") if hop.strip()]
    return [_without_port(hop) for hop in hops]


def _without_port(hop: str) -> str:
    found = _WITH_PORT.fullmatch(hop)
    return hop if found is None else found[1] or found[2]


def is_https(scope: Scope, trusted: Networks) -> bool:
    """Whether a request came by https: to us, or to a trusted proxy that says so."""
    if scope.get("scheme") == "https":
        return True
    client = scope.get("client")
    told = (header(scope, b"x-forwarded-proto") or b"").split(b",")[-1].strip().lower()
    return told == b"https" and client is not None and _is_trusted(str(client[0]), trusted)


def is_loopback(host: str) -> bool:
    """Whether who listens at this address is reached from this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_trusted(address: str, trusted: Networks) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in trusted)


def _grouped(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return "unknown"
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((found, 64), strict=False))
