"""Celery's pool: our own task runs on the worker's loop, whatever else may come in a thread."""

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from functools import partial
from typing import Any

from billiard.einfo import ExceptionInfo
from celery.concurrency.thread import ApplyResult, TaskPool  # type: ignore[attr-defined]

from contracts.queues import COMPARE_TASK
from tasks.compare import host, priority_of

_log = logging.getLogger("celery.pool")


class LoopPool(TaskPool):
    """Celery's threads, without a thread for our own task: that would only wait for the loop.

    On the way of a comparison that is two threads less to be woken, each of which has to wait for the interpreter, and
    Celery's tracing, of which nothing is used: the ledger knows what becomes of a task, and tasks/rows.py tells Flower.
    How many tasks run at a time is the prefetch count's matter (UMPIRE_WORKER_THREADS).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._taking: set[Future[None]] = set()

    def on_apply(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        **options: Any,
    ) -> ApplyResult:
        """`args` are those of Celery's trace: the task's name, its id, its request, its body as it came."""
        if not args or args[0] != COMPARE_TASK or callback is None or accept_callback is None:
            return super().on_apply(target, args, kwargs, callback, accept_callback, **options)
        _, queue_id, request, *_ = args
        accept_callback(os.getpid(), time.monotonic())
        taking = host.loop.start(_take(queue_id, request))
        self._taking.add(taking)
        taking.add_done_callback(partial(self._taken, time.monotonic(), callback))
        return ApplyResult(taking)

    def _taken(self, began: float, callback: Callable[..., Any], taking: "Future[None]") -> None:
        """The task has ended: its message is acknowledged. Runs on the loop."""
        self._taking.discard(taking)
        seconds = time.monotonic() - began
        try:
            taking.result()
        except BaseException as error:  # noqa: BLE001 - Celery is told, as by its own pools
            # The log tells an exception's class and place (telemetry/logging.py): what it says may quote a request.
            _log.error("a task of ours failed", exc_info=error)
            callback((1, ExceptionInfo(), seconds))
        else:
            callback((0, None, seconds))

    def _get_info(self) -> dict[str, Any]:
        """What `inspect stats` and Flower show: comparisons at a time, and not the tasks that hand them over."""
        info: dict[str, Any] = super()._get_info()  # type: ignore[misc]
        return {**info, "max-concurrency": host.slots}

    def on_stop(self) -> None:
        """Wait for the tasks that run."""
        wait(self._taking)
        super().on_stop()


async def _take(queue_id: str, request: dict[str, Any]) -> None:
    # What is wrong with a message fails its own task: in the consumer, it would end the worker.
    await host.runner.take(queue_id, priority_of(request.get("delivery_info")))
