"""Celery's pool: runs our own task on the worker's loop, and any other task in a thread."""

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
    """Celery's thread pool, but without a thread for our own task, which would only wait for the loop.

    Each comparison then wakes two threads less, each of which has to wait for the interpreter (GIL). It also skips
    Celery's tracing, which is not needed: the ledger records how a task ends, and tasks/flower_events.py reports it to
    Flower. The prefetch count limits how many tasks run at a time (`worker_threads`).
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
        """`args` are those of Celery's trace function: the task's name, its id, its request, its body as received."""
        if not args or args[0] != COMPARE_TASK or callback is None or accept_callback is None:
            return super().on_apply(target, args, kwargs, callback, accept_callback, **options)
        _, queue_id, request, *_ = args
        accept_callback(os.getpid(), time.monotonic())
        taking = host.loop.start(_take(queue_id, request))
        self._taking.add(taking)
        taking.add_done_callback(partial(self._taken, time.monotonic(), callback))
        return ApplyResult(taking)

    def _taken(self, began: float, callback: Callable[..., Any], taking: "Future[None]") -> None:
        """The task has ended: have its message acknowledged. Runs on the loop."""
        self._taking.discard(taking)
        seconds = time.monotonic() - began
        try:
            taking.result()
        except BaseException as error:  # noqa: BLE001 - Celery is told, as by its own pools
            # The log shows the exception's class and place only (telemetry/logging.py): its text may quote a request.
            _log.error("a task of ours failed", exc_info=error)
            callback((1, ExceptionInfo(), seconds))
        else:
            callback((0, None, seconds))

    def _get_info(self) -> dict[str, Any]:
        """What `inspect stats` and Flower show: how many comparisons run at a time, not how many Celery tasks."""
        info: dict[str, Any] = super()._get_info()  # type: ignore[misc]
        return {**info, "max-concurrency": host.slots}

    def on_stop(self) -> None:
        """Wait for the running tasks."""
        wait(self._taking)
        super().on_stop()


async def _take(queue_id: str, request: dict[str, Any]) -> None:
    # Here a malformed message fails its own task only; in the consumer it would end the worker.
    await host.intake.take(queue_id, priority_of(request.get("delivery_info")))
