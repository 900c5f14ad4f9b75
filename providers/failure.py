"""From what a provider's SDK raises to the project's error tree: by type, status and structured code.

By text only where providers have no code for it: a 400 or 403 for an empty account, a 400 for a prompt that is too long
(providers/phrases.py). Messages name the provider, the status and the provider's own code. Never the body: it may quote
the prompt.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from contracts import errors
from contracts.enums import LLMProviderType
from contracts.errors import UmpireError
from providers import phrases
from providers.bounded import UnreadableBody
from providers.reading import UNKNOWN_USAGE

#: What a code looks like. Anything else may be free text, or what the provider was sent, a key even, and is left out.
_CODE = re.compile(r"(?=.{1,64}$)[A-Za-z]+(?:[_.-][A-Za-z]+)*")

#: And a request id.
_REQUEST_ID = re.compile(r"[A-Za-z0-9][\w.:-]{0,99}")

#: An empty account, in every provider's spelling and in lower case.
SPEND_CODES = frozenset(
    {
        "billing_disabled", "billing_error", "billing_hard_limit_reached", "billing_not_active",
        "contract_spend_limit_reached", "credit_balance_too_low", "enforced_spend_limit_reached",
        "insufficient_balance", "insufficient_credit", "insufficient_credits", "insufficient_funds",
        "insufficient_quota", "linked_organization_spend_limit_reached", "payment_required", "spend_limit_exceeded",
        "spend_limit_reached",
    }
)  # fmt: skip

_UNAVAILABLE = frozenset({502, 503, 529})
_TIMED_OUT = frozenset({408, 504})


@dataclass(frozen=True, slots=True)
class Codes:
    """A provider's structured codes that say more than its status does."""

    spend: frozenset[str] = frozenset()
    too_long: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    credentials: frozenset[str] = frozenset()
    unavailable: frozenset[str] = frozenset()
    rate: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Answered:
    """An error that the provider answered with."""

    provider: LLMProviderType
    status: int
    #: The provider's codes, from the most to the least precise; out of a body, so they may be anything.
    codes: tuple[object, ...] = ()
    request_id: str | None = None
    retry_after: float | None = None
    #: The provider's own message: looked at, and never told.
    message: str = field(default="", repr=False)


def answered(error: Answered, known: Codes) -> UmpireError:
    """The error class for an answer with an error status."""
    named = tuple(code for code in error.codes if isinstance(code, str) and _CODE.fullmatch(code))
    kind = _kind(error.status, frozenset(named), known, error.message)
    details: dict[str, Any] = {"provider": error.provider.value, "status_code": error.status}
    if named:
        details["provider_code"] = named[0]
    if error.request_id and _REQUEST_ID.fullmatch(error.request_id):
        details["provider_request_id"] = error.request_id
    message = f"{error.provider.value} answered {error.status}" + (f" ({named[0]})" if named else "")
    return kind(message, retry_after=error.retry_after if kind.retryable else None, **details)


def _kind(  # noqa: PLR0911 - a table
    status: int, codes: frozenset[str], known: Codes, message: str
) -> type[UmpireError]:
    if codes & known.spend or {code.lower() for code in codes} & SPEND_CODES or status == 402:  # noqa: PLR2004 - Payment Required
        return errors.SpendLimitReached
    if status in {400, 403} and phrases.names_spending(message):
        return errors.SpendLimitReached
    if codes & known.credentials:
        return errors.ProviderMisconfigured
    if codes & known.too_long:
        return errors.ContentTooLong
    if codes & known.refused:
        return errors.InvalidPrompt
    if codes & known.rate:
        return errors.ProviderRateLimited
    if codes & known.unavailable:
        return errors.ProviderUnavailable
    if status == 400 and phrases.names_length(message):  # noqa: PLR2004 - Bad Request
        return errors.ContentTooLong
    return _by_status(status)


def _by_status(status: int) -> type[UmpireError]:  # noqa: C901, PLR0911 - a table
    match status:
        case 401:
            return errors.ProviderMisconfigured
        case 403:
            return errors.ModelForbidden
        case 404:
            return errors.InvalidConfig
        case 413:
            return errors.ContentTooLong
        case 409 | 425 | 499:
            return errors.ProviderConflict
        case 429:
            return errors.ProviderRateLimited
        case _ if status in _TIMED_OUT:
            return errors.ProviderTimeout
        case _ if status in _UNAVAILABLE:
            return errors.ProviderUnavailable
        case _ if 300 <= status < 400:  # noqa: PLR2004 - a redirect is not followed: the base URL is wrong
            return errors.ProviderMisconfigured
        case _ if 400 <= status < 500:  # noqa: PLR2004 - client errors
            return errors.ProviderRejected
    return errors.ProviderServerError


def timed_out(provider: LLMProviderType) -> UmpireError:
    return errors.ProviderTimeout(f"{provider.value} did not answer in time", provider=provider.value)


def unreachable(provider: LLMProviderType) -> UmpireError:
    return errors.ProviderUnavailable(f"No connection to {provider.value}", provider=provider.value)


def unreadable(provider: LLMProviderType, reason: str = "malformed_body") -> UmpireError:
    """An answer came, and was perhaps billed: what it cost is not known."""
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


def _unreadable_because(error: BaseException) -> str | None:
    import aiohttp
    from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

    match error:
        case UnreadableBody(reason=reason):
            return str(reason)
        case LineTooLong():
            return "headers_too_large"
        # aiohttp has no class of its own for too many of them.
        case BadHttpMessage() if "Too many headers" in str(error):
            return "headers_too_large"
        # A body that is not the JSON it says it is.
        case aiohttp.ContentTypeError():
            return "malformed_body"
    return None


def transport(provider: LLMProviderType, error: BaseException) -> UmpireError:
    """The error class for a call that got no whole answer: a transport's exception, or the SDK's wrapper of one.

    The innermost exception tells the truth: OpenAI's transport wraps a refused connection in a timeout.
    """
    import aiohttp
    import httpx2

    chain: list[BaseException] = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    for seen in reversed(chain):
        if isinstance(seen, TimeoutError | httpx2.TimeoutException):
            return timed_out(provider)
        if (reason := _unreadable_because(seen)) is not None:
            return unreadable(provider, reason)
        if isinstance(seen, OSError | aiohttp.ClientConnectionError | aiohttp.InvalidURL):
            return unreachable(provider)
        if isinstance(seen, ValueError):
            return unreadable(provider)
    return unreachable(provider)
