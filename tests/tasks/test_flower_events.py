"""Flower's rows: every comparison has its standard events, in order, and the consumer's thread is woken rarely."""

import asyncio

from contracts.enums import QueueStatus
from contracts.queues import COMPARE_TASK
from tasks.flower_events import FlowerEvents


class Dispatcher:
    enabled = True

    def __init__(self):
        self.sent = []

    def send(self, event, **fields):
        self.sent.append((event, fields))


class Consumer:
    """Calls what it was asked to as Celery's does: later, in its own thread."""

    def __init__(self):
        self.event_dispatcher = Dispatcher()
        self.asked = []

    def call_soon(self, function, *args):
        self.asked.append((function, args))

    def run(self):
        while self.asked:
            function, args = self.asked.pop(0)
            function(*args)


async def asked(consumer):
    async with asyncio.timeout(5):
        while not consumer.asked:
            await asyncio.sleep(0.005)


async def test_rows_go_together_in_order_and_keep_their_own_times():
    rows, consumer = FlowerEvents(), Consumer()
    rows.attach(consumer)
    rows.received(["a", "b"])
    rows.failed("b", "failed: X")
    await asyncio.sleep(0.01)
    rows.ended("a", QueueStatus.COMPLETED, "completed", 0.5)
    await asked(consumer)
    assert len(consumer.asked) == 1
    consumer.run()
    sent = consumer.event_dispatcher.sent
    assert [(event, fields["uuid"]) for event, fields in sent] == [
        ("task-received", "a"),
        ("task-started", "a"),
        ("task-received", "b"),
        ("task-started", "b"),
        ("task-failed", "b"),
        ("task-succeeded", "a"),
    ]
    times = [fields["timestamp"] for _, fields in sent]
    assert times == sorted(times)
    assert times[-1] - times[0] >= 0.01


async def test_without_a_consumer_nothing_is_kept_and_the_next_one_hears_what_follows():
    rows, first, second = FlowerEvents(), Consumer(), Consumer()
    rows.received(["lost"])
    rows.attach(first)
    rows.received(["also lost"])
    rows.detach()
    rows.attach(second)
    await asked(second)
    second.run()
    rows.ended("told", QueueStatus.COMPLETED, "completed", 0.1)
    await asked(second)
    second.run()
    assert first.event_dispatcher.sent == []
    assert [fields["uuid"] for event, fields in second.event_dispatcher.sent if event == "task-succeeded"] == ["told"]


async def test_an_end_without_a_claim_names_its_task_and_is_none_of_the_workers_figures():
    """Flower may see the request for the first time: it expired before any worker had claimed it."""
    flower, consumer = FlowerEvents(), Consumer()
    flower.attach(consumer)
    flower.ended_unclaimed("a", "expired: LLM_REQUEST_EXPIRED, attempt 0")
    await asked(consumer)
    consumer.run()
    ((event, fields),) = [row for row in consumer.event_dispatcher.sent if row[0].startswith("task-")]
    assert (event, fields["uuid"], fields["exception"]) == (
        "task-failed",
        "a",
        "expired: LLM_REQUEST_EXPIRED, attempt 0",
    )
    assert fields["name"] == COMPARE_TASK
    consumer.event_dispatcher.send("worker-heartbeat")
    assert consumer.event_dispatcher.sent[-1][1]["failed"] == 0


async def test_a_claims_end_is_a_success_or_a_failure():
    flower, consumer = FlowerEvents(), Consumer()
    flower.attach(consumer)
    flower.ended("a", QueueStatus.COMPLETED, "completed", 0.5)
    flower.ended("b", QueueStatus.FAILED, "failed: LLM_INTERNAL_ERROR, attempt 1", 0.5)
    await asked(consumer)
    consumer.run()
    assert [event for event, _ in consumer.event_dispatcher.sent] == ["task-succeeded", "task-failed"]
