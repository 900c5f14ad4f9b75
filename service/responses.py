"""Turns a result event into the HTTP answer for a client that waited for it."""

from pydantic import ValidationError
from starlette.responses import Response
from starlette.types import Scope

from contracts.encoding import dumps
from contracts.enums import LLMErrorCode
from contracts.errors import UmpireError
from contracts.events import ErrorDetail, EventEnvelope, LLMComparisonResultV1
from contracts.http import LLMComparisonResponse
from ledger.request import StoredRequest
from telemetry.observer import Note, Observer
from web.problem import error_class, problem

JSON = "application/json"

_CODES = frozenset(code.value for code in LLMErrorCode)

#: Entries of an event's details that have fields of their own in a problem.
_PROBLEM_FIELDS = frozenset({"message", "retry_after", "is_retryable"})


def read_result(event: bytes, observer: Observer) -> LLMComparisonResultV1 | None:
    """None if only a newer version can read the event: the client gets the result from the callback topic."""
    try:
        return EventEnvelope[LLMComparisonResultV1].model_validate_json(event).data
    except ValidationError:
        observer(Note("row.unknown", "warning", {"kind": "answer"}))
        return None


def result_response(
    result: LLMComparisonResultV1, stored: StoredRequest, scope: Scope, headers: dict[str, str]
) -> Response:
    """200 with the verdict, or the typed problem that the comparison ended in."""
    if result.error_detail is not None:
        return problem(error_of(result.error_detail), scope, headers=headers)
    body = LLMComparisonResponse.model_validate(
        {
            **result.model_dump(exclude={"request_metadata", "cost_estimate"}),
            "queue_id": stored.queue_id,
            "cost_estimate": _cost(result, stored),
            "metadata": result.request_metadata,
        }
    )
    return Response(dumps(body), 200, headers, JSON)


def error_of(detail: ErrorDetail) -> UmpireError:
    """The error of a result event. If consumers on Kafka do not know its code, the precise one is in `reason`."""
    reason = detail.details.get("reason")
    code = LLMErrorCode(reason) if isinstance(reason, str) and reason in _CODES else detail.error_code
    kind = error_class(code, retryable=detail.details.get("is_retryable"))
    wait = detail.details.get("retry_after")
    details = {name: value for name, value in detail.details.items() if name not in _PROBLEM_FIELDS}
    return kind(detail.message, retry_after=wait if isinstance(wait, int | float) else None, **details)


def _cost(result: LLMComparisonResultV1, stored: StoredRequest) -> float | None:
    """In USD. None if the price is unknown: the event then has a cost of 0, and `cost_known` false.

    If the caller's own metadata has a `cost_known`, the event keeps the caller's value, and a cost of 0 counts as
    unknown.
    """
    if "cost_known" in stored.request.metadata:
        return result.cost_estimate or None
    return result.cost_estimate if result.request_metadata.get("cost_known", True) else None
