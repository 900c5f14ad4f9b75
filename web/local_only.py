"""Without authentication, the API serves this machine only, and no web page of another site."""

import ipaddress
from collections.abc import Awaitable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from contracts.errors import PermissionDenied
from contracts.settings import Settings, SettingsError
from web.problem import problem


def check_binding(settings: Settings, host: str) -> None:
    """Raises SettingsError if other machines could call the API without authentication."""
    if settings.service.auth == "off" and not _is_local_host(host):
        raise SettingsError(
            f"UMPIRE_AUTH is off, and the API would listen on {host or 'every address'}: set UMPIRE_AUTH=keys "
            "(`umpire keys create` makes one), or listen on 127.0.0.1"
        )


@dataclass(frozen=True, slots=True)
class LocalOnly:
    """ASGI middleware that refuses requests to an address other than loopback, in case the server was started with
    another one than the settings', and requests that a page of another site makes in a browser on this machine.

    A Unix socket counts as this machine. Starlette's TrustedHostMiddleware knows no IPv6 address and answers in plain
    text.
    """

    app: ASGIApp

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and _is_foreign(scope):
            error = PermissionDenied("UMPIRE_AUTH is off: the API answers on loopback only", reason="auth_off")
            return problem(error, scope)(scope, receive, send)
        return self.app(scope, receive, send)


def _is_foreign(scope: Scope) -> bool:
    server = scope.get("server")
    if server and _is_ip_address(server[0], loopback=False):
        return True
    on_network = bool(server and server[1] is not None)
    for name, value in scope["headers"]:
        if name == b"origin" and not _is_local_url(value):
            return True
        # DNS rebinding: a page whose own name resolves to this machine sends no Origin with a GET. So check Host, too.
        if name == b"host" and on_network and value and not _is_local_url(b"//" + value):
            return True
    return False


@lru_cache(maxsize=64)
def _is_local_url(url: bytes) -> bool:
    """Whether the URL's host is this machine. The origin `null`, of pages that a browser isolates, is not."""
    try:
        return _is_local_host(urlsplit(url.decode("latin-1")).hostname or "")
    except ValueError:
        return False


def _is_local_host(host: str) -> bool:
    return host == "localhost" or _is_ip_address(host, loopback=True)


@lru_cache(maxsize=64)
def _is_ip_address(host: str, *, loopback: bool) -> bool:
    """Whether `host` is an IP address whose being loopback equals `loopback`."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback is loopback
