"""Flower's rows. Celery's own task events are off: a task here only claims and hands over, so they would tell of the
handing over. This sends the standard events (https://docs.celeryq.dev/en/stable/userguide/monitoring.html#event-reference)
for every comparison, the task's own and those it took along: task id = queue id, and nothing of the prompt.
"""

from collections.abc import Callable
from typing import Any

from celery import bootsteps

from contracts.queues import COMPARE_TASK

#: celery.worker.consumer.Consumer; its published types lack what its own steps use.
Consumer = Any


class Rows:
    """Hands events to the consumer's thread, which owns the broker connection."""

    def __init__(self) -> None:
        self._consumer: Consumer | None = None
        self.on_start: Callable[[], None] | None = None
        """Told, in the consumer's thread, each time a consumer has (re)connected."""

    def attach(self, consumer: Consumer | None) -> None:
        self._consumer = consumer
        if consumer is not None and self.on_start is not None:
            self.on_start()

    def call_soon(self, function: Any, *args: Any) -> bool:
        """Run `function(consumer, *args)` in the consumer's thread. False while there is no consumer."""
        consumer = self._consumer
        if consumer is None:
            return False
        consumer.call_soon(function, consumer, *args)
        return True

    def received(self, queue_ids: list[str]) -> None:
        self.call_soon(_send_received, queue_ids)

    def succeeded(self, queue_id: str, result: str, seconds: float) -> None:
        self.call_soon(_send, "task-succeeded", {"uuid": queue_id, "result": result, "runtime": seconds})

    def retried(self, queue_id: str, reason: str) -> None:
        """Deferred or given back: it is not done, and what comes next replaces this state."""
        self.call_soon(_send, "task-retried", {"uuid": queue_id, "exception": reason, "traceback": ""})

    def failed(self, queue_id: str, code: str) -> None:
        self.call_soon(_send, "task-failed", {"uuid": queue_id, "exception": code, "traceback": ""})


def _send(consumer: Consumer, event: str, fields: dict[str, Any]) -> None:
    dispatcher = consumer.event_dispatcher
    if dispatcher is not None and dispatcher.enabled:
        dispatcher.send(event, **fields)


def _send_received(consumer: Consumer, queue_ids: list[str]) -> None:
    for queue_id in queue_ids:
        row = {"uuid": queue_id, "name": COMPARE_TASK, "args": f"('{queue_id}',)", "kwargs": "{}", "retries": 0}
        _send(consumer, "task-received", {**row, "eta": None, "expires": None, "root_id": queue_id, "parent_id": None})
        _send(consumer, "task-started", {"uuid": queue_id})


def rows_step(rows: Rows) -> type[bootsteps.StartStopStep]:
    """A consumer step that tells `rows` of the consumer each time it has (re)connected."""

    class RowsStep(bootsteps.StartStopStep):
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, parent: Consumer) -> None:
            rows.attach(parent)

        def stop(self, parent: Consumer) -> None:  # noqa: ARG002 - the step's face
            rows.attach(None)

    return RowsStep
