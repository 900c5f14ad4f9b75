"""Envelope and headers hold what contracts/events.py and CloudEvents say."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from umpire_events import TRACE, result

from contracts.encoding import dumps, loads
from contracts.enums import CircuitState, LLMProviderType
from contracts.events import EventEnvelope, LLMComparisonResultV1, LLMProviderStatusV1
from contracts.settings import KafkaSettings
from contracts.topics import result_event_id
from events.envelope import seal, seal_result
from events.headers import headers_of, headers_of_value


def test_a_result_keeps_every_field_through_encoding():
    sent = result()
    made = seal_result(sent, KafkaSettings(), traceparent=TRACE)
    assert EventEnvelope[LLMComparisonResultV1].model_validate_json(
        made.value
    ).data == LLMComparisonResultV1.model_validate_json(sent.model_dump_json())
    wire = loads(made.value)
    assert wire["data"]["request_metadata"] == {"essay_a_id": "1", "deep": {"list": [1, None, "å"]}}
    assert wire["data"]["winner"] == "Essay A"
    assert wire["source_service"] == "llm_provider_service"
    assert wire["schema_version"] == 1
    assert wire["metadata"] == {"traceparent": TRACE}
    assert wire["event_timestamp"].endswith("Z")


@pytest.mark.parametrize("traceparent", [TRACE, None])
def test_the_bytes_are_those_that_the_model_writes(traceparent):
    made = seal_result(result(), KafkaSettings(topic_prefix="odd-ly."), traceparent=traceparent)
    whole = EventEnvelope[LLMComparisonResultV1].model_validate_json(made.value)
    assert made.value == dumps(whole)
    assert set(loads(made.value)) == set(EventEnvelope.model_fields)


def test_a_results_type_is_the_conventional_topic_and_its_id_depends_on_the_request_only():
    data = result()
    one, two = (seal_result(data, KafkaSettings(topic_prefix="school.")) for _ in range(2))
    assert one.event_type == "school.llm_provider.comparison_result.v1"
    assert one.event_id == two.event_id == str(result_event_id(data.request_id))
    assert UUID(one.event_id).version == 5
    assert seal_result(result(), KafkaSettings()).event_id != one.event_id


def test_other_events_get_an_id_of_their_own():
    data = LLMProviderStatusV1(provider=LLMProviderType.MOCK, circuit_state=CircuitState.OPEN, since=datetime.now(UTC))
    ids = {seal(data, "t", uuid4()).event_id for _ in range(3)}
    assert len(ids) == 3
    made = seal(data, "t", uuid4())
    assert loads(made.value)["data"]["circuit_state"] == "open"
    assert loads(made.value)["correlation_id"] == made.correlation_id


def test_headers_are_cloudevents_in_binary_mode():
    data = result()
    made = seal_result(data, KafkaSettings(), traceparent=TRACE)
    headers = dict(headers_of(made, data.request_id))
    assert {name: value.decode() for name, value in headers.items()} == {
        "ce_specversion": "1.0",
        "event_id": made.event_id,
        "event_type": "huleedu.llm_provider.comparison_result.v1",
        "source_service": "llm_provider_service",
        "trace_id": TRACE.split("-")[1],
        "ce_id": made.event_id,
        "ce_type": "huleedu.llm_provider.comparison_result.v1",
        "ce_source": "llm_provider_service",
        "ce_subject": data.request_id,
        "ce_time": loads(made.value)["event_timestamp"],
        "content-type": "application/json",
        "traceparent": TRACE,
    }
    UUID(headers["ce_id"].decode())


def test_headers_of_a_stored_event_are_those_of_the_first_time():
    for traceparent in (TRACE, None):
        data = result()
        made = seal_result(data, KafkaSettings(), traceparent=traceparent)
        assert headers_of_value(made.value, data.request_id) == headers_of(made, data.request_id)


def test_what_an_event_lacks_is_no_header():
    data = LLMProviderStatusV1(provider=LLMProviderType.MOCK, circuit_state=CircuitState.OPEN, since=datetime.now(UTC))
    assert {"ce_subject", "traceparent", "trace_id"}.isdisjoint(dict(headers_of(seal(data, "t", uuid4()), None)))
