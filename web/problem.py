"""Errors as HTTP answers: RFC 9457 problem details, one format for every 4xx and 5xx."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from http import HTTPStatus
from math import ceil
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

from starlette.responses import Response
from starlette.types import Scope

from access.request_rate import POLICIES, exhausted_header
from contracts.clock import utcnow
from contracts.encoding import dumps
from contracts.enums import LLMErrorCode
from contracts.errors import InternalError, UmpireError
from contracts.events import SERVICE_NAME
from contracts.http import Problem

MEDIA_TYPE = "application/problem+json"

#: Keys in the ASGI scope, where a route stores the ids that a later problem must carry.
CORRELATION_ID = "umpire.correlation_id"
QUEUE_ID = "umpire.queue_id"

#: `Retry-After` in seconds, if waiting helps and the time is unknown.
DEFAULT_RETRY_AFTER = 5.0

#: The error for an unexpected exception. It holds no detail of that.
INTERNAL_ERROR = InternalError("Internal error. Search the log for this correlation id.")

#: Longest path that `instance` repeats, in bytes: it comes from the caller and may have any length.
_MAX_INSTANCE = 200


def type_uri(error: type[UmpireError]) -> str:
    """A stable, relative URI; its last part is the error's heading in docs/errors.md."""
    return "/problems/" + re.sub(r"(?<!^)(?=[A-Z])", "-", error.__name__).lower()


@cache
def error_class(code: LLMErrorCode, *, retryable: bool | None = None) -> type[UmpireError]:
    """The first class of the error tree with this code; of several, the first with this `retryable`."""
    known = [one for one in error_tree() if one.code is code and one is not UmpireError]
    matching = [one for one in known if one.retryable is retryable]
    return next(iter(matching or known), UmpireError)


def error_tree(root: type[UmpireError] = UmpireError) -> Iterator[type[UmpireError]]:
    """`root` and all classes below it, as the tree in contracts/errors.py has them."""
    yield root
    for child in root.__subclasses__():
        yield from error_tree(child)


def retry_after(error: UmpireError) -> int | None:
    """Whole seconds, at least 1; None if waiting does not help."""
    if not error.retryable and error.retry_after is None:
        return None
    return max(1, ceil(DEFAULT_RETRY_AFTER if error.retry_after is None else error.retry_after))


def problem_of(
    error: UmpireError, scope: Scope, *, status: int | None = None, correlation_id: UUID | None = None
) -> Problem:
    """The body of the answer to a request that ended in `error`, or of a part of it. `status`: in place of the error's
    own; the title is its phrase.
    """
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    kind = type(error)
    return Problem(
        type=type_uri(kind),
        title=kind.title if status is None else HTTPStatus(status).phrase,
        status=status or kind.status,
        detail=error.message,
        instance=quote(raw_path[:_MAX_INSTANCE], safe="/%:@!$&'()*+,;=-._~"),
        error=error.message,
        error_code=kind.code,
        message=error.message,
        correlation_id=correlation_id or scope.get(CORRELATION_ID) or uuid4(),
        timestamp=utcnow(),
        service=SERVICE_NAME,
        operation=getattr(scope.get("endpoint"), "__name__", "route"),
        details=error.details,
        is_retryable=kind.retryable,
        queue_id=scope.get(QUEUE_ID),
    )


def problem(
    error: UmpireError,
    scope: Scope,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, Any] | None = None,
) -> Response:
    """The answer to a request that ended in `error`. `members`: further fields of the body."""
    body = problem_of(error, scope, status=status)
    wait = retry_after(error)
    sent = {**(headers or {}), **({"Retry-After": str(wait)} if wait is not None else {})}
    if wait is not None and body.status == HTTPStatus.TOO_MANY_REQUESTS and error.details.get("limit") in POLICIES:
        sent["RateLimit"] = exhausted_header(error.details["limit"], wait)
    content = dumps({**body.model_dump(mode="json", exclude_none=True), **(members or {})})
    return Response(content, body.status, sent, MEDIA_TYPE)
