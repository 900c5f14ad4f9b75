"""Errors that a provider reports inside an answer with status 200: by their structured codes. Pure."""

from dataclasses import replace
from typing import Any

from contracts.errors import UmpireError
from providers import failure
from providers.base import Completion, StopReason
from providers.failure import Answered, Codes
from providers.reading import mapping, text
from providers.verdict import holds_verdict

#: Status of an error that names none.
UNNAMED = 500

#: What the providers' named kinds of error have as their status elsewhere.
_STATUS_OF = {
    # Anthropic
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504,
    "overloaded_error": 529,
    # Google
    "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "ABORTED": 409, "ALREADY_EXISTS": 409, "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499, "INTERNAL": 500, "UNKNOWN": 500, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
    # OpenAI
    "server_error": 500, "rate_limit_exceeded": 429, "model_not_found": 404, "invalid_api_key": 401,
}  # fmt: skip

_LEAST_STATUS, _MOST_STATUS = 400, 599


def is_error(value: Any) -> bool:
    """Whether an answer's `error` field says anything: null and what is empty do not."""
    return isinstance(value, dict | str) and bool(value)


def error_of(
    value: Any,
    known: Codes,
    asked: Answered,
    *,
    more_codes: tuple[object, ...] = (),
) -> UmpireError:
    """What an error object means. `asked`: the provider, what the headers say, and the status of the HTTP answer, where
    it is one of an error; 0: the object's own.

    `value` may be an object with `code`, `type`, `status` and `message` of any kind, or a text, which is not read.
    """
    error = mapping(value)
    named = [error.get(name) for name in ("code", "type", "status")]
    codes = (*more_codes, *(one for one in named if isinstance(one, str) and not one.isdigit()))
    status = asked.status or next((found for one in named if (found := _status(one))), 0)
    if not status:
        status = next((_STATUS_OF[code] for code in codes if isinstance(code, str) and code in _STATUS_OF), UNNAMED)
    return failure.answered(
        Answered(asked.provider, status, codes, asked.request_id, asked.retry_after, text(error.get("message"))), known
    )


def _status(value: Any) -> int | None:
    """An HTTP status that is given as a number, or a quoted one."""
    if isinstance(value, str) and value.isdigit() and len(value) == len("500"):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if _LEAST_STATUS <= value <= _MOST_STATUS else None


def settled(completion: Completion, *, error: UmpireError | None = None, refused: bool = False) -> Completion:
    """The completion, or what stood beside its text: an error, or a refusal. A verdict that can be read is one,
    whatever else the answer says.

    Raises
    ------
    UmpireError
        `error`, with the tokens of the answer that it came in.
    """
    if (error is None and not refused) or holds_verdict(completion):
        return completion
    if error is None:
        return replace(completion, stop_reason=StopReason.REFUSAL)
    usage = completion.usage
    if usage.input_tokens or usage.output_tokens:
        error.usage = usage
    raise error
