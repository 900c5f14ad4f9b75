"""Listening sockets and free ports. Ports are bound before anything starts, so that a conflict is reported at once."""

import errno
import random
import socket
from contextlib import closing

from cli.failure import Failure

#: Below the range of outgoing ports of common systems, so that no outgoing connection takes the port of a server while
#: it restarts.
_FREE_RANGE = range(20_000, 32_000)
_TRIES = 200


def listen(host: str, port: int, *, setting: str) -> socket.socket:
    """A listening socket for children to inherit; port 0 is any free one. Raises Failure, which names `setting`.

    The socket listens at once and stays open: clients that connect while a part restarts wait for it, and a second
    server cannot bind the port in between.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise Failure(f"{host!r} is no address to listen on ({error.strerror}); see {setting}") from error
    server = socket.socket(family, kind, proto)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind(address)
        server.listen(2048)
    except OSError as error:
        server.close()
        why = "is already in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise Failure(f"port {port} of {host} {why}; choose another with {setting}") from error
    server.setblocking(False)
    return server


def inherited(descriptor: int) -> socket.socket:
    """The listening socket that a supervisor passed on as this descriptor."""
    server = socket.socket(fileno=descriptor)
    server.setblocking(False)
    return server


def url_of(server: socket.socket) -> str:
    """The URL by which a client on this machine reaches the socket."""
    host, port = server.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104 - the same
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def free_port() -> int:
    """A free loopback port, for a server that must bind it itself. Raises Failure if none is found."""
    for port in random.sample(_FREE_RANGE, _TRIES):
        with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Failure(f"no free port between {_FREE_RANGE.start} and {_FREE_RANGE.stop}")
