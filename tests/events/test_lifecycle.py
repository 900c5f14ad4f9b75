"""Lifecycle events: best effort, and never in the way."""

import time
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

import pytest
from umpire_events import Remembered, read

from contracts.enums import CircuitState, LLMProviderType, QueueEvent, QueueStatus
from contracts.events import (
    EventEnvelope,
    LLMCostAlertV1,
    LLMCostTrackingV1,
    LLMProviderFailureV1,
    LLMProviderStatusV1,
    LLMQueueStatusV1,
    LLMRequestCompletedV1,
    LLMRequestStartedV1,
)
from contracts.settings import KafkaSettings
from devtools.servers import free_port, poll
from events.lifecycle import Lifecycle
from events.producer import Publisher

pytestmark = pytest.mark.kafka

MOCK = LLMProviderType.MOCK
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def queued():
    return LLMQueueStatusV1(
        queue_id=str(uuid4()),
        correlation_id=uuid4(),
        status=QueueStatus.QUEUED,
        event=QueueEvent.QUEUED,
        provider=MOCK,
        attempt=0,
        occurred_at=NOW,
    )


EVENTS = {
    "queue_status": queued(),
    "request_started": LLMRequestStartedV1(provider=MOCK, correlation_id=uuid4()),
    "request_completed": LLMRequestCompletedV1(provider=MOCK, correlation_id=uuid4(), success=True, response_time_ms=1),
    "failure": LLMProviderFailureV1(
        provider=MOCK, failure_type="timeout", correlation_id=uuid4(), error_details="", circuit_breaker_opened=False
    ),
    "provider_status": LLMProviderStatusV1(provider=MOCK, circuit_state=CircuitState.OPEN, since=NOW),
    "cost_tracking": LLMCostTrackingV1(
        correlation_id=uuid4(),
        provider=MOCK,
        model="m",
        cost_estimate_usd=0.1,
        token_usage={"total_tokens": 1},
        request_timestamp=NOW,
        response_time_ms=1,
    ),
    "cost_alert": LLMCostAlertV1(
        alert_type="daily_limit", current_cost=0.9, threshold=0.8, period="2026-11-21", metadata={"key_id": "k"}
    ),
}


def start(bootstrap, observer, prefix="huleedu.", **settings):
    settings = KafkaSettings(kafka_bootstrap=bootstrap, topic_prefix=prefix, **settings)
    publisher = Publisher(settings, observer)
    return publisher, Lifecycle(publisher, settings, observer)


def test_each_event_arrives_on_its_own_topic_as_its_own_model(any_kafka):
    observer, prefix = Remembered(), f"{uuid4().hex}."
    publisher, lifecycle = start(any_kafka, observer, prefix)
    for event in EVENTS.values():
        lifecycle.send(event, SimpleNamespace(queue_id="q-1", traceparent="00-1-2-01"))
    assert publisher.close(30) == 0
    assert observer.named("lifecycle.dropped") == []
    for name, event in EVENTS.items():
        topic = f"{prefix}llm_provider.{name}.v1"
        (message,) = read(any_kafka, topic, 1)
        envelope = EventEnvelope[type(event)].model_validate_json(message.value())
        assert envelope.data == event
        assert (envelope.event_type, str(envelope.correlation_id)) == (topic, message.key().decode())
        headers = dict(message.headers())
        assert (headers["ce_subject"], headers["traceparent"]) == (b"q-1", b"00-1-2-01")


def test_with_no_broker_events_are_dropped_and_counted_and_telling_takes_no_time():
    observer = Remembered()
    publisher, lifecycle = start(f"127.0.0.1:{free_port()}", observer, kafka_delivery_timeout_seconds=1)
    lifecycle.send(EVENTS["queue_status"])
    poll(lambda: publisher.away, 10)
    started = time.monotonic()
    for _ in range(500):
        lifecycle.send(EVENTS["queue_status"])
    assert time.monotonic() - started < 0.5
    poll(lambda: len(observer.named("lifecycle.dropped")) == 501, 10)
    assert {note.labels["event"] for note in observer.named("lifecycle.dropped")} == {"llm_provider.queue_status.v1"}
    publisher.close(0)


def test_they_leave_half_of_the_queue_to_results(monkeypatch):
    monkeypatch.setattr("events.config.QUEUE_EVENTS", 10)
    monkeypatch.setattr("events.producer.QUEUE_EVENTS", 10)
    observer = Remembered()
    publisher, lifecycle = start(f"127.0.0.1:{free_port()}", observer)
    for _ in range(12):
        lifecycle.send(EVENTS["queue_status"])
    assert len(observer.named("lifecycle.dropped")) >= 7
    reports = []
    for _ in range(5):
        publisher.publish("results", "k", b"v", [], reports.append)
    assert reports == []
    publisher.close(0)


def test_they_flow_again_by_themselves_once_the_broker_is_back(kafka_server):
    """Nothing but lifecycle events may be sent by a process (the API): they find out themselves."""
    observer, prefix = Remembered(), f"{uuid4().hex}."
    server = kafka_server()
    publisher, lifecycle = start(server.bootstrap, observer, prefix)
    lifecycle.send(EVENTS["queue_status"])
    assert publisher.flush(20) == 0
    server.kill()
    poll(lambda: lifecycle.send(EVENTS["queue_status"]) or publisher.away, 10)
    server.start()

    def back():
        lifecycle.send(EVENTS["queue_status"])
        return not publisher.away

    poll(back, 60, every=0.1)
    publisher.close(5)


async def test_one_that_cannot_be_written_is_counted_and_takes_no_other_with_it(kafka_bootstrap):
    observer, prefix, lost = Remembered(), f"{uuid4().hex}.", []
    publisher, lifecycle = start(kafka_bootstrap, observer, prefix)
    bad = EVENTS["request_started"].model_copy(update={"metadata": {"x": object()}})
    for event in (queued(), bad, queued()):
        lifecycle.send(event, dropped=lambda: lost.append(1))
    lifecycle.flush()
    assert publisher.close(30) == 0
    assert lost == [1]
    (note,) = observer.named("lifecycle.dropped")
    assert note.labels == {"event": "llm_provider.request_started.v1", "reason": "unwritable"}
    assert len(read(kafka_bootstrap, f"{prefix}llm_provider.queue_status.v1", 2)) == 2
