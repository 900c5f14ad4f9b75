"""The relay clears the outbox by Kafka's reports alone."""

import asyncio
import time
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from umpire_events import TRACE, Remembered, read, result

from completion.dead_letters import DeadLetterTopic
from completion.relay import Relay
from contracts.encoding import dumps, loads
from contracts.errors import Unavailable
from contracts.settings import KafkaSettings, ServiceSettings, Settings
from contracts.topics import CALLBACK_DEAD_LETTER
from devtools.servers import apoll, free_port
from events.envelope import seal_result
from events.headers import headers_of
from events.producer import Publisher
from ledger.outbox import Disposition, Entry, Undelivered

pytestmark = pytest.mark.kafka


class Outbox:
    """What the ledger's outbox does as far as the relay sees it; may be away for its first few calls."""

    def __init__(self, failures=0):
        self.calls = []
        self.failures = failures
        self.failed = []
        self.entries = {}

    @property
    def confirmed(self):
        return [entry_id for call in self.calls for entry_id in call]

    async def confirm(self, delivered):
        if self.failures:
            self.failures -= 1
            raise Unavailable("away")
        self.calls.append([one.entry_id for one in delivered])

    async def undelivered(self, failures):
        self.failed += failures
        return [
            (Disposition.DEAD, self.entries.get(one.entry_id)) if one.patience == 0 else (Disposition.WAITS, None)
            for one in failures
        ]

    async def read(self, entry_ids):
        return [self.entries[entry_id] for entry_id in entry_ids if entry_id in self.entries]


def entry(topic, *, large=False):
    data = {"winner": "Essay A", "request_metadata": {"note": "x" * (5000 if large else 5)}}
    event = {"event_id": str(uuid4()), "event_type": "t", "event_timestamp": "2026-11-21T00:00:00.000Z", "data": data}
    return Entry(uuid4().hex.encode(), str(uuid4()), topic, "key", dumps(event | {"metadata": {"traceparent": "00-x"}}))


@pytest.fixture
def topic():
    return f"test.{uuid4().hex}"


def make_relay(publisher, alone, outbox, kafka, observer=None, callback_topics="*"):
    settings = Settings(kafka=kafka, service=ServiceSettings(callback_topics=callback_topics))
    observer = Remembered() if observer is None else observer
    buried = DeadLetterTopic(alone, kafka).send
    return Relay(publisher, outbox, asyncio.get_running_loop(), settings, observer, alone=alone, on_dead_letter=buried)


@pytest.fixture
async def make():
    publishers = []

    def made(bootstrap, outbox, observer=None, callback_topics="*", **settings):
        kafka = KafkaSettings(kafka_bootstrap=bootstrap, **settings)
        publisher, alone = Publisher(kafka), Publisher.alone(kafka)
        publishers.extend((publisher, alone))
        return make_relay(publisher, alone, outbox, kafka, observer, callback_topics)

    yield made
    for publisher in publishers:
        publisher.close(0.1)


async def test_each_delivered_entry_is_confirmed_once_and_many_together(any_kafka, topic, make):
    outbox, observer = Outbox(), Remembered()
    relay = make(any_kafka, outbox, observer)
    entries = [entry(topic) for _ in range(500)]
    assert relay.resend(entries) == 500
    assert await relay.drain(30) == 0
    assert sorted(outbox.confirmed) == sorted(item.entry_id for item in entries)
    assert len(outbox.calls) < 50
    assert len(observer.named("callback.delivered")) == 500
    assert len(read(any_kafka, topic, 500)) == 500


async def test_a_hundred_redeliveries_have_the_bytes_of_the_first_time(any_kafka, topic, make):
    """Key, value and headers: consumers hash them."""
    relay = make(any_kafka, Outbox())
    data = result()
    made = seal_result(data, KafkaSettings(), traceparent=TRACE)
    first = Entry(b"0", data.request_id, topic, made.correlation_id, made.value)
    relay.send(first.entry_id, topic, first.key, made.value, headers_of(made, data.request_id))
    again = [first._replace(entry_id=str(number).encode()) for number in range(1, 101)]
    assert relay.resend(again) == 100
    assert await relay.drain(30) == 0
    sent = {(m.key(), m.value(), tuple(m.headers())) for m in read(any_kafka, topic, 101)}
    assert len(sent) == 1
    named = dict(sent.pop()[2])
    assert named["event_id"] == named["ce_id"] == made.event_id.encode()
    assert named["source_service"] == b"llm_provider_service"
    assert named["trace_id"] == TRACE.split("-")[1].encode()


@pytest.mark.parametrize("large", [False, True])
async def test_a_redelivery_has_its_number_in_a_header_and_else_the_same_bytes(kafka_bootstrap, topic, make, large):
    """Also if it is sent alone, because it may be too large for its batch."""
    outbox = Outbox()
    relay = make(kafka_bootstrap, outbox)
    first = entry(topic)
    again = first._replace(entry_id=b"again", redelivery=2)
    outbox.entries = {again.entry_id: again}
    relay.resend([first])
    if large:
        relay._in_flight.add(again.entry_id)
        relay._send_alone(again)
    else:
        relay.resend([again])
    assert await relay.drain(30) == 0
    one, other = sorted(read(kafka_bootstrap, topic, 2), key=lambda message: len(message.headers()))
    assert (one.key(), one.value()) == (other.key(), other.value())
    assert other.headers() == [*one.headers(), ("redelivery", b"2")]


async def test_what_is_in_flight_is_not_sent_again(kafka_bootstrap, topic, make):
    outbox = Outbox()
    relay = make(kafka_bootstrap, outbox)
    entries = [entry(topic) for _ in range(10)]
    assert (relay.resend(entries), relay.resend(entries)) == (10, 0)
    assert await relay.drain(30) == 0
    assert len(read(kafka_bootstrap, topic, 10)) == 10


async def test_an_entry_is_in_flight_until_it_is_confirmed_and_the_ledger_is_asked_again(kafka_bootstrap, topic, make):
    outbox, observer = Outbox(failures=3), Remembered()
    relay = make(kafka_bootstrap, outbox, observer)
    item = entry(topic)
    relay.resend([item])
    await apoll(lambda: observer.named("callback.unconfirmed"), 20)
    assert relay.resend([item]) == 0
    await apoll(lambda: outbox.confirmed == [item.entry_id], 20)
    await apoll(lambda: relay.in_flight == 0)
    assert len(observer.named("callback.unconfirmed")) == 3


async def test_what_failed_is_left_to_the_outbox_and_may_be_sent_again(topic, make):
    outbox, observer = Outbox(), Remembered()
    relay = make(f"127.0.0.1:{free_port()}", outbox, observer, kafka_delivery_timeout_seconds=1)
    items = [entry(topic) for _ in range(3)]
    relay.resend(items)
    await apoll(lambda: relay.in_flight == 0, 10)
    assert outbox.calls == []
    assert [(one.reason, one.patience) for one in outbox.failed] == [("_MSG_TIMED_OUT", None)] * 3
    failed = observer.named("callback.failed")
    assert [(note.labels["reason"], note.level) for note in failed] == [("_MSG_TIMED_OUT", "debug")] * 3
    assert relay.resend(items) == 3


async def test_a_full_local_queue_leaves_the_result_in_the_outbox(topic, make, monkeypatch):
    monkeypatch.setattr("events.config.QUEUE_EVENTS", 2)
    outbox, observer = Outbox(), Remembered()
    relay = make(f"127.0.0.1:{free_port()}", outbox, observer)
    relay.resend([entry(topic) for _ in range(5)])
    await apoll(lambda: relay.in_flight == 2)
    assert [note.labels["reason"] for note in observer.named("callback.failed")] == ["_QUEUE_FULL"] * 3


@pytest.mark.parametrize("any_kafka", ["apache"], indirect=True)
async def test_too_large_for_its_topic_is_for_good_and_its_neighbours_in_the_batch_are_not(
    any_kafka, topic, make, monkeypatch
):
    """Brokers refuse the whole batch. The dead-letter topic gets the event without what made it large."""
    admin = AdminClient({"bootstrap.servers": any_kafka})
    await asyncio.to_thread(
        admin.create_topics([NewTopic(topic, 1, 1, config={"max.message.bytes": "3000"})])[topic].result
    )
    outbox, observer = Outbox(), Remembered()
    monkeypatch.setattr("events.config.LINGER_MS", 200)
    relay = make(any_kafka, outbox, observer, topic_prefix=f"{topic}.")
    entries = [entry(topic, large=number == 5) for number in range(30)]
    outbox.entries = {one.entry_id: one for one in entries}
    relay.resend(entries)
    assert await relay.drain(20) == 0
    large = entries.pop(5)
    assert sorted(outbox.confirmed) == sorted(one.entry_id for one in entries)
    assert outbox.failed == [Undelivered(large.entry_id, "MSG_SIZE_TOO_LARGE", 0)]
    (note,) = observer.named("callback.dead")
    assert (note.level, note.labels["reason"], note.fields["queue_id"]) == (
        "error",
        "MSG_SIZE_TOO_LARGE",
        large.queue_id,
    )
    (message,) = read(any_kafka, f"{topic}.{CALLBACK_DEAD_LETTER}", 1)
    event, first = loads(message.value()), loads(large.event)
    assert event["event_id"] == first["event_id"]
    assert event["data"] == {"winner": "Essay A", "request_metadata": {}}
    headers, why = (
        dict(message.headers()),
        {
            "dead_letter_topic": topic,
            "dead_letter_reason": "MSG_SIZE_TOO_LARGE",
            "dead_letter_truncated": "true",
        },
    )
    assert event["metadata"] == {"traceparent": "00-x", **why}
    assert {name: headers[name].decode() for name in why} == why
    assert headers["ce_id"] == event["event_id"].encode()


async def test_a_topic_that_no_broker_may_have_is_for_good(kafka_bootstrap, make):
    outbox = Outbox()
    relay = make(kafka_bootstrap, outbox)
    relay.resend([entry("no topic")])
    assert await relay.drain(20) == 0
    assert [(one.reason, one.patience) for one in outbox.failed] == [("TOPIC_FORBIDDEN", 0)]


@pytest.mark.parametrize("forbidden", ["__consumer_offsets", "b.c"])
async def test_a_topic_that_is_no_longer_allowed_is_not_published_to(forbidden, kafka_bootstrap, make, topic):
    outbox = Outbox()
    relay = make(kafka_bootstrap, outbox, callback_topics="test.*", topic_prefix="own.")
    fine, own, out = entry(topic), entry("own.llm_provider.comparison_result.v1"), entry(forbidden)
    relay.resend([fine, own, out])
    assert await relay.drain(20) == 0
    assert outbox.failed == [Undelivered(out.entry_id, "TOPIC_FORBIDDEN", 0)]
    assert sorted(outbox.confirmed) == sorted([fine.entry_id, own.entry_id])


async def test_drain_ends_in_time_with_the_broker_away_and_says_what_is_left(topic, make):
    relay = make(f"127.0.0.1:{free_port()}", Outbox())
    relay.resend([entry(topic) for _ in range(4)])
    started = time.monotonic()
    assert await relay.drain(0.5) == 4
    assert time.monotonic() - started < 2


async def test_a_resent_event_has_the_headers_of_the_first_time(kafka_bootstrap, topic, make):
    relay = make(kafka_bootstrap, Outbox())
    item = entry(topic)
    relay.resend([item])
    assert await relay.drain(20) == 0
    (message,) = read(kafka_bootstrap, topic, 1)
    headers = dict(message.headers())
    assert headers["ce_subject"] == item.queue_id.encode()
    assert (message.key(), message.value()) == (b"key", item.event)


def test_a_report_after_the_end_of_the_loop_is_no_failure(kafka_bootstrap, topic):
    """The process is on its way out; the outbox keeps what was not confirmed."""
    observer = Remembered()
    kafka = KafkaSettings(kafka_bootstrap=kafka_bootstrap)
    publisher = Publisher(kafka, observer)

    async def send():
        make_relay(publisher, publisher, Outbox(), kafka, observer).resend([entry(topic)])

    asyncio.run(send())
    assert publisher.close(20) == 0
    assert [note.what for note in observer] == ["callback.delivered", "callback.unconfirmed"]
