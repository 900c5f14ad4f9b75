"""Flower's rows: every comparison has its standard events, in order, and the consumer's thread is woken rarely."""

import asyncio

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
    rows.succeeded("a", "completed", 0.5)
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
    rows.succeeded("told", "completed", 0.1)
    await asked(second)
    second.run()
    assert first.event_dispatcher.sent == []
    assert [fields["uuid"] for event, fields in second.event_dispatcher.sent if event == "task-succeeded"] == ["told"]
