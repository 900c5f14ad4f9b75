"""Maps providers' error answers to the project's error tree, by status and structured code. Pure.

A provider's message decides only where there is no code (error_phrases.py): 400 or 403 for an empty account, 400 for a
prompt that is too long. Our own messages name the provider, the status and the provider's code, never the body, which
may quote the prompt.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from contracts import errors
from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from providers.answers import error_phrases
from providers.answers.fields import UNKNOWN_USAGE

#: The form of a code. Anything else may be free text, or a quotation of the request, even a key, and is left out.
_CODE = re.compile(r"(?=.{1,64}$)[A-Za-z]+(?:[_.-][A-Za-z]+)*")

#: The form of a request id.
_REQUEST_ID = re.compile(r"[A-Za-z0-9][\w.:-]{0,99}")

#: ErrorCodes for an account without credit, as providers and gateways in front of them spell them.
_SPEND = frozenset(
    {
        "billing_disabled",
        "billing_error",
        "billing_hard_limit_reached",
        "billing_limit_user_error",
        "billing_not_active",
        "contract_spend_limit_reached",
        "credit_balance_exhausted",
        "credit_balance_too_low",
        "enforced_spend_limit_reached",
        "insufficient_balance",
        "insufficient_credit",
        "insufficient_credits",
        "insufficient_funds",
        "insufficient_quota",
        "linked_organization_spend_limit_reached",
        "organization_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "payment_required",
        "project_spend_limit_exceeded",
        "spend_limit_exceeded",
        "spend_limit_reached",
    }
)

#: Status of an error that names no status and no known code.
UNNAMED = 500

#: HTTP statuses by code, for an error within an answer of status 200 that names no status. The codes are the error
#: types of Anthropic, OpenAI and OpenRouter, and Google's canonical codes, in lower case.
_STATUS = {
    "aborted": 409,
    "api_error": 500,
    "authentication": 401,
    "authentication_error": 401,
    "cancelled": 499,
    "conflict_error": 409,
    "deadline_exceeded": 504,
    "failed_precondition": 400,
    "internal": 500,
    "invalid_argument": 400,
    "invalid_request": 400,
    "invalid_request_error": 400,
    "not_found": 404,
    "not_found_error": 404,
    "overloaded": 529,
    "overloaded_error": 529,
    "payload_too_large": 413,
    "permission_denied": 403,
    "permission_error": 403,
    "provider_overloaded": 529,
    "provider_unavailable": 503,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "request_too_large": 413,
    "resource_exhausted": 429,
    "server_error": 500,
    "slow_down": 429,
    "timeout": 504,
    "timeout_error": 504,
    "unauthenticated": 401,
    "unavailable": 503,
}
#: Error classes of particular statuses; for all others, the first digit of the status decides.
_CLASSES: dict[int, type[UmpireError]] = {
    401: errors.ProviderMisconfigured,
    403: errors.ModelForbidden,
    404: errors.InvalidConfig,
    408: errors.ProviderTimeout,
    # 409, 425, 499: the call was not processed: a conflict with another one, too early, or cancelled by a proxy.
    409: errors.ProviderConflict,
    413: errors.ContentTooLong,
    425: errors.ProviderConflict,
    429: errors.ProviderRateLimited,
    499: errors.ProviderConflict,
    502: errors.ProviderUnavailable,
    503: errors.ProviderUnavailable,
    504: errors.ProviderTimeout,
    529: errors.ProviderUnavailable,
}


@dataclass(frozen=True, slots=True)
class ErrorCodes:
    """A provider's structured codes that are more precise than its status."""

    spend: frozenset[str] = frozenset()
    too_long: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    credentials: frozenset[str] = frozenset()
    unavailable: frozenset[str] = frozenset()
    rate: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """A provider's error answer."""

    provider: LLMProviderType
    status: int
    #: The provider's codes, from the most to the least precise. They come from a body, so they may be anything.
    codes: tuple[object, ...] = ()
    request_id: str | None = None
    retry_after: float | None = None
    #: The provider's message: compared with known phrases, never shown.
    message: str = field(default="", repr=False)


def error_of_answer(error: ErrorAnswer, known: ErrorCodes) -> UmpireError:
    """The error for an error answer of a provider."""
    named = tuple(code for code in error.codes if isinstance(code, str) and _CODE.fullmatch(code))
    kind = _kind(error.status, frozenset(named), known, error.message)
    details: dict[str, Any] = {"provider": error.provider.value, "status_code": error.status}
    if named:
        details["provider_code"] = named[0]
    if error.request_id and _REQUEST_ID.fullmatch(error.request_id):
        details["provider_request_id"] = error.request_id
    message = f"{error.provider.value} answered {error.status}" + (f" ({named[0]})" if named else "")
    return kind(message, retry_after=error.retry_after if kind.retryable else None, **details)


def status_of(codes: tuple[object, ...]) -> int:
    """The HTTP status that usually goes with the first known one of these codes; 500 if none is known."""
    found = (_STATUS.get(code.lower()) for code in codes if isinstance(code, str))
    return next((status for status in found if status), UNNAMED)


def _kind(  # noqa: PLR0911 - a table
    status: int, codes: frozenset[str], known: ErrorCodes, message: str
) -> type[UmpireError]:
    lower = frozenset(code.lower() for code in codes)
    if codes & known.spend or lower & _SPEND or status == 402:  # noqa: PLR2004 - Payment Required
        return errors.SpendLimitReached
    if codes & known.credentials:
        return errors.ProviderMisconfigured
    if codes & known.too_long:
        return errors.ContentTooLong
    if codes & known.refused:
        return errors.InvalidPrompt
    if named := error_phrases.class_by_phrase(status, lower, message):
        return named
    if codes & known.rate:
        return errors.ProviderRateLimited
    if codes & known.unavailable:
        return errors.ProviderUnavailable
    return _by_status(status)


def _by_status(status: int) -> type[UmpireError]:
    if status in _CLASSES:
        return _CLASSES[status]
    if 300 <= status < 400:  # noqa: PLR2004 - a redirect is not followed: the base URL is wrong
        return errors.ProviderMisconfigured
    return errors.ProviderRejected if 400 <= status < 500 else errors.ProviderServerError  # noqa: PLR2004


def unreadable_answer(provider: LLMProviderType, reason: str = "malformed_body") -> UmpireError:
    """The error for an unreadable answer. The answer was perhaps billed, so its cost is unknown."""
    message = _UNREADABLE[reason].format(provider.value)
    error = errors.ParsingError(message, provider=provider.value, reason=reason)
    error.usage = UNKNOWN_USAGE
    return error


#: Messages by `details.reason`.
_UNREADABLE = {
    "malformed_body": "{} sent a body that cannot be read",
    "too_large": "{} sent a body that is larger than any answer",
    "encoding": "{} sent a body in an encoding that was not asked for",
    "headers_too_large": "{} sent headers that are too large",
}
