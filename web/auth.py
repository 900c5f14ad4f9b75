"""Authenticates a request by its API key, and checks the key's request rate and scope, before the body is read. Routes
find the caller in the ASGI scope.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from access import api_key
from access.api_key import ApiKey
from access.authenticator import Authenticated, Authenticator
from access.request_rate import POLICY, WINDOW, Rate, policy_header, remaining_header
from contracts.enums import ProcessingMode
from contracts.errors import AuthenticationFailed, PermissionDenied, QuotaExceeded, UmpireError
from contracts.settings import ServiceSettings
from telemetry.observer import Note, Observer
from web.problem import problem

#: Scope that an API key needs, by method and path of a route. None: the route needs no key.
ScopeTable = Mapping[tuple[str, str], api_key.Scope | None]

_REALM = 'Bearer realm="umpire"'

#: Close code of a WebSocket (RFC 6455).
_POLICY_VIOLATION = 1008

_CALLER = "umpire.caller"

_RATE_USED_UP = "the API key's requests per minute are used up"


@dataclass(slots=True)
class Caller:
    key: ApiKey
    #: Seconds left of `door_redis_seconds`.
    redis_seconds: float
    #: For the `RateLimit` header; None if the key has no limit.
    rate: Rate | None


def api_key_of(scope: Scope) -> ApiKey | None:
    """None if UMPIRE_AUTH is off."""
    caller: Caller | None = scope.get(_CALLER)
    return caller.key if caller else None


def owner_of(scope: Scope) -> str | None:
    key = api_key_of(scope)
    return key.id if key else None


def default_mode(scope: Scope, settings: ServiceSettings) -> ProcessingMode:
    """The mode of a request that names none: the mode of its API key, else the operator's default."""
    caller: Caller | None = scope.get(_CALLER)
    return (caller.key.processing_mode if caller else None) or settings.default_processing_mode


def redis_seconds(scope: Scope, settings: ServiceSettings) -> float:
    """Seconds that all Redis operations of the request together may still take."""
    caller: Caller | None = scope.get(_CALLER)
    return caller.redis_seconds if caller else settings.door_redis_seconds


async def charge_batch(scope: Scope, authenticator: Authenticator, requests: int) -> None:
    """Charge the caller's rate for `requests` in one body, of which the first is charged already.

    Raises QuotaExceeded if the rate does not allow all of them; then no further one is charged. Raises Unavailable.
    """
    caller: Caller | None = scope.get(_CALLER)
    if caller is None or caller.key.rate is None or requests == 1:
        return
    a_minute, began = caller.key.rate, time.monotonic()
    caller.rate = None  # a problem has a header of its own
    if requests > a_minute:
        detail = f"each of the {requests} items counts as a request, and the API key may send {a_minute} a minute"
        raise QuotaExceeded(detail, retry_after=WINDOW, limit="request_rate", max_items=a_minute)
    rate = await authenticator.charge(caller.key, requests - 1, caller.redis_seconds)
    caller.redis_seconds = max(0.0, caller.redis_seconds - (time.monotonic() - began))
    if rate is not None and not rate.granted:
        # The next try is charged for its first request before the others.
        raise QuotaExceeded(_RATE_USED_UP, retry_after=rate.wait + WINDOW / a_minute, limit="request_rate")
    caller.rate = rate


class RouteScopes:
    """Finds the scope that a request needs, by its route."""

    def __init__(self, routes: Iterable[BaseRoute], scope_of: ScopeTable) -> None:
        """Raises KeyError for a route that `scope_of` lacks."""
        table = [
            (route, method, scope_of[method, route.path])
            for route in routes
            if isinstance(route, Route)
            for method in sorted((route.methods or set()) - {"HEAD"})
        ]
        #: Routes without parameters, by method and path. Most requests match here.
        self._by_path = {(method, route.path): needed for route, method, needed in table if "{" not in route.path}
        self._routes = [(route, needed) for route, _, needed in table]

    def find(self, asgi: Scope) -> tuple[bool, api_key.Scope | None]:
        """Whether the route needs no key; else the scope that the key needs, None if there is no such route."""
        method_and_path = asgi["method"], asgi["path"]
        if method_and_path in self._by_path:
            needed = self._by_path[method_and_path]
            return needed is None, needed
        for route, needed in self._routes:
            if route.matches(asgi)[0] is Match.FULL:
                return needed is None, needed
        return False, None


@dataclass(frozen=True, slots=True)
class Authentication:
    """ASGI middleware, not installed if UMPIRE_AUTH is off."""

    app: ASGIApp
    scopes: RouteScopes
    #: Takes the ASGI scope, because the authenticator is created after the application.
    authenticator_of: Callable[[Scope], Authenticator]
    #: Seconds that Redis has to answer in one request.
    redis_seconds: float
    observer: Observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # the API has no WebSocket
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        is_open, needed = self.scopes.find(scope) if scope["type"] == "http" else (True, None)
        if is_open:
            await self.app(scope, receive, send)
            return
        known: Authenticated | None = None
        try:
            began = time.monotonic()
            known = await self.authenticator_of(scope).authenticate(_bearer_token(scope), self.redis_seconds)
            left = max(0.0, self.redis_seconds - (time.monotonic() - began))
            scope[_CALLER] = Caller(known.key, left, known.rate)
            if known.rate is not None and not known.rate.granted:
                raise QuotaExceeded(_RATE_USED_UP, retry_after=known.rate.wait, limit="request_rate")
            if needed is not None and needed not in known.key.scopes:
                raise PermissionDenied(f"the API key has no scope {needed.value}", reason="scope", scope=needed.value)
        except UmpireError as error:
            await self._refusal(scope, error, known)(scope, receive, send)
            return
        policy = policy_header(known.key)
        await self.app(scope, receive, _adding_rate_headers(send, policy, scope[_CALLER]) if policy else send)

    def _refusal(self, scope: Scope, error: UmpireError, known: Authenticated | None) -> Response:
        reason = error.details.get("reason") or error.details.get("limit") or "unavailable"
        self.observer(Note("key.refused", labels={"reason": reason}))
        self.observer(Note("http.refused", labels={"error_code": error.code.value}))
        policy = policy_header(known.key) if known else ""
        headers = {POLICY: policy} if policy else {}
        if isinstance(error, AuthenticationFailed):
            headers["WWW-Authenticate"] = _REALM if reason == "missing" else f'{_REALM}, error="invalid_token"'
        elif isinstance(error, PermissionDenied):
            headers["WWW-Authenticate"] = f'{_REALM}, error="insufficient_scope", scope="{error.details["scope"]}"'
        return problem(error, scope, headers=headers)


def _bearer_token(scope: Scope) -> str:
    """The key in `Authorization: Bearer …`. Raises AuthenticationFailed."""
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    kind, _, text = values[0].decode("latin-1").strip(" \t").partition(" ") if len(values) == 1 else ("", "", "")
    if kind.lower() != "bearer" or not text:
        raise AuthenticationFailed("send an API key with the request: Authorization: Bearer …", reason="missing")
    return text.strip(" ")


def _adding_rate_headers(send: Send, policy: str, caller: Caller) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            remaining = [(b"ratelimit", remaining_header(caller.rate).encode())] if caller.rate else []
            message["headers"] = [*message["headers"], (b"ratelimit-policy", policy.encode()), *remaining]
        await send(message)

    return send_with_headers
