"""The sockets that servers of ours listen on, and how many there may be; why one cannot be had is told in a sentence
that helps."""

import errno
import resource
import socket
from functools import cache

from outrider.core.config import Settings

_REASONS = {
    errno.EADDRINUSE: "it is taken, by another program or by an Outrider that runs already",
    errno.EADDRNOTAVAIL: "no such address is on this machine",
    errno.EACCES: "ports below 1024 need a privilege that this user does not have",
}


class CannotListen(Exception):
    """The address cannot be listened on; the message says why."""


def listen_for_requests(settings: Settings) -> socket.socket:
    """Take the address of the settings; raises `CannotListen`."""
    remedy = "OUTRIDER_PORT or --port chooses another port."
    return listen_on(settings.host, settings.port, remedy=remedy)


def listen_on(host: str, port: int, *, remedy: str) -> socket.socket:
    """Take an address (port 0: any free one); nobody is answered before somebody calls `listen`.

    Raises `CannotListen`; `remedy` says how to choose another address.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
        raise CannotListen(f"Cannot listen on port {port} of {host}: {reason}. {remedy}") from error
    return listening


def raise_file_limit() -> None:
    """Let this process open as many files as the system lets it, within reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@cache
def most_connections() -> int:
    """Half of the files that this process may open: the rest is for the database and for what goes out."""
    return max(64, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
