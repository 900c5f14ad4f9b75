"""Exception handlers: turn errors into HTTP answers."""

from collections.abc import Sequence
from http import HTTPStatus

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from contracts.errors import ContentTooLong, InvalidRequest, MethodNotAllowed, NotFound, UmpireError
from telemetry.observer import Note, Observer
from web.asgi import ErrorHandler
from web.problem import problem, unexpected
from web.validation import refusal

_BY_STATUS: dict[int, type[UmpireError]] = {
    404: NotFound,
    405: MethodNotAllowed,
    413: ContentTooLong,
}


async def on_invalid_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    return problem(refusal(error.errors()), request.scope)


async def on_unexpected(request: Request, _error: Exception) -> Response:
    """The framework raises the error again afterwards; web/asgi.py counts and logs it."""
    return problem(unexpected(), request.scope)


def _allowed(request: Request, routes: Sequence[BaseRoute]) -> list[str]:
    """Methods of all routes with this path; the framework names those of the first one only."""
    methods: set[str] = {"OPTIONS"}
    for route in routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= set(route.methods or ())
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def make_handlers(observer: Observer, routes: Sequence[BaseRoute]) -> dict[type[Exception], ErrorHandler]:
    """`routes`: all of the application, for the `Allow` header of a 405."""

    async def on_umpire_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, UmpireError)  # noqa: S101 - registered for it
        observer(Note("door.refused", labels={"error_code": error.code.value}))
        return problem(error, request.scope)

    async def on_http_exception(request: Request, error: Exception) -> Response:
        """Errors that the framework raises itself."""
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_allowed(request, routes))
            if request.method == "OPTIONS":
                return Response(status_code=204, headers=headers)
        kind = _BY_STATUS.get(error.status_code, InvalidRequest)
        status = None if kind.status == error.status_code else error.status_code
        return problem(kind(error.detail), request.scope, status=status, headers=headers)

    return {
        UmpireError: on_umpire_error,
        RequestValidationError: on_invalid_parameters,
        HTTPException: on_http_exception,
    }
