"""Closed sets of values on the wire. Other services parse them strictly: never rename one."""

from enum import StrEnum
from typing import TypeVar

EnumT = TypeVar("EnumT", bound=StrEnum)


class LLMProviderType(StrEnum):
    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GOOGLE = "google"
    OPENROUTER = "openrouter"
    MOCK = "mock"


class LLMBatchingMode(StrEnum):
    PER_REQUEST = "per_request"
    SERIAL_BUNDLE = "serial_bundle"
    PROVIDER_BATCH_API = "provider_batch_api"


class ProcessingMode(StrEnum):
    QUEUE_IF_UNAVAILABLE = "queue_if_unavailable"
    IMMEDIATE = "immediate"
    QUEUE = "queue"


class QueueStatus(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    FAILED = "failed"
    CANCELLED = "cancelled"


class QueueEvent(StrEnum):
    QUEUED = "QUEUE_REQUEST_QUEUED"
    PROCESSING = "QUEUE_REQUEST_PROCESSING"
    COMPLETED = "QUEUE_REQUEST_COMPLETED"
    FAILED = "QUEUE_REQUEST_FAILED"
    EXPIRED = "QUEUE_REQUEST_EXPIRED"
    CANCELLED = "QUEUE_REQUEST_CANCELLED"


class EssayComparisonWinner(StrEnum):
    ESSAY_A = "Essay A"
    ESSAY_B = "Essay B"


class CircuitState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class HoldReason(StrEnum):
    """Why a provider is on hold: its calls would be refused whatever the request says."""

    MISCONFIGURED = "misconfigured"
    SPEND_LIMIT = "spend_limit"
    MANUAL = "manual"


class PromptTarget(StrEnum):
    SYSTEM = "system"
    USER_CONTENT = "user_content"


class ReasoningEffort(StrEnum):
    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class OutputVerbosity(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class LLMErrorCode(StrEnum):
    PROVIDER_UNAVAILABLE = "LLM_PROVIDER_UNAVAILABLE"
    PROVIDER_RATE_LIMIT = "LLM_PROVIDER_RATE_LIMIT"
    PROVIDER_TIMEOUT = "LLM_PROVIDER_TIMEOUT"
    PROVIDER_API_ERROR = "LLM_PROVIDER_API_ERROR"
    INVALID_PROMPT = "LLM_INVALID_PROMPT"
    CONTENT_TOO_LONG = "LLM_CONTENT_TOO_LONG"
    INVALID_CONFIG = "LLM_INVALID_CONFIG"
    QUEUE_FULL = "LLM_QUEUE_FULL"
    INTERNAL_ERROR = "LLM_INTERNAL_ERROR"
    CALLBACK_TOPIC_MISSING = "LLM_CALLBACK_TOPIC_MISSING"
    INVALID_CALLBACK_TOPIC = "LLM_INVALID_CALLBACK_TOPIC"
    PARSING_ERROR = "LLM_PARSING_ERROR"
    INVALID_RESPONSE = "LLM_INVALID_RESPONSE"
    COST_LIMIT_EXCEEDED = "LLM_COST_LIMIT_EXCEEDED"
    CONFIGURATION_ERROR = "LLM_CONFIGURATION_ERROR"
    REQUEST_EXPIRED = "LLM_REQUEST_EXPIRED"
    REQUEST_CANCELLED = "LLM_REQUEST_CANCELLED"
    AUTHENTICATION_FAILED = "LLM_AUTHENTICATION_FAILED"
    QUOTA_EXCEEDED = "LLM_QUOTA_EXCEEDED"
    IDEMPOTENCY_CONFLICT = "LLM_IDEMPOTENCY_CONFLICT"


def known(kind: type[EnumT], value: str | None) -> EnumT | None:
    """The member with this value; None if there is none, or this version does not know it, as a newer one wrote it."""
    try:
        return kind(value) if value else None
    except ValueError:
        return None


class CJAssessmentErrorCode(StrEnum):
    """Why an assessment failed; CALLBACK_CORRELATION_FAILED is in logs and metrics only."""

    INSUFFICIENT_COMPARISONS = "CJ_INSUFFICIENT_COMPARISONS"
    SCORE_CONVERGENCE_FAILED = "CJ_SCORE_CONVERGENCE_FAILED"
    COMPARISON_IMBALANCE = "CJ_COMPARISON_IMBALANCE"
    CALLBACK_CORRELATION_FAILED = "CJ_CALLBACK_CORRELATION_FAILED"
    INVALID_REQUEST = "CJ_INVALID_REQUEST"
    UNKNOWN_ASSIGNMENT = "CJ_UNKNOWN_ASSIGNMENT"
    CONTENT_UNAVAILABLE = "CJ_CONTENT_UNAVAILABLE"
    CANCELLED = "CJ_CANCELLED"
    STUCK = "CJ_STUCK"


class CJBatchStateEnum(StrEnum):
    """State of an assessment."""

    INITIALIZING = "INITIALIZING"
    GENERATING_PAIRS = "GENERATING_PAIRS"
    WAITING_CALLBACKS = "WAITING_CALLBACKS"
    SCORING = "SCORING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class ProcessingStage(StrEnum):
    """Stage in the `system_metadata` of an assessment's events."""

    PENDING = "pending"
    INITIALIZED = "initialized"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: Error code of a request that was refused because of a hold, or expired during one.
HOLD_CODES: dict[HoldReason, LLMErrorCode] = {
    HoldReason.MISCONFIGURED: LLMErrorCode.CONFIGURATION_ERROR,
    HoldReason.SPEND_LIMIT: LLMErrorCode.COST_LIMIT_EXCEEDED,
    HoldReason.MANUAL: LLMErrorCode.PROVIDER_UNAVAILABLE,
}

#: Codes that replace others in result events, because consumers parse `error_code` as a closed enum of the first
#: fifteen. The precise code goes to `details.reason`.
ON_KAFKA: dict[LLMErrorCode, LLMErrorCode] = {
    LLMErrorCode.REQUEST_EXPIRED: LLMErrorCode.PROVIDER_TIMEOUT,
    LLMErrorCode.REQUEST_CANCELLED: LLMErrorCode.INTERNAL_ERROR,
}
