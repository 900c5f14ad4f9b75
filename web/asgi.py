"""The ASGI stack around FastAPI: the error boundary, middleware, and a direct call of the hot path's endpoint.

Middleware inside of the framework, and its router, would cost the hot path CPU time (docs/decisions/0019-accepting.md).
"""

import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry.fault import fault, locations
from telemetry.observer import Note, Observer
from web.handlers import HANDLED, ErrorHandler
from web.problem import INTERNAL_ERROR, problem


class Application(FastAPI):
    """A FastAPI application with middleware outside of the framework: `wrap` adds it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._asgi: ASGIApp = super().__call__

    def wrap(self, middleware: Callable[[ASGIApp], ASGIApp]) -> None:
        """Call the ASGI application that `middleware` returns in place of the one that it gets."""
        self._asgi = middleware(self._asgi)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self._asgi(scope, receive, send)


class PlainRoute(APIRoute):
    """A route whose endpoint takes the Request and returns the Response. OpenAPI describes it like any other.

    FastAPI's own handler would read, copy and validate the body a second time.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint


@dataclass(frozen=True, slots=True)
class Shortcut:
    """ASGI middleware that calls the endpoint of one PlainRoute for POST directly. The path has no parameters.

    The route stays registered for OpenAPI, for other methods, and for an application below a root path.
    """

    app: ASGIApp
    route: APIRoute
    on_error: ErrorHandler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self.route
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != route.path:
            await self.app(scope, receive, send)
            return
        scope["route"], scope["endpoint"] = route, route.endpoint
        request = Request(scope, receive, send)
        try:
            response = await route.endpoint(request)
        except HANDLED as error:
            response = await self.on_error(request, error)
        await response(scope, receive, send)


@dataclass(frozen=True, slots=True)
class ErrorBoundary:
    """Outermost middleware: answers unexpected errors with a 500 without a traceback, and counts all answers.

    Unlike the framework's own, it does not raise the error again: the server would log its text, which may quote the
    request.
    """

    app: ASGIApp
    observer: Observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # All routes handle it as GET. The server has its own copy of the scope, and leaves the body out.
            scope = {**scope, "method": "GET"}
        started = time.monotonic()
        status = 0

        async def send_and_note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note_status)
        except ClientDisconnect:
            if status == HTTPStatus.INTERNAL_SERVER_ERROR:
                status = 0  # the client has not received the framework's 500
            self.observer(Note("http.client_left"))
        except Exception as error:  # noqa: BLE001 - outermost: counted, logged by its class and location
            fields = {**fault(error), **locations(error.__traceback__)}
            self.observer(Note("error.unexpected", "error", {"where": "door"}, fields=fields))
            if not status:
                await problem(INTERNAL_ERROR, scope)(scope, receive, send_and_note_status)
        finally:
            route = getattr(scope.get("route"), "path_format", "none")
            labels = {"route": route, "status": str(status)}
            self.observer(Note("http.answered", labels=labels, value=time.monotonic() - started))
