"""Events that the assessment publishes. The docstring of a field is its description in docs/schemas/."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from contracts.assessment.metadata import ASSESSMENT_SERVICE_NAME, SystemProcessingMetadata
from contracts.base import Outgoing, UtcTime
from contracts.enums import CJAssessmentErrorCode, CJBatchStateEnum

AssessmentStatus = Literal["completed_successfully", "failed_critically"]
ConfidenceLabel = Literal["HIGH", "MID", "LOW"]

#: Grades that consumers of EssayResultV1 accept. A grade of another scale is `U` there.
LETTER_GRADE = r"^([A-F][+-]?|U)$"

Share = Annotated[float, Field(ge=0, le=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class AssessmentErrorInfo(Outgoing):
    """Why an assessment failed: `error_info` in the system_metadata of CJAssessmentFailedV1."""

    error_code: CJAssessmentErrorCode
    """The typed error."""
    error_message: str
    """What happened, in one sentence."""
    correlation_id: UUID
    """As in the request."""
    timestamp: UtcTime
    """When the assessment failed."""
    service: str = ASSESSMENT_SERVICE_NAME
    """Always `cj_assessment_service`."""
    details: dict[str, Any] = {}
    """Facts for programs: of an invalid request `field`, the field that is wrong."""


class ProcessingSummary(Outgoing):
    """Which of the requested essays have a score. Each essay id is in exactly one of the two lists."""

    total_essays: Count
    """Number of requested essays."""
    successful: Count
    """Number of essays with a score."""
    failed: Count
    """Number of essays without a score."""
    successful_essay_ids: list[str]
    """Essays with a score."""
    failed_essay_ids: list[str]
    """Essays without a score."""
    processing_time_seconds: Annotated[float, Field(ge=0)]
    """Seconds from the request to the end."""
    single_essay_batch: bool = False
    """Whether the request had one essay, so that there was nothing to compare it with."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        ids = [*self.successful_essay_ids, *self.failed_essay_ids]
        counts = (len(self.successful_essay_ids), len(self.failed_essay_ids), len(ids))
        if len(set(ids)) != len(ids) or counts != (self.successful, self.failed, self.total_essays):
            raise ValueError("each essay is in exactly one of the lists, and the numbers are theirs")
        return self


class _AssessmentEnded(Outgoing):
    entity_id: str | None
    """The caller's batch id; null if the request had none."""
    entity_type: str = "batch"
    """As in the request."""
    parent_id: str | None = None
    """As in the request."""
    timestamp: UtcTime
    """When the event was made."""
    status: AssessmentStatus
    """`completed_successfully` if at least one essay has a score."""
    system_metadata: SystemProcessingMetadata
    """As in the request, with the stage that was reached."""
    cj_assessment_job_id: str
    """Id of the assessment; `INITIALIZATION_FAILED` if none was created."""


class CJAssessmentCompletedV1(_AssessmentEnded):
    """An assessment ended, with or without a ranking."""

    event_name: Literal["cj_assessment.completed"] = "cj_assessment.completed"
    """Always `cj_assessment.completed`."""
    processing_summary: ProcessingSummary
    """Which essays have a score."""


class CJAssessmentFailedV1(_AssessmentEnded):
    """An assessment failed or was cancelled. CJAssessmentCompletedV1 with all essays failed is published as well."""

    event_name: Literal["cj_assessment.failed"] = "cj_assessment.failed"
    """Always `cj_assessment.failed`."""
    status: Literal["failed_critically"] = "failed_critically"
    """Always `failed_critically`."""


class EssayResultV1(Outgoing):
    """The result of one essay or anchor."""

    essay_id: str
    """The caller's id; of an anchor `ANCHOR_<reference>_<8 hex digits>`."""
    normalized_score: Share
    """Score from 0 to 1 that the grade stands for; 0 without a grade."""
    letter_grade: Annotated[str, Field(pattern=LETTER_GRADE)]
    """The predicted grade, of an anchor its known one; `U` without one, or if the scale has other names."""
    confidence_score: Share
    """Probability of the grade."""
    confidence_label: ConfidenceLabel
    """HIGH from 0.70, MID from 0.40."""
    bt_score: Finite
    """Strength in logits."""
    rank: Annotated[int, Field(ge=1)]
    """Rank among the students' essays, from 1; of an anchor among all."""
    is_anchor: bool = False
    """Whether this is an anchor."""
    feedback_uri: str | None = None
    """Not used."""
    metrics_uri: str | None = None
    """Not used."""
    display_name: str | None = None
    """Name for people."""


class GradeProjectionSummary(Outgoing):
    """Predicted grades, by essay id."""

    projections_available: bool
    """Whether grades could be predicted."""
    reason: str | None = None
    """Why not."""
    primary_grades: dict[str, str] = {}
    """The grades, in the names of their scale."""
    confidence_labels: dict[str, ConfidenceLabel] = {}
    """HIGH, MID or LOW."""
    confidence_scores: dict[str, Share] = {}
    """Probabilities of the grades."""
    grade_probabilities: dict[str, dict[str, Share]] = {}
    """Probability of each grade of the scale."""
    calibration_info: dict[str, Any] = {}
    """How the anchors determined the grades."""
    bt_stats: dict[str, dict[str, Finite]] = {}
    """`bt_mean` and `bt_se`: strength and its standard error in logits."""


class AssessmentMetadata(Outgoing):
    """How a ranking came about."""

    anchor_essays_used: Count
    """Number of anchors in the comparisons."""
    calibration_method: str
    """How grades were predicted; `none` without grades."""
    anchor_grade_distribution: dict[str, int] = {}
    """Number of anchors with each grade."""
    comparison_count: Count
    """Number of comparisons that were judged."""
    processing_duration_seconds: Annotated[float, Field(ge=0)]
    """Seconds from the request to the end."""
    llm_temperature: float | None = None
    """Temperature of the judge; null: the model's own."""
    assignment_id: str | None = None
    """As in the request."""
    course_code: str | None = None
    """As in the request."""
    grade_projection_summary: GradeProjectionSummary
    """Predicted grades."""
    reliability: Share | None = None
    """Reliability of the ranking."""
    stop_reason: str | None = None
    """Why no more pairs were compared."""
    comparisons_per_essay: Annotated[float, Field(ge=0)] = 0.0
    """Mean number of comparisons of an essay."""
    order_effect: dict[str, Any] = {}
    """Advantage of the essay that is shown first, by judge, in logits."""
    judges: list[dict[str, Any]] = []
    """What is known about each judge."""
    warnings: list[str] = []
    """What a reader of the ranking should know."""
    cost_usd: float | None = None
    """Cost of all comparisons in USD; null: unknown."""


class AssessmentResultV1(Outgoing):
    """The ranking."""

    event_name: Literal["assessment.result.published"] = "assessment.result.published"
    """Always `assessment.result.published`."""
    entity_id: str | None = None
    """The caller's batch id."""
    entity_type: str = "batch"
    """As in the request."""
    parent_id: str | None = None
    """As in the request."""
    timestamp: UtcTime
    """When the event was made."""
    batch_id: str
    """The caller's batch id."""
    cj_assessment_job_id: str
    """Id of the assessment."""
    assignment_id: str | None = None
    """As in the request."""
    assessment_method: Literal["cj_assessment"] = "cj_assessment"
    """Always `cj_assessment`."""
    model_used: str
    """The model that judged most comparisons."""
    model_provider: str
    """Its provider."""
    model_version: str | None = None
    """Not used."""
    essay_results: list[EssayResultV1]
    """Students' essays and anchors."""
    assessment_metadata: AssessmentMetadata
    """How the ranking came about."""
    assessed_at: UtcTime
    """When the ranking was made."""


class ResourceConsumptionV1(Outgoing):
    """Comparisons to bill: those that were judged and not billed before."""

    event_name: Literal["resource.consumption.reported"] = "resource.consumption.reported"
    """Always `resource.consumption.reported`."""
    entity_id: str | None = None
    """The caller's batch id."""
    entity_type: str = "batch"
    """As in the request."""
    timestamp: UtcTime
    """When the event was made."""
    user_id: str
    """As in the request."""
    org_id: str | None = None
    """As in the request."""
    resource_type: Literal["cj_comparison"] = "cj_comparison"
    """Always `cj_comparison`."""
    quantity: Count
    """Number of comparisons."""
    service_name: str = ASSESSMENT_SERVICE_NAME
    """Always `cj_assessment_service`."""
    processing_id: str
    """Id of the assessment."""
    consumed_at: UtcTime
    """When the last of them was judged."""


class AssessmentProgressV1(Outgoing):
    """How far an assessment is."""

    cj_assessment_job_id: str
    """Id of the assessment."""
    batch_id: str
    """The caller's batch id."""
    state: CJBatchStateEnum
    """State of the assessment."""
    waiting_for: str | None = None
    """What the assessment waits for, if that is not a verdict: for example a provider on hold."""
    round: Count
    """The newest round, from 0."""
    planned: Count
    """Comparisons planned so far."""
    submitted: Count
    """Comparisons that the comparison service accepted."""
    completed: Count
    """Comparisons with a verdict."""
    failed: Count
    """Comparisons that failed for good."""
    reliability: Share | None = None
    """Reliability of the ranking so far."""
    cost_usd: float | None = None
    """Cost so far in USD; null: unknown."""
    occurred_at: UtcTime
    """When this was so."""
