"""Events on Kafka. docs/generate/ describes a field by its docstring, or by docs/generate/schemas.py::SHARED."""

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

#: `service_name` of a paid call if the caller has no named API key and its metadata has no `cj_source`.
UNKNOWN_CALLER = "unknown"


class TokenUsage(Outgoing):
    prompt_tokens: Annotated[int, Field(ge=0)] = 0
    """Tokens of the prompts."""
    completion_tokens: Annotated[int, Field(ge=0)] = 0
    """Tokens of the answers, reasoning included."""
    total_tokens: Annotated[int, Field(ge=0)] = 0
    """The sum of both."""

    def __add__(self, other: "TokenUsage") -> "TokenUsage":
        return TokenUsage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
        )


class ErrorDetail(Outgoing):
    error_code: LLMErrorCode
    """The typed error. On Kafka one of the first fifteen codes; see `details.reason`."""
    message: str
    """What happened, in one sentence."""
    correlation_id: UUID
    timestamp: UtcTime
    """When the error happened."""
    service: str = SERVICE_NAME
    """Always `llm_provider_service`."""
    operation: str
    """What the service was doing."""
    details: dict[str, Any] = {}
    """Facts about the error for programs, such as `provider`, `status_code` and `reason`."""
    stack_trace: None = None
    """Always null."""
    trace_id: str | None = None
    span_id: str | None = None
    """Always null."""


class LLMComparisonResultV1(Outgoing):
    """The result of a request: either a verdict (winner, justification and confidence) or an error (error_detail)."""

    request_id: str
    """The queue id of the request. It identifies a repeated event."""
    correlation_id: UUID
    winner: EssayComparisonWinner | None = None
    """The better essay; null in an error."""
    justification: Annotated[str, Field(max_length=500)] | None = None
    """The reason for the verdict, as the model wrote it; null in an error."""
    confidence: Annotated[float, Field(ge=1.0, le=5.0)] | None = None
    """How sure the model is, from 1 (a guess) to 5 (certain); null in an error."""
    error_detail: ErrorDetail | None = None
    """The error; null in a success."""
    provider: LLMProviderType
    """The provider that was called, or that would have been."""
    model: str
    """The model that answered, as the provider names it."""
    response_time_ms: Annotated[int, Field(ge=0)]
    """Milliseconds from the first attempt to the end."""
    token_usage: TokenUsage
    """Tokens of all calls for this request."""
    cost_estimate: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """Cost of all calls in USD. If `request_metadata.cost_known` is false, a part of it is unknown."""
    requested_at: UtcTime
    """When the request was accepted."""
    completed_at: UtcTime
    """When the request ended."""
    trace_id: str | None = None
    request_metadata: dict[str, Any]
    """The metadata of the request, unchanged, and what the service adds."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        verdict = [self.winner, self.justification, self.confidence]
        if self.error_detail is None and any(part is None for part in verdict):
            raise ValueError("a success has winner, justification and confidence")
        if self.error_detail is not None and any(part is not None for part in verdict):
            raise ValueError("an error has neither winner, justification nor confidence")
        return self


class LLMQueueStatusV1(Outgoing):
    """A request changed its state."""

    queue_id: str
    """The queue id of the request."""
    correlation_id: UUID
    status: QueueStatus
    """The new state."""
    event: QueueEvent
    """The change of state."""
    provider: LLMProviderType
    """The provider of the request."""
    model: str | None = None
    """The model of the request."""
    attempt: Annotated[int, Field(ge=0)]
    """Number of claims so far."""
    occurred_at: UtcTime
    """When the state changed."""
    error_code: LLMErrorCode | None = None
    """The error of a request that failed or waits after a failed claim."""


class LLMRequestStartedV1(Outgoing):
    """A worker began a claim of a request."""

    provider: LLMProviderType
    """The provider that is called."""
    request_type: Literal["comparison"] = "comparison"
    correlation_id: UUID
    user_id: str | None = None
    metadata: dict[str, Any] = {}


class LLMRequestCompletedV1(Outgoing):
    """A request ended."""

    provider: LLMProviderType
    """The provider of the request."""
    request_type: Literal["comparison"] = "comparison"
    correlation_id: UUID
    user_id: str | None = None
    success: bool
    """Whether the request ended in a verdict."""
    response_time_ms: int
    """Milliseconds that the calls took."""
    error_message: str | None = None
    """The error in one sentence; null in a success."""
    token_usage: dict[str, int] | None = None
    """Tokens of all calls."""
    cost_estimate: float | None = None
    """Cost of all calls in USD; null: unknown."""
    metadata: dict[str, Any] = {}


class LLMProviderFailureV1(Outgoing):
    """A call to a provider failed."""

    provider: LLMProviderType
    """The provider that was called."""
    failure_type: str
    """The kind of failure, such as `timeout`, `rate_limit` or `server_error`."""
    correlation_id: UUID
    error_details: str
    """The error in one sentence."""
    circuit_breaker_opened: bool
    """Whether this failure opened the circuit breaker."""
    metadata: dict[str, Any] = {}


class LLMProviderStatusV1(Outgoing):
    """A circuit breaker changed its state, or a hold began or ended."""

    provider: LLMProviderType
    """The provider."""
    circuit_state: CircuitState
    """State of the circuit breaker."""
    since: UtcTime
    """When it changed to this state."""
    retry_after_seconds: float | None = None
    """Seconds until a probe may start; null: unknown."""
    hold_reason: HoldReason | None = None
    """Why the provider is on hold; null: it is not."""
    hold_since: UtcTime | None = None
    """When the hold began."""
    last_error_code: LLMErrorCode | None = None
    """The error that began the hold."""


class LLMQueueFullV1(Outgoing):
    """Requests are refused, because the ledger or, while Redis is unavailable, the spool is at its limit."""

    backend: Literal["redis", "spool"]
    """What is full: `redis` is the ledger, `spool` the spool of an API host."""
    size: Annotated[int, Field(ge=0)]
    """Accepted requests in it."""
    max_size: Annotated[int, Field(ge=0)]
    """Its bound."""


class LLMCostTrackingV1(Outgoing):
    """The cost of one call."""

    correlation_id: UUID
    provider: LLMProviderType
    """The provider that was called."""
    model: str
    """The model that answered."""
    request_type: Literal["comparison"] = "comparison"
    cost_estimate_usd: float
    """Cost of the call in USD; 0 if `metadata.cost_known` is false."""
    token_usage: dict[str, int]
    """Tokens of the call."""
    user_id: str | None = None
    organization_id: str | None = None
    """Always null."""
    service_name: str = UNKNOWN_CALLER
    """The caller: the API key's name, or `cj_source` of the metadata, or `unknown`."""
    request_timestamp: UtcTime
    """When the call ended."""
    response_time_ms: int
    """Duration of the call in milliseconds."""
    metadata: dict[str, Any] = {}
    """`cost_known`, and the metadata of the request."""


class LLMCostAlertV1(Outgoing):
    """The spending of an API key has reached 80 % or 100 % of its daily limit."""

    alert_type: str
    """Always `daily_limit`."""
    provider: LLMProviderType | None = None
    """Always null: the limit holds for all providers together."""
    current_cost: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """What the API key has spent in the period, in USD."""
    threshold: Annotated[float, Field(ge=0)]
    """The amount that was reached, in USD."""
    period: str
    """The day (UTC) of the limit, as YYYY-MM-DD."""
    metadata: dict[str, Any] = {}
    """`key_id`, `key_name`, `share` and `limit`."""


DataT = TypeVar("DataT", bound=Outgoing)


class EventEnvelope(Outgoing, Generic[DataT]):
    event_id: UUID
    """Id of the event. A repeated result has the same one."""
    event_type: str
    """Name of the event, without the topic prefix."""
    event_timestamp: UtcTime
    """When the event was made."""
    source_service: str = SERVICE_NAME
    """Always `llm_provider_service`."""
    schema_version: int = 1
    """Version of the envelope."""
    correlation_id: UUID
    data_schema_uri: str | None = None
    """Always null."""
    data: DataT
    """The event."""
    metadata: dict[str, Any] | None = None
    """Trace context, where there is one."""
