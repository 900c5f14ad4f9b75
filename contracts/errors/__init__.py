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
    ├── ProviderOnHold        refused by the API: an operator paused the provider
    │   ├── MisconfiguredHold     … or the provider rejected the API key
    │   └── SpendLimitHold        … or the account has no credit left
    └── AnswerError           an answer without a verdict; it was perhaps paid for
        ├── ParsingError      not the JSON that was asked for
        └── InvalidResponse   JSON without a valid verdict, or cut off

Each class has its code on the wire, its HTTP status and title, and whether a client may try again (`retryable`). A
provider's error also has whether another call could help (`permanent`), whether the circuit breaker counts it
(`trips`), and whether it puts the provider on hold (`hold`). An instance has `retry_after`, in seconds, and `details`.
No message holds a prompt, an essay or a key.
"""

from contracts.errors.base import UmpireError
from contracts.errors.request import (
    AuthenticationFailed,
    CallbackTopicMissing,
    ContentTooLong,
    CostLimitReached,
    IdempotencyConflict,
    InternalError,
    InvalidCallbackTopic,
    InvalidConfig,
    InvalidPrompt,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    NotKept,
    NotRedeliverable,
    PermissionDenied,
    QueueFull,
    QuotaExceeded,
    RequestCancelled,
    RequestExpired,
    TooLate,
    Unavailable,
)

# isort: split
# After the errors of requests: where two classes share a code, `web/problem.py::error_class` takes the earlier one.
from contracts.errors.provider import (
    AnswerError,
    InvalidResponse,
    MisconfiguredHold,
    ModelForbidden,
    ParsingError,
    ProviderConflict,
    ProviderError,
    ProviderMisconfigured,
    ProviderOnHold,
    ProviderRateLimited,
    ProviderRejected,
    ProviderServerError,
    ProviderTimeout,
    ProviderUnavailable,
    SpendLimitHold,
    SpendLimitReached,
    is_permanent,
)

__all__ = [
    "AnswerError",
    "AuthenticationFailed",
    "CallbackTopicMissing",
    "ContentTooLong",
    "CostLimitReached",
    "IdempotencyConflict",
    "InternalError",
    "InvalidCallbackTopic",
    "InvalidConfig",
    "InvalidPrompt",
    "InvalidRequest",
    "InvalidResponse",
    "MethodNotAllowed",
    "MisconfiguredHold",
    "ModelForbidden",
    "NotFound",
    "NotKept",
    "NotRedeliverable",
    "ParsingError",
    "PermissionDenied",
    "ProviderConflict",
    "ProviderError",
    "ProviderMisconfigured",
    "ProviderOnHold",
    "ProviderRateLimited",
    "ProviderRejected",
    "ProviderServerError",
    "ProviderTimeout",
    "ProviderUnavailable",
    "QueueFull",
    "QuotaExceeded",
    "RequestCancelled",
    "RequestExpired",
    "SpendLimitHold",
    "SpendLimitReached",
    "TooLate",
    "UmpireError",
    "Unavailable",
    "is_permanent",
]
