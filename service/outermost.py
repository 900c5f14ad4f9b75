"""The outermost loop of every request: what nobody expected becomes a 500 without a traceback, and all is counted."""

import time
from http import HTTPStatus

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problem import problem, unexpected
from telemetry.fault import fault, locations
from telemetry.observer import Note, Observer


class Outermost:
    """ASGI middleware, around the framework's own. Unlike that it does not raise again: the server would log the
    exception's text, which may quote what was being handled.
    """

    def __init__(self, app: ASGIApp, observer: Observer) -> None:
        self._app = app
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # As GET, for all routes alike; the server, which keeps the scope it made, leaves the body out.
            scope = {**scope, "method": "GET"}
        started = time.monotonic()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except ClientDisconnect:
            if status == HTTPStatus.INTERNAL_SERVER_ERROR:
                status = 0  # which the framework said to nobody
            self._observer(Note("door.client_left"))
        except Exception as error:  # noqa: BLE001 - the outermost loop: counted, logged by its class and place
            self._unexpected(error)
            if not status:
                await problem(unexpected(), scope)(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path_format", "none")
            labels = {"route": route, "status": str(status)}
            self._observer(Note("door.answered", labels=labels, value=time.monotonic() - started))

    def _unexpected(self, error: Exception) -> None:
        fields = {**fault(error), **locations(error.__traceback__)}
        self._observer(Note("error.unexpected", "error", {"where": "door"}, fields=fields))
