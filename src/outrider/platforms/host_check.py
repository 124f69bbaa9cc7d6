"""The guard for vendors that speak no HTTP: a host is resolved once and only a checked address is dialled."""

import asyncio
import socket
from dataclasses import dataclass

from outrider.core.targets import refusal_of


@dataclass(frozen=True, slots=True)
class PublicHosts:
    """Lets hosts of the public internet through, and any host where the operator allows private targets."""

    allow_private_targets: bool = False

    async def __call__(self, host: str, port: int, timeout_s: float) -> str | None:
        """The first address of this host that may be dialled, None if there is none."""
        if not host:
            return None  # resolvers take it for this machine
        try:
            async with asyncio.timeout(timeout_s):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return None
        addresses = [str(entry[4][0]) for entry in found]
        return next((address for address in addresses if self._may_dial(address)), None)

    def _may_dial(self, address: str) -> bool:
        return self.allow_private_targets or refusal_of(address) is None
