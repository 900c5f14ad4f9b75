"""Errors of a call to a provider. The tree in contracts/errors/__init__.py says what each means."""

from typing import ClassVar

from contracts.enums import HoldReason, LLMErrorCode
from contracts.errors.base import UmpireError


class ProviderError(UmpireError):
    """How a call to a provider can fail."""

    code = LLMErrorCode.PROVIDER_API_ERROR
    status = 502
    title = "Provider error"
    #: Whether another call for the same request cannot help.
    permanent: ClassVar[bool] = False
    #: Whether the circuit breaker counts it as a failure of the provider.
    trips: ClassVar[bool] = False
    #: If the account is at fault and not the request: the reason for which the provider is put on hold.
    hold: ClassVar[HoldReason | None] = None
    #: `failure_type` of LLMProviderFailureV1.
    failure_type: ClassVar[str] = "api_error"


class ProviderUnavailable(ProviderError):
    code = LLMErrorCode.PROVIDER_UNAVAILABLE
    status = 503
    title = "Provider unavailable"
    retryable = True
    trips = True
    failure_type = "service_unavailable"


class ProviderServerError(ProviderError):
    title = "Provider failed"
    retryable = True
    trips = True
    failure_type = "server_error"


class ProviderTimeout(ProviderError):
    code = LLMErrorCode.PROVIDER_TIMEOUT
    status = 504
    title = "Provider timed out"
    retryable = True
    trips = True
    failure_type = "timeout"


class ProviderRateLimited(ProviderError):
    code = LLMErrorCode.PROVIDER_RATE_LIMIT
    status = 503
    title = "Provider rate limit"
    retryable = True
    failure_type = "rate_limit"


class ProviderConflict(ProviderError):
    title = "Provider conflict"
    retryable = True
    failure_type = "conflict"


class ProviderRejected(ProviderError):
    title = "Provider rejected the call"
    permanent = True
    failure_type = "rejected"


class ProviderMisconfigured(ProviderError):
    code = LLMErrorCode.CONFIGURATION_ERROR
    status = 500
    title = "Provider misconfigured"
    permanent = True
    hold = HoldReason.MISCONFIGURED
    failure_type = "authentication"


class ModelForbidden(ProviderMisconfigured):
    """The provider answered 403: its account may not use this model. Puts the model on hold, not the provider."""

    title = "Model forbidden"
    failure_type = "permission"


class SpendLimitReached(ProviderError):
    code = LLMErrorCode.COST_LIMIT_EXCEEDED
    status = 503
    title = "Spend limit reached"
    permanent = True
    hold = HoldReason.SPEND_LIMIT
    failure_type = "spend_limit"


class ProviderOnHold(ProviderError):
    """The API refuses the request, because the provider is on hold; `details.hold` has the reason."""

    code = LLMErrorCode.PROVIDER_UNAVAILABLE
    status = 503
    title = "Provider on hold"
    retryable = True
    failure_type = "on_hold"


class MisconfiguredHold(ProviderOnHold):
    code = LLMErrorCode.CONFIGURATION_ERROR


class SpendLimitHold(ProviderOnHold):
    code = LLMErrorCode.COST_LIMIT_EXCEEDED


class AnswerError(ProviderError):
    """An answer without a verdict. It gets one more attempt and is never deferred; its tokens are counted."""

    title = "No verdict in the answer"
    failure_type = "invalid_answer"


class ParsingError(AnswerError):
    code = LLMErrorCode.PARSING_ERROR
    title = "Answer could not be parsed"
    failure_type = "parsing"


class InvalidResponse(AnswerError):
    code = LLMErrorCode.INVALID_RESPONSE
    title = "Answer is no valid verdict"
    failure_type = "invalid_response"


def is_permanent(error: UmpireError) -> bool:
    """Whether another call for the same request cannot help."""
    return error.permanent if isinstance(error, ProviderError) else not error.retryable
