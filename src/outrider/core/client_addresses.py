"""Where a request came from: the peer, or what a trusted proxy in front says of it."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from outrider.core.asgi import Scope, header

Networks = Sequence[IPv4Network | IPv6Network]


def client_address(scope: Scope, trusted: Networks) -> str:
    """Name who sent a request; of IPv6 the network, since one household has all of it."""
    client = scope.get("client")
    told = (header(scope, b"x-forwarded-for") or b"").decode("latin-1").split(",")
    hops = [hop.strip() for hop in told if hop.strip()]
    address = str(client[0]) if client else ""
    while hops and _is_trusted(address, trusted):
        address = hops.pop()
    return _grouped(address)


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
