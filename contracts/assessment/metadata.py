"""Metadata that the events of an assessment, and the comparisons that it submits, carry."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer

from contracts.base import Outgoing
from contracts.clock import iso, utcnow
from contracts.enums import LLMBatchingMode, ProcessingStage

#: `source_service` of the assessment's envelopes, and `service` of its errors.
ASSESSMENT_SERVICE_NAME = "cj_assessment_service"


def _in_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


#: A point in time that other services send, some of them without a time zone: that is UTC. In JSON as `UtcTime`.
ForeignTime = Annotated[datetime, AfterValidator(_in_utc), PlainSerializer(iso, return_type=str, when_used="json")]


class SystemProcessingMetadata(Outgoing):
    """What an event is about, and at which stage. The events of an assessment repeat it from the request."""

    entity_id: str | None = None
    """The caller's batch id."""
    entity_type: str | None = None
    """The kind of entity, normally `batch`."""
    parent_id: str | None = None
    """As in the request."""
    timestamp: ForeignTime
    """When the event was made."""
    processing_stage: ProcessingStage | None = None
    """The stage that the assessment has reached."""
    started_at: ForeignTime | None = None
    """When the assessment began."""
    completed_at: ForeignTime | None = None
    """When the assessment ended."""
    event: str | None = None
    """Name of the event."""
    error_info: dict[str, Any] = {}
    """In a failed event: error_code, error_message, correlation_id, timestamp, service and details."""


def system_metadata_from(value: Any) -> Any:
    """Make the `system_metadata` of a request complete: some producers nest the entity, some omit the timestamp."""
    if not isinstance(value, dict):
        return value
    entity = value.get("entity")
    names = ("entity_id", "entity_type", "parent_id")
    nested = {name: entity.get(name) for name in names} if isinstance(entity, dict) else {}
    made = {**nested, **value}
    if made.get("timestamp") is None:
        made["timestamp"] = utcnow()
    return made


class CJLLMComparisonMetadata(BaseModel):
    """`metadata` of a comparison that the assessment submits; its result event repeats it. Extra keys are allowed."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    essay_a_id: str
    essay_b_id: str
    bos_batch_id: str | None = None
    cj_batch_id: str | None = None
    cj_source: str | None = None
    cj_request_type: str | None = None
    comparison_iteration: int | None = None
    cj_llm_batching_mode: LLMBatchingMode | None = None
    preferred_bundle_size: int | None = None

    def as_metadata(self) -> dict[str, Any]:
        """The JSON object, without absent values."""
        return self.model_dump(mode="json", exclude_none=True)
