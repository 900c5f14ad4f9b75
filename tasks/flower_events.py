"""Flower's events: sends Celery's standard task events for every comparison.

Celery's own task events are off: a task only claims requests and hands them over, and they would describe that. The
events (https://docs.celeryq.dev/en/stable/userguide/monitoring.html#event-reference) are sent here for each claimed
request, also for those that a task claimed besides its own. Task id = queue id; no event holds any of the prompt.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from celery import bootsteps

from contracts.enums import QueueStatus
from contracts.queues import COMPARE_TASK

#: celery.worker.consumer.Consumer; its published types lack attributes that its own steps use.
Consumer = Any


#: Events are handed over in batches, this many seconds after a batch's first one: each hand-over wakes the consumer's
#: thread, which takes the interpreter (GIL) from the calls.
GATHER_SECONDS = 0.05

#: Most events that Celery sends in one message; its default of 24 would split a batch.
MOST_TOGETHER = 1000


class FlowerEvents:
    """Hands events to the consumer's thread, which owns the broker connection. To be used on the loop of the calls."""

    def __init__(self) -> None:
        self._consumer: Consumer | None = None
        self._gathered: deque[tuple[str, dict[str, Any]]] = deque()
        self._due = False
        self._totals: Counter[str] = Counter()
        self.slots = 0
        self.in_flight: Callable[[], int] = lambda: 0
        """Returns how many slots run a comparison now."""
        self.on_start: Callable[[], object] | None = None
        """Called in the consumer's thread each time a consumer has (re)connected."""

    def attach(self, consumer: Consumer) -> None:
        """Runs in the consumer's thread."""
        self._consumer = consumer
        if consumer.event_dispatcher is not None:
            consumer.event_dispatcher.buffer_limit = MOST_TOGETHER
            self._add_figures(consumer.event_dispatcher)
        if self.on_start is not None:
            self.on_start()

    def _add_figures(self, dispatcher: Any) -> None:
        """Add our figures to every event about the worker itself, above all its heartbeat.

        Celery's own figures count its tasks, which only claim and hand over: with 88 comparisons in flight, no task is
        active.
        """
        send = dispatcher.send

        def sending(event: str, *args: Any, **fields: Any) -> Any:
            if event.startswith("worker-"):
                totals = {name: self._totals[name] for name in ("succeeded", "failed", "retried")}
                fields |= {
                    "active": self.in_flight(),
                    "slots": self.slots,
                    "processed": self._totals["received"],
                    **totals,
                }
            return send(event, *args, **fields)

        dispatcher.send = sending

    def detach(self) -> None:
        """Runs in the consumer's thread. The connection may be lost: events that were not handed over are dropped."""
        self._consumer = None

    @property
    def is_attached(self) -> bool:
        """A consumer is connected."""
        return self._consumer is not None

    def call_soon(self, function: Any, *args: Any) -> bool:
        """Run `function(consumer, *args)` in the consumer's thread. False while there is no consumer."""
        consumer = self._consumer
        if consumer is None:
            return False
        consumer.call_soon(function, consumer, *args)
        return True

    def received(self, queue_ids: list[str]) -> None:
        for queue_id in queue_ids:
            row = {**_task(queue_id), "retries": 0}
            self._record("task-received", **row, eta=None, expires=None, root_id=queue_id, parent_id=None)
            self._record("task-started", uuid=queue_id)

    def ended(self, queue_id: str, state: QueueStatus, outcome: str, seconds: float) -> None:
        """A claim of this process ended its request after `seconds`."""
        if state is QueueStatus.COMPLETED:
            self._record("task-succeeded", uuid=queue_id, result=outcome, runtime=seconds)
        else:
            self.failed(queue_id, outcome)

    def ended_unclaimed(self, queue_id: str, outcome: str) -> None:
        """Maintenance in this process ended a request: its time was over, or its workers died. Flower may not know it
        yet, so the event names the task. It is not one of the claims that the worker's figures count.
        """
        self._gather("task-failed", exception=outcome, traceback="", **_task(queue_id))

    def retried(self, queue_id: str, reason: str) -> None:
        """The request was deferred or released: it has not ended, and its next event replaces this state."""
        self._record("task-retried", uuid=queue_id, exception=reason, traceback="")

    def failed(self, queue_id: str, code: str) -> None:
        self._record("task-failed", uuid=queue_id, exception=code, traceback="")

    def _record(self, event: str, **fields: Any) -> None:
        self._totals[event.removeprefix("task-")] += 1
        self._gather(event, **fields)

    def _gather(self, event: str, **fields: Any) -> None:
        if self._consumer is None:
            return
        self._gathered.append((event, {**fields, "timestamp": time.time()}))
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._hand_over)

    def _hand_over(self) -> None:
        self._due = False
        if not self.call_soon(self._send_gathered):
            self._gathered.clear()

    def _send_gathered(self, consumer: Consumer) -> None:
        """Runs in the consumer's thread."""
        dispatcher = consumer.event_dispatcher
        while self._gathered:
            event, fields = self._gathered.popleft()
            if dispatcher is not None and dispatcher.enabled:
                dispatcher.send(event, **fields)


def _task(queue_id: str) -> dict[str, str]:
    return {"uuid": queue_id, "name": COMPARE_TASK, "args": f"('{queue_id}',)", "kwargs": "{}"}


def flower_step(flower: FlowerEvents) -> type[bootsteps.StartStopStep]:
    """A consumer step that attaches each (re)connected consumer to `flower`."""

    class FlowerStep(bootsteps.StartStopStep):
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, parent: Consumer) -> None:
            flower.attach(parent)

        def stop(self, parent: Consumer) -> None:  # noqa: ARG002 - the step's face
            flower.detach()

    return FlowerStep
