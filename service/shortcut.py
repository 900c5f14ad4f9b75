"""Calls the hot path's endpoint directly: the framework around it would cost as much CPU as admission does."""

from collections.abc import Awaitable, Callable, Mapping

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]


class Shortcut:
    """ASGI middleware for one POST route without parameters, whose endpoint takes the Request, returns the Response.

    The route stays registered for everything else: OpenAPI, other methods, an application below a root path.
    """

    def __init__(self, app: ASGIApp, route: APIRoute, handlers: Mapping[type[Exception], ErrorHandler]) -> None:
        self._app = app
        self._route = route
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._route
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != route.path:
            await self._app(scope, receive, send)
            return
        scope["route"], scope["endpoint"] = route, route.endpoint
        request = Request(scope, receive, send)
        try:
            response = await route.endpoint(request)
        except tuple(self._handlers) as error:
            kind = next(one for one in type(error).__mro__ if one in self._handlers)
            response = await self._handlers[kind](request, error)
        await response(scope, receive, send)
