"""HTTP requests and answers under /api/v1."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue

from contracts.base import Incoming, Outgoing, UtcTime
from contracts.enums import (
    CircuitState,
    EssayComparisonWinner,
    HoldReason,
    LLMBatchingMode,
    LLMErrorCode,
    LLMProviderType,
    OutputVerbosity,
    ProcessingMode,
    PromptTarget,
    QueueStatus,
    ReasoningEffort,
)
from contracts.events import TokenUsage


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


#: Accepts an integer as JSON Schema defines it: 9.0 is one, "9" is not.
WHOLE = BeforeValidator(_whole)


_URN = "urn:uuid:"


def _without_urn(value: Any) -> Any:
    return value[len(_URN) :] if isinstance(value, str) and value[: len(_URN)].lower() == _URN else value


#: RFC 8141, 3.1: `urn:uuid:` before a UUID is case-insensitive; pydantic accepts it in lower case only.
AnyUrnUUID = Annotated[UUID, BeforeValidator(_without_urn)]


class PromptBlock(Incoming):
    """A part of a prompt. The provider may cache the prompt up to the end of a cacheable block."""

    target: PromptTarget
    content: Annotated[str, Field(min_length=1)]
    cacheable: bool = False
    ttl: Literal["5m", "1h"] = "5m"
    content_hash: str | None = None


class LLMConfigOverridesHTTP(Incoming):
    """Settings of one call. Those that the model does not support are left out and named in `ignored`."""

    provider_override: LLMProviderType | None = None
    model_override: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    temperature_override: Annotated[float, Field(ge=0, le=2)] | None = None
    system_prompt_override: str | None = None
    max_tokens_override: Annotated[int, Field(gt=0), WHOLE] | None = None
    reasoning_effort: ReasoningEffort | None = None
    output_verbosity: OutputVerbosity | None = None


class LLMComparisonRequest(Incoming):
    user_prompt: Annotated[str, Field(min_length=1)]
    #: Only the first invalid block is reported, and none after it is checked: there can be a million.
    prompt_blocks: Annotated[list[PromptBlock], Field(fail_fast=True)] | None = None
    callback_topic: str
    llm_config_overrides: LLMConfigOverridesHTTP | None = None
    correlation_id: AnyUrnUUID | None = None
    user_id: Annotated[str, Field(max_length=200)] | None = None
    metadata: dict[str, JsonValue] = {}
    processing_mode: ProcessingMode | None = None
    batching_mode: LLMBatchingMode | None = None
    priority: Annotated[int, Field(ge=0, le=10), WHOLE] = 0
    ttl_seconds: Annotated[int, Field(gt=0), WHOLE] | None = None


class LLMComparisonResponse(Outgoing):
    """200: the verdict. `cost_estimate` is in USD; null: unknown."""

    queue_id: UUID
    winner: EssayComparisonWinner
    justification: str
    confidence: float
    provider: LLMProviderType
    model: str
    response_time_ms: int
    token_usage: TokenUsage
    cost_estimate: float | None
    correlation_id: UUID
    trace_id: str | None = None
    metadata: dict[str, Any]


class LLMQueuedResponse(Outgoing):
    """202: accepted. The verdict will be published on the callback topic."""

    queue_id: UUID
    status: QueueStatus = QueueStatus.QUEUED
    message: str
    estimated_wait_minutes: int | None = None
    correlation_id: UUID
    trace_id: str | None = None
    #: `available`, `on_hold`, `circuit_open`, `circuit_half_open` or `paused`; null: not known.
    provider_state: str | None = None


#: Most comparisons of one LLMBatchRequest.
MAX_BATCH = 200


class LLMBatchRequest(Incoming):
    comparisons: Annotated[list[LLMComparisonRequest], Field(min_length=1, max_length=MAX_BATCH)]


class LLMBatchItem(Outgoing):
    """What became of one comparison of a batch. Exactly one of `queue_id` and `error` is set."""

    index: int
    queue_id: UUID | None = None
    correlation_id: UUID | None = None
    status: Literal["queued"] | None = None
    estimated_wait_minutes: int | None = None
    #: Always null: no batch waits for its verdicts.
    result: LLMComparisonResponse | None = None
    error: "Problem | None" = None


class LLMBatchResponse(Outgoing):
    """202: all comparisons are accepted; 207: some are. `items` are in the order of the request."""

    accepted: int
    refused: int
    message: str
    items: list[LLMBatchItem]


class LLMCancelledResponse(Outgoing):
    """The comparison is cancelled. An error result is published on the callback topic."""

    queue_id: UUID
    status: QueueStatus = QueueStatus.CANCELLED
    message: str


#: Most results of one LLMRedeliveryRequest.
MAX_REDELIVERIES = 200


def _each_once(queue_ids: list[UUID]) -> list[UUID]:
    if len(set(queue_ids)) < len(queue_ids):
        raise ValueError("the same queue_id twice")
    return queue_ids


class LLMRedeliveryRequest(Incoming):
    queue_ids: Annotated[
        list[AnyUrnUUID],
        Field(min_length=1, max_length=MAX_REDELIVERIES, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_each_once),
    ]


class LLMRedeliveredResponse(Outgoing):
    """202: the result will be published again, with the same bytes and `event_id`."""

    queue_id: UUID
    status: QueueStatus = QueueStatus.QUEUED
    event_id: UUID
    #: How often the result has been redelivered, this time included; the value of the `redelivery` header.
    redelivery: int
    callback_topic: str
    message: str


class LLMRedeliveryItem(Outgoing):
    """What became of one queue id. Exactly one of `status` and `error` is set."""

    index: int
    queue_id: UUID
    status: Literal[QueueStatus.QUEUED] | None = None
    event_id: UUID | None = None
    redelivery: int | None = None
    callback_topic: str | None = None
    error: "Problem | None" = None


class LLMRedeliveryResponse(Outgoing):
    """202: all results will be published again; 207: some. `items` are in the order of the request."""

    accepted: int
    refused: int
    message: str
    items: list[LLMRedeliveryItem]


class LLMProviderStatus(Outgoing):
    name: LLMProviderType
    enabled: bool
    available: bool
    circuit_breaker_state: CircuitState
    default_model: str | None = None
    last_success: UtcTime | None = None
    last_failure: UtcTime | None = None
    failure_count: int
    average_response_time_ms: float | None = None
    hold_reason: HoldReason | None = None
    hold_since: UtcTime | None = None
    last_error_code: LLMErrorCode | None = None
    held_models: list[str] = []


class LLMProviderListResponse(Outgoing):
    providers: list[LLMProviderStatus]
    default_provider: LLMProviderType
    selection_strategy: str
    total_requests_today: int
    total_cost_today: float


class ModelInfoResponse(Outgoing):
    """A model of the manifest. Prices in USD per 1,000 tokens; null means unknown, never 0."""

    model_id: str
    provider: LLMProviderType
    display_name: str
    model_family: str
    max_tokens: int
    context_window: int
    supports_streaming: bool
    capabilities: dict[str, bool]
    cost_per_1k_input_tokens: float | None
    cost_per_1k_output_tokens: float | None
    is_deprecated: bool
    release_date: str | None = None
    recommended_for: list[str]


class ModelManifestResponse(Outgoing):
    providers: dict[str, list[ModelInfoResponse]]
    total_models: int


class HealthCheckResponse(Outgoing):
    status: str
    service: str
    version: str
    dependencies: dict[str, Any]


class ProviderTestResponse(Outgoing):
    """The outcome of one real, paid comparison."""

    provider: LLMProviderType
    model: str
    ok: bool
    response_time_ms: int
    error_code: LLMErrorCode | None = None
    detail: str | None = None


class Problem(Outgoing):
    """RFC 9457 problem details, with the fields of ErrorDetail. `error` and `message` repeat `detail`."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    error: str
    error_code: LLMErrorCode
    message: str
    correlation_id: UUID
    timestamp: UtcTime
    service: str
    operation: str
    details: dict[str, Any]
    is_retryable: bool
    queue_id: UUID | None = None
