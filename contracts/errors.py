"""The one error tree.

UmpireError
├── InvalidRequest            the body, a header or a parameter is not what the contract says
│   ├── InvalidPrompt         the prompt itself (also: the provider refused to judge it)
│   ├── InvalidConfig         unknown, shut-down or disabled provider or model
│   ├── ContentTooLong        body or prompt over its limit, or over the model's context window
│   ├── IdempotencyConflict   its Idempotency-Key was used with another body
│   ├── CallbackTopicMissing
│   └── InvalidCallbackTopic  malformed, or outside the operator's allow-list
├── AuthenticationFailed      no API key, or none that is known here
├── PermissionDenied          the key may not do this
├── QuotaExceeded             the key's own limit, of its rate or of what it has unfinished, is used up for now
├── CostLimitReached          the key has reached its cost limit for today
├── NotFound                  no such path, or nothing by this name
├── MethodNotAllowed
├── Unavailable               Redis is unavailable: nothing was accepted
├── QueueFull                 accepted work is at its limit
├── InternalError             a fault of ours
├── TooLate                   it has started, or has ended
├── RequestCancelled          its caller no longer wants it
├── RequestExpired            its time to live ran out before a provider could answer
└── ProviderError             what a call to a provider can end in
    ├── ProviderUnavailable   connection refused or lost, 502, 503, 529
    ├── ProviderServerError   500 and other 5xx
    ├── ProviderTimeout       no whole answer within the deadline; 408, 504
    ├── ProviderRateLimited   429 that passes by waiting
    ├── ProviderConflict      409, 425, 499: another call may succeed
    ├── ProviderRejected      another 4xx: the same call would be refused again
    ├── ProviderMisconfigured bad key: the operator has to act; holds the provider
    │   └── ModelForbidden    403: the account may not use this model; holds the model only
    ├── SpendLimitReached     the account's budget is used up; holds the provider
    ├── ProviderOnHold        refused at the door: an operator paused the provider
    │   ├── MisconfiguredHold     … or its key was rejected
    │   └── SpendLimitHold        … or its account's budget is used up
    └── AnswerError           an answer came, and was perhaps paid, but holds no verdict
        ├── ParsingError      not the JSON that was asked for
        └── InvalidResponse   JSON, but no verdict by our rules; or cut off

Each class knows its code on the wire, its HTTP status, whether a client may try again (`retryable`), and, for provider
errors, whether another call could help (`permanent`), whether it speaks of the provider's health (`trips`), and
whether it is the account's fault and puts the provider on hold (`hold`).
`retry_after` (seconds) is carried by the instance. Messages hold no essay, no prompt and no key.
"""

from typing import Any, ClassVar

from contracts.enums import HoldReason, LLMErrorCode


class UmpireError(Exception):
    code: ClassVar[LLMErrorCode] = LLMErrorCode.INTERNAL_ERROR
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False
    #: Usage (providers/base.py) of an answer with status 200 that reports this error: it may have been billed. None:
    #: there was no such answer. Never on the wire.
    usage: Any = None

    def __init__(self, message: str, *, retry_after: float | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.details = details

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.retry_after, self.details)


def _rebuild(cls: type[UmpireError], message: str, retry_after: float | None, details: dict[str, Any]) -> UmpireError:
    return cls(message, retry_after=retry_after, **details)


class InvalidRequest(UmpireError):
    code = LLMErrorCode.INVALID_CONFIG
    status = 422
    title = "Invalid request"


class InvalidPrompt(InvalidRequest):
    code = LLMErrorCode.INVALID_PROMPT
    title = "Invalid prompt"


class InvalidConfig(InvalidRequest):
    code = LLMErrorCode.INVALID_CONFIG
    title = "Invalid configuration"


class ContentTooLong(InvalidRequest):
    code = LLMErrorCode.CONTENT_TOO_LONG
    status = 413
    title = "Content too long"


class IdempotencyConflict(InvalidRequest):
    code = LLMErrorCode.IDEMPOTENCY_CONFLICT
    title = "Idempotency key used before"


class CallbackTopicMissing(InvalidRequest):
    code = LLMErrorCode.CALLBACK_TOPIC_MISSING
    title = "Callback topic missing"


class InvalidCallbackTopic(InvalidRequest):
    code = LLMErrorCode.INVALID_CALLBACK_TOPIC
    title = "Invalid callback topic"


class AuthenticationFailed(UmpireError):
    code = LLMErrorCode.AUTHENTICATION_FAILED
    status = 401
    title = "Authentication failed"


class PermissionDenied(UmpireError):
    code = LLMErrorCode.AUTHENTICATION_FAILED
    status = 403
    title = "Permission denied"


class QuotaExceeded(UmpireError):
    code = LLMErrorCode.QUOTA_EXCEEDED
    status = 429
    title = "Quota exceeded"
    retryable = True


class CostLimitReached(UmpireError):
    code = LLMErrorCode.COST_LIMIT_EXCEEDED
    status = 429
    title = "Cost limit reached"
    retryable = True


class NotFound(UmpireError):
    code = LLMErrorCode.INVALID_CONFIG
    status = 404
    title = "Not found"


class MethodNotAllowed(UmpireError):
    code = LLMErrorCode.INVALID_CONFIG
    status = 405
    title = "Method not allowed"


class Unavailable(UmpireError):
    code = LLMErrorCode.INTERNAL_ERROR
    status = 503
    title = "Service unavailable"
    retryable = True


class QueueFull(UmpireError):
    code = LLMErrorCode.QUEUE_FULL
    status = 503
    title = "Queue at capacity"
    retryable = True


class InternalError(UmpireError):
    code = LLMErrorCode.INTERNAL_ERROR
    status = 500
    title = "Internal error"


class TooLate(UmpireError):
    code = LLMErrorCode.INVALID_CONFIG
    status = 409
    title = "Too late"


class RequestCancelled(UmpireError):
    code = LLMErrorCode.REQUEST_CANCELLED
    status = 409
    title = "Request cancelled"


class RequestExpired(UmpireError):
    code = LLMErrorCode.REQUEST_EXPIRED
    status = 504
    title = "Request expired"
    retryable = True


class ProviderError(UmpireError):
    code = LLMErrorCode.PROVIDER_API_ERROR
    status = 502
    title = "Provider error"
    #: Another call of the same request cannot help.
    permanent: ClassVar[bool] = False
    #: A sign that the provider is unhealthy: the circuit breaker counts it.
    trips: ClassVar[bool] = False
    #: A fault of the account, not of the request: the provider is put on hold for this reason.
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
    """The provider refuses the account this model (403). Holds the model; other models of the provider go on."""

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
    """No call was made: the door refuses. `details.hold` says why the provider is on hold."""

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
    """An answer without a verdict. It gets one more attempt, is never deferred, and its tokens are counted."""

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
    """True when another call of the same request cannot help."""
    return error.permanent if isinstance(error, ProviderError) else not error.retryable
