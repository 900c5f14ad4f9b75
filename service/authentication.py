"""Checks the API key of a request before its body is read: whose it is, its request rate, and its scope."""

import time
from collections.abc import Iterable

from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from access import api_key
from access.api_key import ApiKey
from access.authenticator import Known
from access.request_rate import Rate
from contracts.errors import AuthenticationFailed, PermissionDenied, QuotaExceeded, UmpireError
from service.caller import Caller, introduce
from service.parts import Parts
from service.problem import problem
from service.rate_headers import POLICY, policy, remaining
from service.scopes import Scopes
from telemetry.observer import Note

_REALM = 'Bearer realm="umpire"'

#: Close code of a WebSocket (RFC 6455).
_POLICY_VIOLATION = 1008


class Authentication:
    """ASGI middleware; left out if UMPIRE_AUTH is off."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._scopes = Scopes(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # the API has no WebSocket
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        is_open, needed = self._scopes.find(scope) if scope["type"] == "http" else (True, None)
        if is_open:
            await self._app(scope, receive, send)
            return
        parts: Parts = scope["app"].state.parts
        known: Known | None = None
        try:
            known = await _authenticate(parts, scope)
            _check_rate(known.rate)
            _check_scope(known.key, needed)
        except UmpireError as error:
            await _refusal(parts, scope, error, known)(scope, receive, send)
            return
        told = policy(known.key)
        await self._app(scope, receive, _with_limits(send, told, known.rate) if told else send)


async def _authenticate(parts: Parts, scope: Scope) -> Known:
    seconds = parts.settings.service.door_redis_seconds
    began = time.monotonic()
    known = await parts.authenticator.authenticate(_presented(scope), seconds)
    introduce(scope, Caller(known.key, max(0.0, seconds - (time.monotonic() - began))))
    return known


def _presented(scope: Scope) -> str:
    """The key in `Authorization: Bearer …`. Raises AuthenticationFailed."""
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    kind, _, text = values[0].decode("latin-1").strip(" \t").partition(" ") if len(values) == 1 else ("", "", "")
    if kind.lower() != "bearer" or not text:
        raise AuthenticationFailed("an API key must come with the request: Authorization: Bearer …", reason="missing")
    return text.strip(" ")


def _check_rate(rate: Rate | None) -> None:
    if rate is not None and not rate.granted:
        raise QuotaExceeded("the API key's request rate is used up", retry_after=rate.wait, limit="request_rate")


def _check_scope(key: ApiKey, needed: api_key.Scope | None) -> None:
    if needed is not None and needed not in key.scopes:
        raise PermissionDenied(f"the API key has no scope {needed.value}", reason="scope", scope=needed.value)


def _refusal(parts: Parts, scope: Scope, error: UmpireError, known: Known | None) -> Response:
    reason = error.details.get("reason") or error.details.get("limit") or "unavailable"
    parts.observer(Note("key.refused", labels={"reason": reason}))
    parts.observer(Note("door.refused", labels={"error_code": error.code.value}))
    told = policy(known.key) if known else ""
    headers = {POLICY: told} if told else {}
    if isinstance(error, AuthenticationFailed):
        headers["WWW-Authenticate"] = _REALM if reason == "missing" else f'{_REALM}, error="invalid_token"'
    elif isinstance(error, PermissionDenied):
        headers["WWW-Authenticate"] = f'{_REALM}, error="insufficient_scope", scope="{error.details["scope"]}"'
    return problem(error, scope, headers=headers)


def _with_limits(send: Send, told: str, rate: Rate | None) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            left = [(b"ratelimit", remaining(rate).encode())] if rate else []
            message["headers"] = [*message["headers"], (b"ratelimit-policy", told.encode()), *left]
        await send(message)

    return answer
