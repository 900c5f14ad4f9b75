"""Without authentication the API is for this machine only, and for nobody's web page."""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from contracts.errors import PermissionDenied
from contracts.settings import Settings, SettingsError
from service.problem import problem


def check_binding(settings: Settings, host: str) -> None:
    """Raises SettingsError where anybody could call who reaches the port."""
    if settings.service.auth == "off" and not _is_here(host):
        raise SettingsError(
            f"UMPIRE_AUTH is off, and the API would listen on {host or 'every address'}: set UMPIRE_AUTH=keys "
            "(`umpire keys create` makes one), or listen on 127.0.0.1"
        )


class LoopbackOnly:
    """ASGI middleware, for a server that was told another address than the settings have, and for a browser on this
    machine that is told to call by a page from elsewhere. A socket that is no network's passes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_from_elsewhere(scope):
            error = PermissionDenied("UMPIRE_AUTH is off: the API answers on loopback only", reason="auth_off")
            await problem(error, scope)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_from_elsewhere(scope: Scope) -> bool:
    server = scope.get("server")
    if server and _is_address(server[0], loopback=False):
        return True
    on_network = bool(server and server[1] is not None)
    return any(
        (name == b"origin" and not _names_here(value))
        # A page whose own name was made to lead here calls its own origin, and a GET does not even say which.
        or (name == b"host" and on_network and value != b"" and not _names_here(b"//" + value))
        for name, value in scope["headers"]
    )


@lru_cache(maxsize=64)
def _names_here(url: bytes) -> bool:
    """A browser says `null` for the origin that it trusts least."""
    try:
        return _is_here(urlsplit(url.decode("latin-1")).hostname or "")
    except ValueError:
        return False


def _is_here(host: str) -> bool:
    return host == "localhost" or _is_address(host, loopback=True)


@lru_cache(maxsize=64)
def _is_address(host: str, *, loopback: bool) -> bool:
    """An IP address, and one of this kind."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback is loopback
