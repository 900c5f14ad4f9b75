"""Turns exceptions into problems, and pydantic's findings into one typed error."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from contracts.errors import (
    CallbackTopicMissing,
    ContentTooLong,
    InvalidCallbackTopic,
    InvalidConfig,
    InvalidPrompt,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    UmpireError,
)
from telemetry.observer import Note, Observer
from web.problem import INTERNAL_ERROR, problem

ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]

#: Exceptions that are answered with a problem of their own. Others are faults of the service.
HANDLED: tuple[type[Exception], ...] = (UmpireError, RequestValidationError, HTTPException)

_BY_STATUS: dict[int, type[UmpireError]] = {404: NotFound, 405: MethodNotAllowed, 413: ContentTooLong}

_BY_FIELD: dict[str, type[InvalidRequest]] = {
    "callback_topic": InvalidCallbackTopic,
    "user_prompt": InvalidPrompt,
    "prompt_blocks": InvalidPrompt,
    "llm_config_overrides": InvalidConfig,
}

#: Most findings that an error lists; a body can have a million.
MAX_FINDINGS = 20
#: Longest field name that an error repeats, in characters: names come from the caller and may have any length.
MAX_NAME = 100


def error_handler(observer: Observer, routes: Sequence[BaseRoute]) -> ErrorHandler:
    """`routes`: all of the application, for the `Allow` header of a 405."""

    async def on_error(request: Request, error: Exception) -> Response:
        match error:
            case UmpireError():
                observer(Note("http.refused", labels={"error_code": error.code.value}))
                return problem(error, request.scope)
            case RequestValidationError():
                if _is_path_of_others(request, routes):
                    return _framework_error(request, HTTPException(HTTPStatus.METHOD_NOT_ALLOWED), routes)
                return problem(invalid_request(error.errors()), request.scope)
            case HTTPException():
                return _framework_error(request, error, routes)
        # The framework raises this error again afterwards; web/asgi.py counts and logs it.
        return problem(INTERNAL_ERROR, request.scope)

    return on_error


def _is_path_of_others(request: Request, routes: Sequence[BaseRoute]) -> bool:
    """Whether routes without parameters have this path, none of them for this method. The router then takes a part of
    the path for the parameter of another route.
    """
    exact = [one for one in routes if isinstance(one, Route) and one.path == request.scope["path"]]
    return bool(exact) and not any(request.method in (one.methods or ()) for one in exact)


def _framework_error(request: Request, error: HTTPException, routes: Sequence[BaseRoute]) -> Response:
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed_methods(request, routes))
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
    kind = _BY_STATUS.get(error.status_code, InvalidRequest)
    status = None if kind.status == error.status_code else error.status_code
    return problem(kind(error.detail), request.scope, status=status, headers=headers)


def _allowed_methods(request: Request, routes: Sequence[BaseRoute]) -> list[str]:
    """Methods of all routes with this path; the framework names those of the first one only. A route without parameters
    precedes those that have some.
    """
    found = [one for one in routes if isinstance(one, Route) and one.matches(request.scope)[0] is not Match.NONE]
    exact = [one for one in found if "{" not in one.path]
    methods = {"OPTIONS"}.union(*(one.methods or () for one in exact or found))
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def invalid_request(findings: Sequence[Mapping[str, Any]]) -> InvalidRequest:
    """One typed error that names the fields and never quotes their values. `findings`: pydantic's errors, without input
    and context. An error of the callback topic takes precedence.
    """
    first = next((one for one in findings if one["loc"][:1] == ("callback_topic",)), findings[0])
    kind = _BY_FIELD.get(str(first["loc"][0]), InvalidRequest) if first["loc"] else InvalidRequest
    what = first["msg"]
    if first["type"] == "extra_forbidden":
        kind, what = InvalidRequest, "unknown field"
    elif kind is InvalidCallbackTopic and first["type"] == "missing":
        kind = CallbackTopicMissing
    where = ".".join(str(_shortened(part)) for part in first["loc"])
    errors = [{"loc": [_shortened(part) for part in one["loc"]], "msg": one["msg"]} for one in findings[:MAX_FINDINGS]]
    return kind(f"{where}: {what}" if where else str(what), errors=errors)


def _shortened(part: str | int) -> str | int:
    return part if isinstance(part, int) or len(part) <= MAX_NAME else part[:MAX_NAME] + "…"
