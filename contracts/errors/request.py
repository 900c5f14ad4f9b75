"""Errors of a request and of the service. The tree in contracts/errors/__init__.py says what each means."""

from contracts.enums import LLMErrorCode
from contracts.errors.base import UmpireError


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


class NotRedeliverable(UmpireError):
    code = LLMErrorCode.INVALID_CONFIG
    status = 409
    title = "Not redeliverable"


class NotKept(UmpireError):
    code = LLMErrorCode.INVALID_CONFIG
    status = 410
    title = "Result not kept"


class RequestCancelled(UmpireError):
    code = LLMErrorCode.REQUEST_CANCELLED
    status = 409
    title = "Request cancelled"


class RequestExpired(UmpireError):
    code = LLMErrorCode.REQUEST_EXPIRED
    status = 504
    title = "Request expired"
    retryable = True
