"""Events on Kafka: the envelope and what it carries."""

from typing import Annotated, Any, Generic, Literal, Self, TypeVar
from uuid import UUID

from pydantic import Field, model_validator

from contracts.base import Outgoing, UtcTime
from contracts.enums import (
    CircuitState,
    EssayComparisonWinner,
    HoldReason,
    LLMErrorCode,
    LLMProviderType,
    QueueEvent,
    QueueStatus,
)

#: `source_service` of every envelope and `service` of every error. Consumers know it by this name.
SERVICE_NAME = "llm_provider_service"

#: `service_name` of a paid call whose caller has neither a key with a name nor a `cj_source` in its metadata.
UNKNOWN_CALLER = "unknown"


class TokenUsage(Outgoing):
    prompt_tokens: Annotated[int, Field(ge=0)] = 0
    completion_tokens: Annotated[int, Field(ge=0)] = 0
    total_tokens: Annotated[int, Field(ge=0)] = 0

    def __add__(self, other: "TokenUsage") -> "TokenUsage":
        return TokenUsage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
        )


class ErrorDetail(Outgoing):
    error_code: LLMErrorCode
    message: str
    correlation_id: UUID
    timestamp: UtcTime
    service: str = SERVICE_NAME
    operation: str
    details: dict[str, Any] = {}
    stack_trace: None = None
    trace_id: str | None = None
    span_id: str | None = None


class LLMComparisonResultV1(Outgoing):
    """A success (winner, justification and confidence) or an error (error_detail): exactly one of the two."""

    request_id: str
    correlation_id: UUID
    winner: EssayComparisonWinner | None = None
    justification: Annotated[str, Field(max_length=500)] | None = None
    confidence: Annotated[float, Field(ge=1.0, le=5.0)] | None = None
    error_detail: ErrorDetail | None = None
    provider: LLMProviderType
    model: str
    response_time_ms: Annotated[int, Field(ge=0)]
    token_usage: TokenUsage
    cost_estimate: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    requested_at: UtcTime
    completed_at: UtcTime
    trace_id: str | None = None
    request_metadata: dict[str, Any]

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        verdict = [self.winner, self.justification, self.confidence]
        if self.error_detail is None and any(part is None for part in verdict):
            raise ValueError("a success has winner, justification and confidence")
        if self.error_detail is not None and any(part is not None for part in verdict):
            raise ValueError("an error has neither winner, justification nor confidence")
        return self


class LLMQueueStatusV1(Outgoing):
    queue_id: str
    correlation_id: UUID
    status: QueueStatus
    event: QueueEvent
    provider: LLMProviderType
    model: str | None = None
    attempt: Annotated[int, Field(ge=0)]
    occurred_at: UtcTime
    error_code: LLMErrorCode | None = None


class LLMRequestStartedV1(Outgoing):
    provider: LLMProviderType
    request_type: Literal["comparison"] = "comparison"
    correlation_id: UUID
    user_id: str | None = None
    metadata: dict[str, Any] = {}


class LLMRequestCompletedV1(Outgoing):
    provider: LLMProviderType
    request_type: Literal["comparison"] = "comparison"
    correlation_id: UUID
    user_id: str | None = None
    success: bool
    response_time_ms: int
    error_message: str | None = None
    token_usage: dict[str, int] | None = None
    cost_estimate: float | None = None
    metadata: dict[str, Any] = {}


class LLMProviderFailureV1(Outgoing):
    provider: LLMProviderType
    failure_type: str
    correlation_id: UUID
    error_details: str
    circuit_breaker_opened: bool
    metadata: dict[str, Any] = {}


class LLMProviderStatusV1(Outgoing):
    provider: LLMProviderType
    circuit_state: CircuitState
    since: UtcTime
    retry_after_seconds: float | None = None
    hold_reason: HoldReason | None = None
    hold_since: UtcTime | None = None
    last_error_code: LLMErrorCode | None = None


class LLMQueueFullV1(Outgoing):
    """Accepted work is at its limit, and requests are refused: in the ledger, or in the spool while Redis is away."""

    backend: Literal["redis", "spool"]
    size: Annotated[int, Field(ge=0)]
    max_size: Annotated[int, Field(ge=0)]


class LLMCostTrackingV1(Outgoing):
    """One per paid call. `service_name` is the caller: whose cost it is."""

    correlation_id: UUID
    provider: LLMProviderType
    model: str
    request_type: Literal["comparison"] = "comparison"
    cost_estimate_usd: float
    token_usage: dict[str, int]
    user_id: str | None = None
    organization_id: str | None = None
    service_name: str = UNKNOWN_CALLER
    request_timestamp: UtcTime
    response_time_ms: int
    metadata: dict[str, Any] = {}


class LLMCostAlertV1(Outgoing):
    """An API key's spending has reached a share of its limit. `metadata`: key_id, key_name, share, limit."""

    alert_type: str
    provider: LLMProviderType | None = None
    current_cost: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    threshold: Annotated[float, Field(ge=0)]
    period: str
    metadata: dict[str, Any] = {}


DataT = TypeVar("DataT", bound=Outgoing)


class EventEnvelope(Outgoing, Generic[DataT]):
    event_id: UUID
    event_type: str
    event_timestamp: UtcTime
    source_service: str = SERVICE_NAME
    schema_version: int = 1
    correlation_id: UUID
    data_schema_uri: str | None = None
    data: DataT
    metadata: dict[str, Any] | None = None
