"""Models as strict as those of the services that read the assessment's events: closed enums, required fields."""

from datetime import datetime
from enum import Enum
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class Strict(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class EventName(Enum):
    COMPLETED = "cj_assessment.completed"
    FAILED = "cj_assessment.failed"
    RESULT = "assessment.result.published"
    CONSUMPTION = "resource.consumption.reported"


class BatchStatus(Enum):
    COMPLETED = "completed_successfully"
    FAILED = "failed_critically"


class Stage(Enum):
    PENDING = "pending"
    INITIALIZED = "initialized"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Envelope(Strict, Generic[T]):
    event_id: UUID
    event_type: str
    event_timestamp: datetime
    source_service: Literal["cj_assessment_service"]
    schema_version: Literal[1]
    correlation_id: UUID
    data: T


class Metadata(Strict):
    entity_id: str
    entity_type: str
    parent_id: str | None
    timestamp: datetime
    processing_stage: Stage
    started_at: datetime | None
    completed_at: datetime | None
    event: str | None
    error_info: dict[str, Any]


class Update(Strict):
    event_name: EventName
    entity_id: str
    entity_type: str
    parent_id: str | None
    timestamp: datetime
    status: BatchStatus
    system_metadata: Metadata
    cj_assessment_job_id: str


class Completed(Update):
    processing_summary: dict[str, Any]


class Essay(Strict):
    essay_id: str
    normalized_score: float = Field(ge=0, le=1)
    letter_grade: str = Field(pattern=r"^([A-F][+-]?|U)$")
    confidence_score: float = Field(ge=0, le=1)
    confidence_label: Literal["HIGH", "MID", "LOW"]
    bt_score: float
    rank: int = Field(gt=0)
    is_anchor: bool
    feedback_uri: str | None
    metrics_uri: str | None
    display_name: str | None


class Projections(Strict):
    projections_available: bool
    primary_grades: dict[str, str]
    confidence_labels: dict[str, str]
    confidence_scores: dict[str, float]
    grade_probabilities: dict[str, dict[str, float]]
    calibration_info: dict[str, Any]
    bt_stats: dict[str, dict[str, float]]


class Result(Strict):
    event_name: EventName
    batch_id: str
    cj_assessment_job_id: str
    assessment_method: str
    model_used: str
    model_provider: str
    model_version: str | None
    essay_results: list[Essay]
    assessment_metadata: dict[str, Any]
    assessed_at: datetime


class Consumption(Strict):
    event_name: EventName
    user_id: str
    org_id: str | None
    resource_type: str
    quantity: int = Field(ge=0)
    service_name: str
    processing_id: str
    consumed_at: datetime
