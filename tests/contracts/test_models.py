"""Models: frozen, strict about what comes in, lenient about what is read, UTC with a Z on the wire."""

import inspect
import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, ValidationError

from contracts import events, http
from contracts.base import Incoming, Outgoing
from contracts.clock import from_ms, iso, to_ms, utcnow
from contracts.encoding import dumps, loads
from contracts.enums import LLMErrorCode
from contracts.events import ErrorDetail, EventEnvelope, LLMComparisonResultV1, TokenUsage
from contracts.http import (
    LLMBatchRequest,
    LLMComparisonRequest,
    LLMConfigOverridesHTTP,
    LLMQueuedResponse,
    LLMRedeliveryRequest,
    PromptBlock,
)

MODELS = [
    model
    for module in (http, events)
    for _, model in inspect.getmembers(module, inspect.isclass)
    if issubclass(model, BaseModel) and model.__module__ == module.__name__
]
REQUESTS = [PromptBlock, LLMConfigOverridesHTTP, LLMComparisonRequest, LLMBatchRequest, LLMRedeliveryRequest]

MINIMAL = {"user_prompt": "Which is better?", "callback_topic": "answers"}
NOW = datetime(2026, 11, 21, 9, 30, 0, 123_456, tzinfo=UTC)


def result(**changes):
    fields = {
        "request_id": str(uuid4()),
        "correlation_id": str(uuid4()),
        "provider": "mock",
        "model": "mock-1",
        "response_time_ms": 12,
        "token_usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        "cost_estimate": 0.0,
        "requested_at": "2026-11-21T09:30:00Z",
        "completed_at": "2026-11-21T09:30:01Z",
        "request_metadata": {},
    }
    return fields | changes


VERDICT = {"winner": "Essay A", "justification": "Clearer.", "confidence": 4.0}
ERROR = {
    "error_detail": {
        "error_code": "LLM_PROVIDER_TIMEOUT",
        "message": "late",
        "correlation_id": str(uuid4()),
        "timestamp": "2026-11-21T09:30:00Z",
        "operation": "compare",
    }
}


def test_the_contract_models_are_here():
    assert len(MODELS) > 15
    for model in MODELS:
        assert issubclass(model, Incoming if model in REQUESTS else Outgoing), model


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_all_models_are_frozen(model):
    assert model.model_config["frozen"] is True


@pytest.mark.parametrize(
    "extra",
    [
        {"priorty": 1},
        {"llm_config_overrides": {"temprature_override": 1}},
        {"prompt_blocks": [{"target": "system", "content": "x", "cachable": True}]},
    ],
)
def test_an_unknown_field_in_a_request_is_refused_by_its_name(extra):
    with pytest.raises(ValidationError) as error:
        LLMComparisonRequest.model_validate(MINIMAL | extra)
    (problem,) = error.value.errors()
    assert problem["type"] == "extra_forbidden"
    assert problem["loc"][-1] in {"priorty", "temprature_override", "cachable"}


def test_an_unknown_field_in_an_event_is_ignored():
    parsed = LLMComparisonResultV1.model_validate(result(**VERDICT, novelty=1))
    assert "novelty" not in parsed.model_dump()
    assert TokenUsage.model_validate({"prompt_tokens": 1, "reasoning": 5}).prompt_tokens == 1


def test_a_request_needs_two_fields_and_has_the_contracts_defaults():
    request = LLMComparisonRequest.model_validate(MINIMAL)
    assert (request.priority, request.metadata, request.processing_mode, request.ttl_seconds) == (0, {}, None, None)
    block = PromptBlock.model_validate({"target": "system", "content": "x"})
    assert (block.cacheable, block.ttl, block.content_hash) == (False, "5m", None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"priority": 11},
        {"priority": -1},
        {"ttl_seconds": 0},
        {"user_prompt": ""},
        {"callback_topic": None},
        {"correlation_id": "x"},
        {"processing_mode": "later"},
        {"llm_config_overrides": {"temperature_override": 2.1}},
        {"llm_config_overrides": {"max_tokens_override": 0}},
        {"llm_config_overrides": {"provider_override": "acme"}},
        {"llm_config_overrides": {"reasoning_effort": "most"}},
        {"prompt_blocks": [{"target": "assistant", "content": "x"}]},
        {"prompt_blocks": [{"target": "system", "content": "x", "ttl": "2h"}]},
    ],
)
def test_values_outside_the_contract_are_refused(wrong):
    with pytest.raises(ValidationError):
        LLMComparisonRequest.model_validate(MINIMAL | wrong)


def test_metadata_is_kept_verbatim():
    metadata = {"essay_a_id": "1", "n": [1, 2.5, None, {"å": True}], "total_tokens": "mine"}
    request = LLMComparisonRequest.model_validate_json(dumps(MINIMAL | {"metadata": metadata}))
    assert loads(dumps(request.metadata)) == metadata


def test_a_result_is_a_success_or_an_error():
    assert LLMComparisonResultV1.model_validate(result(**VERDICT)).error_detail is None
    assert LLMComparisonResultV1.model_validate(result(**ERROR)).winner is None


@pytest.mark.parametrize(
    "neither",
    [
        {},
        VERDICT | ERROR,
        ERROR | {"confidence": 3.0},
        ERROR | {"winner": "Essay B"},
        *({key: value for key, value in VERDICT.items() if key != missing} for missing in VERDICT),
    ],
)
def test_a_result_that_is_both_or_neither_is_refused(neither):
    with pytest.raises(ValidationError):
        LLMComparisonResultV1.model_validate(result(**neither))


@pytest.mark.parametrize(
    "wrong",
    [
        {"confidence": 0.9},
        {"confidence": 5.1},
        {"justification": "x" * 501},
        {"winner": "essay_a"},
        {"cost_estimate": -0.1},
        {"response_time_ms": -1},
        {"token_usage": {"prompt_tokens": -1}},
    ],
)
def test_a_result_keeps_the_contracts_bounds(wrong):
    with pytest.raises(ValidationError):
        LLMComparisonResultV1.model_validate(result(**VERDICT) | wrong)


def test_no_stack_trace_goes_over_the_wire():
    with pytest.raises(ValidationError):
        ErrorDetail.model_validate(ERROR["error_detail"] | {"stack_trace": "Traceback"})
    assert json.loads(ErrorDetail.model_validate(ERROR["error_detail"]).model_dump_json())["stack_trace"] is None


def test_times_are_utc_with_a_z_wherever_they_came_from():
    eastern = timezone(timedelta(hours=2))
    made = LLMComparisonResultV1.model_validate(
        result(**VERDICT, requested_at=NOW.astimezone(eastern), completed_at="2026-11-21T11:30:01+02:00")
    )
    wire = json.loads(made.model_dump_json())
    assert wire["requested_at"] == "2026-11-21T09:30:00.123Z"
    assert wire["completed_at"] == "2026-11-21T09:30:01.000Z"
    with pytest.raises(ValidationError):
        LLMComparisonResultV1.model_validate(result(**VERDICT, requested_at="2026-11-21T09:30:00"))


def test_the_clock_is_utc_and_counts_milliseconds():
    assert utcnow().utcoffset() == timedelta(0)
    assert iso(NOW) == "2026-11-21T09:30:00.123Z"
    assert from_ms(to_ms(NOW)) == NOW.replace(microsecond=123_000)


def test_the_envelope_carries_any_event_and_its_defaults():
    event = LLMComparisonResultV1.model_validate(result(**VERDICT))
    envelope = EventEnvelope[LLMComparisonResultV1](
        event_id=uuid4(), event_type="t", event_timestamp=NOW, correlation_id=event.correlation_id, data=event
    )
    wire = json.loads(envelope.model_dump_json())
    assert (wire["source_service"], wire["schema_version"]) == ("llm_provider_service", 1)
    assert wire["event_timestamp"].endswith("Z")
    again = EventEnvelope[LLMComparisonResultV1].model_validate_json(dumps(wire | {"new": 1}))
    assert again.data == LLMComparisonResultV1.model_validate(wire["data"])


def test_the_202_says_queued():
    response = LLMQueuedResponse(queue_id=UUID(int=1), message="m", correlation_id=UUID(int=2))
    assert json.loads(response.model_dump_json())["status"] == "queued"


def test_token_usage_adds_up():
    one = TokenUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    assert one + one == TokenUsage(prompt_tokens=2, completion_tokens=4, total_tokens=6)
    assert TokenUsage() + one == one


def test_error_codes_are_parsed_as_a_closed_set():
    with pytest.raises(ValidationError):
        ErrorDetail.model_validate(ERROR["error_detail"] | {"error_code": "LLM_NEW"})
    assert ErrorDetail.model_validate(ERROR["error_detail"]).error_code is LLMErrorCode.PROVIDER_TIMEOUT
