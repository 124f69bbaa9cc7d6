"""The sockets that servers of ours listen on; why one cannot be had is told in a sentence that helps."""

import errno
import socket

_REASONS = {
    errno.EADDRINUSE: "it is taken, by another program or by an Outrider that runs already",
    errno.EADDRNOTAVAIL: "no such address is on this machine",
    errno.EACCES: "ports below 1024 need a privilege that this user does not have",
}


class CannotListen(Exception):
    """The address cannot be listened on; the message says why."""


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
