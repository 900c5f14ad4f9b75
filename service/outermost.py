"""The error boundary around every request: unexpected errors become a 500 without a traceback; answers are counted."""

import time
from http import HTTPStatus

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problem import problem, unexpected
from telemetry.fault import fault, locations
from telemetry.observer import Note, Observer


class Outermost:
    """ASGI middleware around the framework's own. Unlike that, it does not raise the error again: the server would log
    its text, which may quote the request.
    """

    def __init__(self, app: ASGIApp, observer: Observer) -> None:
        self._app = app
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # Handled as GET on all routes; the server leaves the body out, by its own copy of the scope.
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
                status = 0  # the framework's 500 reached nobody
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
