"""A copy on the dead-letter topic fits, whatever was refused, and says whose result it was and why it was refused."""

import asyncio
from uuid import uuid4

import pytest
from confluent_kafka import Message
from confluent_kafka.admin import AdminClient, NewTopic
from umpire_events import TRACE, Remembered, read, result

from completion.dead_letters import SUMMARY_BYTES, Cut, DeadLetterTopic, dead_letter
from contracts.clock import utcnow
from contracts.encoding import loads
from contracts.enums import LLMErrorCode
from contracts.events import ErrorDetail
from contracts.settings import KafkaSettings
from contracts.topics import CALLBACK_DEAD_LETTER
from devtools.servers import apoll
from events.delivery_error import DeliveryError
from events.envelope import seal_result
from events.producer import Publisher
from ledger.outbox import Entry

TOO_LARGE = DeliveryError("MSG_SIZE_TOO_LARGE", retriable=False, too_large=True)
FORBIDDEN = DeliveryError("TOPIC_AUTHORIZATION_FAILED", retriable=False)


def entry(note: str = "", topic: str = "narrow", *, failed: bool = False) -> Entry:
    """A result as it stands in the outbox."""
    data = result(model="m" * 300, justification="å" * 500, request_metadata={"note": note})
    if failed:
        error = ErrorDetail(
            error_code=LLMErrorCode.AUTHENTICATION_FAILED,
            message="x" * 2_000,
            correlation_id=data.correlation_id,
            timestamp=utcnow(),
            service="llm_provider_service",
            operation="judge",
            details={"text": "y" * 2_000},
        )
        data = result(model="m" * 300, winner=None, justification=None, confidence=None, error_detail=error)
    sealed = seal_result(data, KafkaSettings(), traceparent=TRACE)
    return Entry(uuid4().hex.encode(), data.request_id, topic, sealed.correlation_id, sealed.value)


@pytest.mark.parametrize("failed", [False, True])
def test_a_summary_keeps_its_bound_with_the_longest_topic(failed: bool) -> None:
    refused = entry("x" * 60_000, "t" * 249, failed=failed)
    value, headers = dead_letter(refused, FORBIDDEN, Cut.SUMMARY)
    batch = 61 + 4 * len(headers)
    whole = len(value) + len(refused.key) + sum(len(name) + len(text or b"") for name, text in headers) + batch
    assert whole <= SUMMARY_BYTES
    event = loads(value)
    assert event["metadata"] == {
        "dead_letter_topic": "t" * 249,
        "dead_letter_reason": "TOPIC_AUTHORIZATION_FAILED",
        "dead_letter_truncated": "true",
    }
    assert event["data"]["request_id"] == refused.queue_id
    assert (event["data"]["winner"] is None, event["data"]["error_code"] is not None) == (failed, failed)


@pytest.mark.kafka
@pytest.mark.parametrize("any_kafka", ["apache"], indirect=True)
@pytest.mark.parametrize("error", [TOO_LARGE, FORBIDDEN], ids=["too large", "forbidden"])
async def test_at_a_limit_of_2000_bytes_every_copy_arrives(any_kafka: str, error: DeliveryError) -> None:
    prefix = f"t{uuid4().hex[:8]}."
    topic = prefix + CALLBACK_DEAD_LETTER
    narrow = NewTopic(topic, 1, 1, config={"max.message.bytes": "2000"})
    admin = AdminClient({"bootstrap.servers": any_kafka})
    await asyncio.to_thread(admin.create_topics([narrow])[topic].result)
    settings, observer = KafkaSettings(kafka_bootstrap=any_kafka, topic_prefix=prefix), Remembered()
    publisher = Publisher.alone(settings)
    dead_letters = DeadLetterTopic(publisher, settings, observer)
    refused = [entry("x" * size, failed=size == 10) for size in (0, 10, 500, 900, 5_000, 60_000) * 2]
    for one in refused:
        dead_letters.send(one, error)
    copies: list[Message] = []
    try:
        copies = await asyncio.to_thread(read, any_kafka, topic, len(refused))
    finally:
        await asyncio.to_thread(publisher.close, 5)
    assert observer == []
    events = {loads(copy.value() or b"")["event_id"]: copy for copy in copies}
    assert events.keys() == {loads(one.event)["event_id"] for one in refused}
    for one in refused:
        event_id = loads(one.event)["event_id"]
        headers = dict(events[event_id].headers() or [])
        assert headers["event_id"] == event_id.encode()
        assert (headers["dead_letter_topic"], headers["dead_letter_reason"]) == (b"narrow", error.code.encode())
        copy = loads(events[event_id].value() or b"")
        assert copy["data"]["request_id"] == one.queue_id
        assert headers["dead_letter_truncated"] == copy["metadata"]["dead_letter_truncated"].encode() == b"true"


@pytest.mark.kafka
@pytest.mark.parametrize("any_kafka", ["apache"], indirect=True)
async def test_where_not_even_a_summary_fits_it_is_counted(any_kafka: str) -> None:
    prefix = f"t{uuid4().hex[:8]}."
    topic = prefix + CALLBACK_DEAD_LETTER
    admin = AdminClient({"bootstrap.servers": any_kafka})
    tiny = NewTopic(topic, 1, 1, config={"max.message.bytes": "200"})
    await asyncio.to_thread(admin.create_topics([tiny])[topic].result)
    settings, observer = KafkaSettings(kafka_bootstrap=any_kafka, topic_prefix=prefix), Remembered()
    publisher, refused = Publisher.alone(settings), entry()
    DeadLetterTopic(publisher, settings, observer).send(refused, TOO_LARGE)
    await apoll(lambda: observer.named("lifecycle.dropped"), 20)
    await asyncio.to_thread(publisher.close, 1)
    (note,) = observer
    assert note.labels == {"event": CALLBACK_DEAD_LETTER, "reason": "MSG_SIZE_TOO_LARGE"}
    assert note.fields == {"queue_id": refused.queue_id}
