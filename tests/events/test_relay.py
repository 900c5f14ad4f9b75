"""The relay clears the outbox by Kafka's reports alone."""

import asyncio
import time
from uuid import uuid4

import pytest
from umpire_events import Remembered, read
from umpire_servers import apoll, free_port

from contracts.encoding import dumps
from contracts.errors import Unavailable
from contracts.settings import KafkaSettings
from events.producer import Publisher
from events.relay import Relay
from ledger.outbox import Entry

pytestmark = pytest.mark.kafka


class Outbox:
    """What the ledger's outbox does as far as the relay sees it; may be away for its first few calls."""

    def __init__(self, failures=0):
        self.calls = []
        self.failures = failures

    @property
    def confirmed(self):
        return [entry_id for call in self.calls for entry_id in call]

    async def confirm(self, entry_ids):
        if self.failures:
            self.failures -= 1
            raise Unavailable("away")
        self.calls.append(list(entry_ids))


def entry(topic, value=None):
    event = {"event_id": str(uuid4()), "event_type": "t", "event_timestamp": "2026-11-21T00:00:00.000Z"}
    return Entry(uuid4().hex.encode(), str(uuid4()), topic, "key", value or dumps(event))


@pytest.fixture
def topic():
    return f"test.{uuid4().hex}"


@pytest.fixture
async def make():
    publishers = []

    def made(bootstrap, outbox, observer=None, **settings):
        publisher = Publisher(KafkaSettings(kafka_bootstrap=bootstrap, **settings))
        publishers.append(publisher)
        return Relay(
            publisher, outbox.confirm, asyncio.get_running_loop(), Remembered() if observer is None else observer
        )

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


async def test_an_event_that_no_broker_will_take_is_an_error(kafka_bootstrap, topic, make):
    outbox, observer = Outbox(), Remembered()
    relay = make(kafka_bootstrap, outbox, observer)
    relay.send(b"1-1", topic, "key", b"x" * 2_000_000, [])
    assert await relay.drain(20) == 0
    (note,) = observer.named("callback.failed")
    assert (note.level, note.labels["reason"]) == ("error", "MSG_SIZE_TOO_LARGE")
    assert outbox.calls == []


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
    publisher = Publisher(KafkaSettings(kafka_bootstrap=kafka_bootstrap), observer)

    async def send():
        Relay(publisher, Outbox().confirm, asyncio.get_running_loop(), observer).resend([entry(topic)])

    asyncio.run(send())
    assert publisher.close(20) == 0
    assert [note.what for note in observer] == ["callback.delivered", "callback.unconfirmed"]
