"""Maps providers' error answers to the project's error tree, by status and structured code. Pure.

A provider's message decides only where there is no code (error_phrases.py): 400 or 403 for an empty account, 400 for a
prompt that is too long. Our own messages name the provider, the status and the provider's code, never the body, which
may quote the prompt.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from contracts import errors
from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from providers.answers import error_phrases
from providers.answers.error_object import ErrorObject, parse_error_object
from providers.answers.fields import UNKNOWN_USAGE
from providers.answers.response_headers import RateNames, retry_after
from providers.answers.verdict import holds_verdict
from providers.base import ProviderAnswer, StopReason

#: The form of a code. Anything else may be free text, or a quotation of the request, even a key, and is left out.
_CODE = re.compile(r"(?=.{1,64}$)[A-Za-z]+(?:[_.-][A-Za-z]+)*")

#: The form of a request id.
_REQUEST_ID = re.compile(r"[A-Za-z0-9][\w.:-]{0,99}")

#: Codes for an account without credit, as providers and gateways in front of them spell them.
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

#: For an error within an answer of status 200 that names no status: the codes of each HTTP status, in lower case. They
#: are the error types of Anthropic, OpenAI and OpenRouter, and Google's canonical codes.
_CODES_OF_STATUS: dict[int, tuple[str, ...]] = {
    400: ("failed_precondition", "invalid_argument", "invalid_request", "invalid_request_error"),
    401: ("authentication", "authentication_error", "unauthenticated"),
    403: ("permission_denied", "permission_error"),
    404: ("not_found", "not_found_error"),
    409: ("aborted", "conflict_error"),
    413: ("payload_too_large", "request_too_large"),
    429: ("rate_limit_error", "rate_limit_exceeded", "resource_exhausted", "slow_down"),
    499: ("cancelled",),
    500: ("api_error", "internal", "server_error"),
    503: ("provider_unavailable", "unavailable"),
    504: ("deadline_exceeded", "timeout", "timeout_error"),
    529: ("overloaded", "overloaded_error", "provider_overloaded"),
}
_STATUS = {code: status for status, codes in _CODES_OF_STATUS.items() for code in codes}

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
class ErrorFormat:
    """How a provider reports errors: its headers, and the structured codes that are more precise than its status."""

    provider: LLMProviderType
    #: Name of the header with the request id; empty: there is none.
    request_id: str = ""
    rates: RateNames | None = None
    too_long: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    credentials: frozenset[str] = frozenset()
    unavailable: frozenset[str] = frozenset()
    rate: frozenset[str] = frozenset()


def error_of_object(value: Any, known: ErrorFormat, headers: Mapping[str, str], status: int = 0) -> UmpireError:
    """The error for the `error` of a provider's answer. `status`: the answer's, if it is an error status; 0: the error
    came in an answer of status 200, and its own status counts.
    """
    reported = parse_error_object(value) or ErrorObject()
    status = status or reported.status or status_of(reported.codes)
    named = tuple(code for code in reported.codes if _CODE.fullmatch(code))
    kind = _kind(status, frozenset(named), known, reported.message)
    provider = known.provider.value
    details: dict[str, Any] = {"provider": provider, "status_code": status}
    if named:
        details["provider_code"] = named[0]
    request_id = headers.get(known.request_id, "")
    if _REQUEST_ID.fullmatch(request_id):
        details["provider_request_id"] = request_id
    message = f"{provider} answered {status}" + (f" ({named[0]})" if named else "")
    wait = retry_after(headers, known.rates) if reported.retry_after is None else reported.retry_after
    return kind(message, retry_after=wait if kind.retryable else None, **details)


def status_of(codes: tuple[str, ...]) -> int:
    """The HTTP status that usually goes with the first known one of these codes; 500 if none is known."""
    return next((_STATUS[code.lower()] for code in codes if code.lower() in _STATUS), UNNAMED)


def _kind(  # noqa: PLR0911 - a table
    status: int, codes: frozenset[str], known: ErrorFormat, message: str
) -> type[UmpireError]:
    lower = frozenset(code.lower() for code in codes)
    if lower & _SPEND or status == 402:  # noqa: PLR2004 - Payment Required
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


def is_error(value: Any) -> bool:
    """Whether an answer's `error` field reports an error: null and empty values do not."""
    return parse_error_object(value) is not None


def answer_or_raise(
    completion: ProviderAnswer, *, error: UmpireError | None = None, refused: bool = False
) -> ProviderAnswer:
    """The completion of an answer that also reported an error or a refusal. A readable verdict wins over both; without
    one, a refusal becomes the stop reason, and an error is raised.

    Raises
    ------
    UmpireError
        `error`, with the usage of the answer that reported it.
    """
    if (error is None and not refused) or holds_verdict(completion):
        return completion
    if error is None:
        return replace(completion, stop_reason=StopReason.REFUSAL)
    usage = completion.usage
    # An answer with text or tokens was perhaps billed.
    if completion.text or usage.input_tokens or usage.output_tokens:
        error.usage = usage
    raise error
