"""The error tree: all errors that this project raises on purpose.

UmpireError
├── InvalidRequest            the body, a header or a parameter breaks the contract
│   ├── InvalidPrompt         invalid, or the provider refused to judge it
│   ├── InvalidConfig         unknown, shut-down or disabled provider or model
│   ├── ContentTooLong        body or prompt over a limit, or over the model's context window
│   ├── IdempotencyConflict   the Idempotency-Key was used before, with another body
│   ├── CallbackTopicMissing
│   └── InvalidCallbackTopic  malformed, or not allowed by the operator
├── AuthenticationFailed      no API key, or an unknown one
├── PermissionDenied          the API key may not do this
├── QuotaExceeded             the API key's request rate or number of unfinished requests is used up
├── CostLimitReached          the API key has spent its daily limit
├── NotFound                  no such path, or nothing with this id
├── MethodNotAllowed
├── Unavailable               Redis is unavailable: nothing was accepted
├── QueueFull                 accepted work is at its limit
├── InternalError             a fault of this service
├── TooLate                   the request has started or ended already
├── NotRedeliverable          the request has not ended, so it has no result that could be published again
├── NotKept                   the result of the request is not kept, or no longer
├── RequestCancelled          by the caller
├── RequestExpired            the time to live ended before the request was judged
└── ProviderError             how a call to a provider can fail
    ├── ProviderUnavailable   connection refused or lost, 502, 503, 529
    ├── ProviderServerError   500 and other 5xx
    ├── ProviderTimeout       no complete answer within the deadline; 408, 504
    ├── ProviderRateLimited   429: waiting helps
    ├── ProviderConflict      409, 425, 499: another call may succeed
    ├── ProviderRejected      another 4xx: the provider would refuse the same call again
    ├── ProviderMisconfigured rejected API key: the operator has to act; puts the provider on hold
    │   └── ModelForbidden    403: the account may not use this model; puts the model on hold
    ├── SpendLimitReached     no credit left; puts the provider on hold
    ├── ProviderOnHold        refused by the API (`details.hold`: why): an operator paused the provider
    │   ├── MisconfiguredHold     … or the provider rejected the API key
    │   └── SpendLimitHold        … or the account has no credit left
    └── AnswerError           an answer without a verdict; it was perhaps paid for
        ├── ParsingError      not the JSON that was asked for
        └── InvalidResponse   JSON without a valid verdict, or cut off

Each class has its code on the wire, its HTTP status and title, and whether a client may try again (`retryable`). Where
two share a code, `web/problem.py::error_class` takes the first. No message holds a prompt, an essay or a key.
"""

import re
from functools import partial
from typing import Any, ClassVar

from contracts.enums import HoldReason, LLMErrorCode


class UmpireError(Exception):
    """Base of the tree. `message` and `details` go to the client; `retry_after` is in seconds, None if unknown."""

    code: ClassVar[LLMErrorCode] = LLMErrorCode.INTERNAL_ERROR
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False
    #: Tokens (providers/base.py::Usage) of an answer with status 200 that reports this error, since it was perhaps
    #: billed. None: there was no such answer. Not sent to clients.
    usage: Any = None

    def __init__(self, message: str, *, retry_after: float | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.details = details

    def __init_subclass__(cls) -> None:
        """The title is the name of the class in words, unless the class has its own."""
        if "title" not in cls.__dict__:
            cls.title = re.sub(r"(?<!^)(?=[A-Z])", " ", cls.__name__).capitalize()

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), self.message, retry_after=self.retry_after, **self.details), ()


class InvalidRequest(UmpireError):
    code = LLMErrorCode.INVALID_CONFIG
    status = 422


class InvalidPrompt(InvalidRequest):
    code = LLMErrorCode.INVALID_PROMPT


class InvalidConfig(InvalidRequest):
    title = "Invalid configuration"


class ContentTooLong(InvalidRequest):
    code = LLMErrorCode.CONTENT_TOO_LONG
    status = 413


class IdempotencyConflict(InvalidRequest):
    code = LLMErrorCode.IDEMPOTENCY_CONFLICT
    title = "Idempotency key used before"


class CallbackTopicMissing(InvalidRequest):
    code = LLMErrorCode.CALLBACK_TOPIC_MISSING


class InvalidCallbackTopic(InvalidRequest):
    code = LLMErrorCode.INVALID_CALLBACK_TOPIC


class AuthenticationFailed(UmpireError):
    code = LLMErrorCode.AUTHENTICATION_FAILED
    status = 401


class PermissionDenied(UmpireError):
    code = LLMErrorCode.AUTHENTICATION_FAILED
    status = 403


class QuotaExceeded(UmpireError):
    code = LLMErrorCode.QUOTA_EXCEEDED
    status = 429
    retryable = True


class CostLimitReached(UmpireError):
    code = LLMErrorCode.COST_LIMIT_EXCEEDED
    status = 429
    retryable = True


class NotFound(UmpireError):
    code = LLMErrorCode.INVALID_CONFIG
    status = 404


class MethodNotAllowed(UmpireError):
    code = LLMErrorCode.INVALID_CONFIG
    status = 405


class Unavailable(UmpireError):
    status = 503
    title = "Service unavailable"
    retryable = True


class QueueFull(UmpireError):
    code = LLMErrorCode.QUEUE_FULL
    status = 503
    title = "Queue at capacity"
    retryable = True


class InternalError(UmpireError):
    """A fault of this service."""


class TooLate(UmpireError):
    code = LLMErrorCode.INVALID_CONFIG
    status = 409


class NotRedeliverable(UmpireError):
    code = LLMErrorCode.INVALID_CONFIG
    status = 409


class NotKept(UmpireError):
    code = LLMErrorCode.INVALID_CONFIG
    status = 410
    title = "Result not kept"


class RequestCancelled(UmpireError):
    code = LLMErrorCode.REQUEST_CANCELLED
    status = 409


class RequestExpired(UmpireError):
    code = LLMErrorCode.REQUEST_EXPIRED
    status = 504
    retryable = True


class ProviderError(UmpireError):
    code = LLMErrorCode.PROVIDER_API_ERROR
    status = 502
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
    retryable = True
    failure_type = "conflict"


class ProviderRejected(ProviderError):
    title = "Provider rejected the call"
    permanent = True
    failure_type = "rejected"


class ProviderMisconfigured(ProviderError):
    code = LLMErrorCode.CONFIGURATION_ERROR
    status = 500
    permanent = True
    hold = HoldReason.MISCONFIGURED
    failure_type = "authentication"


class ModelForbidden(ProviderMisconfigured):
    failure_type = "permission"


class SpendLimitReached(ProviderError):
    code = LLMErrorCode.COST_LIMIT_EXCEEDED
    status = 503
    permanent = True
    hold = HoldReason.SPEND_LIMIT
    failure_type = "spend_limit"


class ProviderOnHold(ProviderError):
    code = LLMErrorCode.PROVIDER_UNAVAILABLE
    status = 503
    retryable = True
    failure_type = "on_hold"


class MisconfiguredHold(ProviderOnHold):
    code = LLMErrorCode.CONFIGURATION_ERROR
    title = "Provider on hold"


class SpendLimitHold(ProviderOnHold):
    code = LLMErrorCode.COST_LIMIT_EXCEEDED
    title = "Provider on hold"


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
