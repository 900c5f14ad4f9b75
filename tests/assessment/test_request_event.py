"""Request events: what producers send is read, and what is wrong is an error that names the field."""

import json
from uuid import UUID, uuid4

import pytest

from assessment.errors import InvalidAssessmentRequest, UnreadableEvent
from assessment.request_event import read_request_event
from contracts.enums import CJAssessmentErrorCode, LLMBatchingMode, ReasoningEffort

EVENT_ID = str(uuid4())
CORRELATION = str(uuid4())

DATA = {
    "event_name": "els.cj_assessment.requested",
    "entity_id": "batch-1",
    "entity_type": "batch",
    "parent_id": None,
    "timestamp": "2026-11-30T11:00:00Z",
    "system_metadata": {
        "entity_id": "batch-1",
        "entity_type": "batch",
        "timestamp": "2026-11-30T11:00:00Z",
        "processing_stage": "pending",
        "error_info": {},
    },
    "essays_for_cj": [
        {"essay_id": "e1", "text_storage_id": "s1", "spellcheck_metrics": {"total": 3}},
        {"essay_id": "e2", "text_storage_id": "s2"},
    ],
    "language": "en",
    "course_code": "ENG5",
    "student_prompt_ref": {"references": {"student_prompt_text": {"storage_id": "p1", "path": ""}}},
    "llm_config_overrides": {"provider_override": "anthropic", "temperature_override": 0.0},
    "assignment_id": None,
    "user_id": "user-1",
    "org_id": None,
}


def event(metadata=None, **data):
    return json.dumps(
        {
            "event_id": EVENT_ID,
            "event_type": "huleedu.els.cj_assessment.requested.v1",
            "event_timestamp": "2026-11-30T11:00:00Z",
            "source_service": "essay_lifecycle_service",
            "schema_version": 1,
            "correlation_id": CORRELATION,
            "data": DATA | data,
            "metadata": metadata,
        }
    ).encode()


def without(name):
    envelope = json.loads(event())
    del envelope["data"][name]
    return json.dumps(envelope).encode()


def refused(value):
    with pytest.raises(InvalidAssessmentRequest) as error:
        read_request_event(value)
    return error.value


def test_a_full_request_is_read():
    read = read_request_event(event({"max_comparisons": 300, "traceparent": "00-x"}))
    assert (read.identity.event_id, read.identity.correlation_id) == (UUID(EVENT_ID), UUID(CORRELATION))
    assert read.request.essays == {"e1": "s1", "e2": "s2"}
    assert read.request.student_prompt_storage_id == "p1"
    assert read.request.llm_config_overrides.temperature_override == 0.0
    assert (read.options.max_comparisons, read.options.traceparent) == (300, "00-x")
    assert read.original == json.loads(event({"max_comparisons": 300, "traceparent": "00-x"}))


def test_optional_parts_may_be_missing_or_null():
    envelope = json.loads(event(llm_config_overrides=None, student_prompt_ref=None))
    for name in ("event_name", "entity_type", "parent_id", "timestamp", "system_metadata", "org_id", "assignment_id"):
        del envelope["data"][name]
    del envelope["metadata"]
    read = read_request_event(json.dumps(envelope).encode())
    assert read.request.system_metadata is None
    assert read.request.student_prompt_storage_id is None
    assert read.options.max_comparisons is None
    assert read.options.batch_config_overrides.batch_size is None


@pytest.mark.parametrize(
    "extra",
    [
        {"novelty": 1},
        {"llm_config_overrides": {"novelty": 1}},
        {"essays_for_cj": [{"essay_id": "e1", "text_storage_id": "s1", "novelty": 1}]},
        {"system_metadata": {"entity": {"entity_id": "batch-1", "entity_type": "batch"}}},
        {"system_metadata": {"entity_id": "batch-1", "timestamp": "2026-11-30T11:00:00"}},
    ],
)
def test_what_is_unknown_is_ignored_and_older_forms_are_read(extra):
    request = read_request_event(event(**extra)).request
    assert request.entity_id == "batch-1"
    assert request.system_metadata.entity_id == "batch-1"
    assert request.system_metadata.timestamp.utcoffset().total_seconds() == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"entity_id": ""}, "entity_id"),
        ({"entity_id": 7}, "entity_id"),
        ({"essays_for_cj": []}, "essays_for_cj"),
        ({"essays_for_cj": "e1"}, "essays_for_cj"),
        ({"essays_for_cj": [{"essay_id": "x" * 37, "text_storage_id": "s"}]}, "essays_for_cj.0.essay_id"),
        ({"essays_for_cj": [{"essay_id": "e", "text_storage_id": "s" * 257}]}, "essays_for_cj.0.text_storage_id"),
        ({"essays_for_cj": [{"essay_id": "e"}]}, "essays_for_cj.0.text_storage_id"),
        (
            {"essays_for_cj": [{"essay_id": "e", "text_storage_id": "s"}, {"essay_id": "e", "text_storage_id": "t"}]},
            "essays_for_cj",
        ),
        ({"language": "x" * 11}, "language"),
        ({"course_code": None}, "course_code"),
        ({"user_id": None}, "user_id"),
        ({"assignment_id": "x" * 101}, "assignment_id"),
        ({"llm_config_overrides": {"temperature_override": 2.5}}, "llm_config_overrides.temperature_override"),
        ({"llm_config_overrides": {"max_tokens_override": 0}}, "llm_config_overrides.max_tokens_override"),
        ({"llm_config_overrides": {"reasoning_effort": "most"}}, "llm_config_overrides.reasoning_effort"),
        ({"student_prompt_ref": {"references": {"student_prompt_text": {}}}},
         "student_prompt_ref.references.student_prompt_text.storage_id"),
        ({"system_metadata": {"processing_stage": "later"}}, "system_metadata.processing_stage"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(change, field):
    error = refused(event(**change))
    assert (error.field, error.code) == (field, CJAssessmentErrorCode.INVALID_REQUEST)
    assert error.identity.event_id == UUID(EVENT_ID)


@pytest.mark.parametrize("name", ["entity_id", "essays_for_cj", "language", "course_code", "user_id"])
def test_a_missing_field_is_named(name):
    assert refused(without(name)).field == name


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"max_comparisons": 0}, "metadata.max_comparisons"),
        ({"max_comparisons": "many"}, "metadata.max_comparisons"),
        ({"batch_config_overrides": {"batch_size": 9}}, "metadata.batch_config_overrides.batch_size"),
        ({"batch_config_overrides": {"batch_size": 201}}, "metadata.batch_config_overrides.batch_size"),
        ({"batch_config_overrides": {"max_concurrent_batches": 6}},
         "metadata.batch_config_overrides.max_concurrent_batches"),
        ({"batch_config_overrides": {"partial_completion_threshold": 0.4}},
         "metadata.batch_config_overrides.partial_completion_threshold"),
        ({"batch_config_overrides": {"llm_batching_mode_override": "some"}},
         "metadata.batch_config_overrides.llm_batching_mode_override"),
        ({"batch_config_overrides": 7}, "metadata.batch_config_overrides"),
    ],
)  # fmt: skip
def test_an_option_out_of_bounds_is_named(metadata, field):
    assert refused(event(metadata)).field == field


@pytest.mark.parametrize("value", [7, "x", [1]])
def test_data_or_metadata_that_is_no_object_is_named(value):
    envelope = json.loads(event())
    assert refused(json.dumps(envelope | {"data": value}).encode()).field == "data"
    assert refused(json.dumps(envelope | {"metadata": value}).encode()).field == "metadata"


def test_modes_and_levels_are_read_in_any_case_and_an_unknown_hint_is_none():
    options = read_request_event(event({"llm_batching_mode_hint": " Serial_Bundle"})).options
    assert options.batching_mode is LLMBatchingMode.SERIAL_BUNDLE
    assert read_request_event(event({"llm_batching_mode_hint": "whatever"})).options.batching_mode is None
    both = {
        "llm_batching_mode_hint": "per_request",
        "batch_config_overrides": {"llm_batching_mode_override": "PROVIDER_BATCH_API"},
    }
    assert read_request_event(event(both)).options.batching_mode is LLMBatchingMode.PROVIDER_BATCH_API
    request = read_request_event(event(llm_config_overrides={"reasoning_effort": "LOW"})).request
    assert request.llm_config_overrides.reasoning_effort is ReasoningEffort.LOW


def test_an_essay_that_is_listed_twice_with_one_text_counts_once():
    essay = {"essay_id": "e1", "text_storage_id": "s1"}
    assert read_request_event(event(essays_for_cj=[essay, essay])).request.essays == {"e1": "s1"}


def test_an_invalid_request_keeps_what_the_failed_event_needs():
    error = refused(event(language=None, essays_for_cj=[{"essay_id": "e1"}, {"essay_id": "e1"}, {"essay_id": 3}, "x"]))
    assert error.identity.entity_id == "batch-1"
    assert error.identity.essay_ids == ("e1",)
    assert error.identity.system_metadata == DATA["system_metadata"]


def test_an_event_without_ids_gets_the_same_ones_each_time():
    envelope = json.loads(event())
    del envelope["event_id"], envelope["correlation_id"]
    value = json.dumps(envelope).encode()
    first, again = read_request_event(value).identity, read_request_event(value).identity
    assert first == again
    assert first.correlation_id == first.event_id
    assert read_request_event(value + b" ").identity.event_id != first.event_id


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"7", b"\xff\xfe", b"null"])
def test_what_is_no_json_object_is_unreadable(value):
    with pytest.raises(UnreadableEvent):
        read_request_event(value)


def test_no_message_quotes_what_was_sent():
    error = refused(event(course_code={"secret": "canary"}, language="canary-canary"))
    assert "canary" not in str(error)
