"""The guard for vendors that speak no HTTP: a host is resolved once and only a checked address is dialled."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from outrider.core import log
from outrider.core.targets import refusal_of

_DNS_THREADS = 16


def _threads() -> ThreadPoolExecutor:
    # its own: a name server that somebody chose may take its time, and what else runs in threads must not wait
    return ThreadPoolExecutor(_DNS_THREADS, thread_name_prefix="outrider-host-dns")


@dataclass(frozen=True, slots=True)
class PublicHosts:
    """Lets hosts of the public internet through, and any host where the operator allows private targets.

    As with HTTP, a host with one address that is refused is refused.
    """

    allow_private_targets: bool = False
    threads: ThreadPoolExecutor = field(default_factory=_threads, repr=False, compare=False)

    async def __call__(self, host: str, port: int, timeout_s: float) -> str | None:
        """The address of this host to dial, None if it has none or may not be connected to."""
        if not host:
            return None  # resolvers take it for this machine
        try:
            async with asyncio.timeout(timeout_s):
                found = await asyncio.get_running_loop().run_in_executor(
                    self.threads, partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
                )
        except (OSError, UnicodeError) as error:
            log.warning("host.unknown", host=host[:255], detail=str(error))
            return None
        addresses = [str(entry[4][0]) for entry in found]
        refused = {address: what for address in addresses if (what := self._refusal_of(address)) is not None}
        if refused:
            log.warning("host.refused", host=host[:255], addresses=refused)
            return None
        return addresses[0] if addresses else None

    def _refusal_of(self, address: str) -> str | None:
        return None if self.allow_private_targets else refusal_of(address)
