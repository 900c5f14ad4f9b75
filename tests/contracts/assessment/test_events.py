"""The assessment's events: byte for byte as in golden/, and readable by models as strict as those of their readers."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
import umpire_assessment_readers as strict
from pydantic import ValidationError

from contracts import topics
from contracts.assessment.events import (
    AssessmentErrorInfo,
    AssessmentMetadata,
    AssessmentProgressV1,
    AssessmentResultV1,
    CJAssessmentCompletedV1,
    CJAssessmentFailedV1,
    EssayResultV1,
    GradeProjectionSummary,
    ProcessingSummary,
    ResourceConsumptionV1,
)
from contracts.assessment.metadata import (
    ASSESSMENT_SERVICE_NAME,
    CJLLMComparisonMetadata,
    SystemProcessingMetadata,
)
from contracts.enums import CJAssessmentErrorCode, CJBatchStateEnum, LLMBatchingMode, ProcessingStage
from contracts.events import EventEnvelope

HERE = Path(__file__).parent

NOW = datetime(2026, 11, 30, 12, 0, 0, 250_000, tzinfo=UTC)
JOB = UUID("7b1c8a52-6a0e-4e0b-9a55-0d4c1f5b9a01")
CORRELATION = UUID("00000000-0000-4000-8000-000000000001")


def metadata(stage, **changes):
    return SystemProcessingMetadata(
        entity_id="batch-1", entity_type="batch", timestamp=NOW, processing_stage=stage, started_at=NOW, **changes
    )


SUMMARY = ProcessingSummary(
    total_essays=3,
    successful=2,
    failed=1,
    successful_essay_ids=["e1", "e2"],
    failed_essay_ids=["e3"],
    processing_time_seconds=61.5,
)
COMPLETED = CJAssessmentCompletedV1(
    entity_id="batch-1",
    timestamp=NOW,
    status="completed_successfully",
    system_metadata=metadata(ProcessingStage.COMPLETED, completed_at=NOW, event="cj_assessment.completed"),
    cj_assessment_job_id=str(JOB),
    processing_summary=SUMMARY,
)
FAILED = CJAssessmentFailedV1(
    entity_id="batch-1",
    timestamp=NOW,
    system_metadata=metadata(
        ProcessingStage.FAILED,
        error_info=AssessmentErrorInfo(
            error_code=CJAssessmentErrorCode.INVALID_REQUEST,
            error_message="essays_for_cj: List should have at least 1 item",
            correlation_id=CORRELATION,
            timestamp=NOW,
            details={"field": "essays_for_cj"},
        ).model_dump(mode="json"),
    ),
    cj_assessment_job_id="INITIALIZATION_FAILED",
)
ESSAYS = [
    EssayResultV1(
        essay_id="e1",
        normalized_score=0.8,
        letter_grade="B",
        confidence_score=0.71,
        confidence_label="HIGH",
        bt_score=1.25,
        rank=1,
        display_name="Ash",
    ),
    EssayResultV1(
        essay_id="ANCHOR_e5_0123abcd",
        normalized_score=0.07,
        letter_grade="F+",
        confidence_score=1.0,
        confidence_label="HIGH",
        bt_score=-2.0,
        rank=4,
        is_anchor=True,
    ),
]
PROJECTIONS = GradeProjectionSummary(
    projections_available=True,
    primary_grades={"e1": "B"},
    confidence_labels={"e1": "HIGH"},
    confidence_scores={"e1": 0.71},
    grade_probabilities={"e1": {"A": 0.29, "B": 0.71}},
    calibration_info={"scale": "swedish_8_anchor"},
    bt_stats={"e1": {"bt_mean": 1.25, "bt_se": 0.3}},
)
RESULT = AssessmentResultV1(
    entity_id="batch-1",
    timestamp=NOW,
    batch_id="batch-1",
    cj_assessment_job_id=str(JOB),
    assignment_id="essay-1",
    model_used="mock-1",
    model_provider="mock",
    essay_results=ESSAYS,
    assessment_metadata=AssessmentMetadata(
        anchor_essays_used=1,
        calibration_method="ordinal",
        anchor_grade_distribution={"F+": 1},
        comparison_count=40,
        processing_duration_seconds=61.5,
        assignment_id="essay-1",
        course_code="ENG5",
        grade_projection_summary=PROJECTIONS,
        reliability=0.91,
        stop_reason="target",
        comparisons_per_essay=10.0,
        order_effect={"mock:mock-1": 0.1},
        judges=[{"provider": "mock", "model": "mock-1", "comparisons": 40}],
        warnings=["anchor e9 was left out: its text could not be fetched"],
        cost_usd=0.12,
    ),
    assessed_at=NOW,
)
CONSUMPTION = ResourceConsumptionV1(
    entity_id="batch-1",
    timestamp=NOW,
    user_id="user-1",
    org_id="org-1",
    quantity=40,
    processing_id=str(JOB),
    consumed_at=NOW,
)
PROGRESS = AssessmentProgressV1(
    cj_assessment_job_id=str(JOB),
    batch_id="batch-1",
    state=CJBatchStateEnum.WAITING_CALLBACKS,
    waiting_for="provider anthropic on hold",
    round=2,
    planned=40,
    submitted=40,
    completed=31,
    failed=1,
    reliability=0.7,
    cost_usd=0.1,
    occurred_at=NOW,
)
EVENTS = {
    "completed": (COMPLETED, topics.ASSESSMENT_COMPLETED, strict.Completed),
    "failed": (FAILED, topics.ASSESSMENT_FAILED, strict.Update),
    "result": (RESULT, topics.ASSESSMENT_RESULT, strict.Result),
    "consumption": (CONSUMPTION, topics.RESOURCE_CONSUMPTION, strict.Consumption),
    "progress": (PROGRESS, topics.ASSESSMENT_PROGRESS, None),
}


def sealed(name):
    event, topic, _ = EVENTS[name]
    return EventEnvelope[type(event)](
        event_id=topics.assessment_event_id(JOB, topic, 1),
        event_type=f"huleedu.{topic}",
        event_timestamp=NOW,
        source_service=ASSESSMENT_SERVICE_NAME,
        correlation_id=CORRELATION,
        data=event,
    ).model_dump_json(indent=2)


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_byte_for_byte_the_golden_one(name):
    assert sealed(name) + "\n" == (HERE / "golden" / f"{name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name, row in EVENTS.items() if row[2]])
def test_a_strict_model_of_a_reader_parses_the_golden_event(name):
    read = strict.Envelope[EVENTS[name][2]].model_validate_json((HERE / "golden" / f"{name}.json").read_text("utf-8"))
    assert read.data.event_name.value == EVENTS[name][0].event_name


def test_a_reader_finds_the_projections_in_the_metadata_and_both_lists_in_the_summary():
    projections = json.loads(sealed("result"))["data"]["assessment_metadata"]["grade_projection_summary"]
    assert strict.Projections.model_validate(projections).primary_grades == {"e1": "B"}
    summary = json.loads(sealed("completed"))["data"]["processing_summary"]
    assert (summary["successful_essay_ids"], summary["failed_essay_ids"]) == (["e1", "e2"], ["e3"])


def test_an_event_id_depends_on_subject_kind_and_version_only():
    ids = {
        topics.assessment_event_id(subject, kind, version)
        for subject in (JOB, CORRELATION)
        for kind in (topics.ASSESSMENT_COMPLETED, topics.ASSESSMENT_RESULT)
        for version in (1, 2)
    }
    assert len(ids) == 8
    assert topics.assessment_event_id(str(JOB), "x", 1) == topics.assessment_event_id(JOB, "x", 1)
    # Pinned: consumers have seen it.
    assert str(topics.assessment_event_id(UUID(int=0), topics.ASSESSMENT_COMPLETED, 1)) == (
        "8a499c17-ebee-5ac5-aa7e-ab648da71a1b"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"failed_essay_ids": ["e2"]},
        {"failed_essay_ids": []},
        {"successful": 3},
        {"total_essays": 4},
        {"successful_essay_ids": ["e1", "e1"]},
    ],
)
def test_an_essay_is_in_exactly_one_list(wrong):
    with pytest.raises(ValidationError, match="exactly one"):
        ProcessingSummary.model_validate(SUMMARY.model_dump() | wrong)


@pytest.mark.parametrize("grade", ["A", "A-", "B+", "F+", "E-", "U"])
def test_letter_grades_that_readers_accept(grade):
    assert EssayResultV1.model_validate(ESSAYS[0].model_dump() | {"letter_grade": grade}).letter_grade == grade


@pytest.mark.parametrize(
    "wrong",
    [{"letter_grade": "7"}, {"letter_grade": "G"}, {"rank": 0}, {"confidence_score": 1.1}, {"bt_score": float("nan")},
     {"normalized_score": -0.1}, {"confidence_label": "high"}],
)  # fmt: skip
def test_a_result_that_readers_would_refuse_is_not_made(wrong):
    with pytest.raises(ValidationError):
        EssayResultV1.model_validate(ESSAYS[0].model_dump() | wrong)


def test_a_failed_event_has_no_other_status():
    with pytest.raises(ValidationError):
        CJAssessmentFailedV1.model_validate(FAILED.model_dump() | {"status": "completed_successfully"})


def test_comparison_metadata_has_the_agreed_names_and_keeps_others():
    made = CJLLMComparisonMetadata(
        essay_a_id="a",
        essay_b_id="b",
        cj_batch_id="7",
        comparison_iteration=0,
        cj_llm_batching_mode=LLMBatchingMode.SERIAL_BUNDLE,
        extra="kept",
    ).as_metadata()
    assert made == {
        "essay_a_id": "a",
        "essay_b_id": "b",
        "cj_batch_id": "7",
        "comparison_iteration": 0,
        "cj_llm_batching_mode": "serial_bundle",
        "extra": "kept",
    }


def test_the_topics_are_the_contracts():
    assert topics.ASSESSMENT_REQUESTED == "els.cj_assessment.requested.v1"
    assert topics.ASSESSMENT_COMPLETED == "cj_assessment.completed.v1"
    assert topics.ASSESSMENT_FAILED == "cj_assessment.failed.v1"
    assert topics.ASSESSMENT_RESULT == "assessment.result.published.v1"
    assert topics.ASSESSMENT_PROGRESS == "cj_assessment.progress.v1"
    assert topics.RESOURCE_CONSUMPTION == "resource.consumption.v1"
    assert {topics.ASSESSMENT_PROGRESS, topics.RESOURCE_CONSUMPTION} < topics.own_topics("")


def test_codes_states_and_stages_are_the_contracts():
    assert [code.value for code in CJAssessmentErrorCode] == [
        "CJ_INSUFFICIENT_COMPARISONS", "CJ_SCORE_CONVERGENCE_FAILED", "CJ_COMPARISON_IMBALANCE",
        "CJ_CALLBACK_CORRELATION_FAILED", "CJ_INVALID_REQUEST", "CJ_UNKNOWN_ASSIGNMENT", "CJ_CONTENT_UNAVAILABLE",
        "CJ_CANCELLED", "CJ_STUCK",
    ]  # fmt: skip
    assert [state.value for state in CJBatchStateEnum] == [
        "INITIALIZING", "GENERATING_PAIRS", "WAITING_CALLBACKS", "SCORING", "COMPLETED", "FAILED", "CANCELLED",
    ]  # fmt: skip
    assert [stage.value for stage in ProcessingStage] == [stage.value for stage in strict.Stage]
