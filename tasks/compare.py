"""The Celery task: hand one comparison to the worker's loop. It does not wait for the verdict: the lease holds that."""

from typing import Any

from contracts.queues import COMPARE_TASK
from tasks.app import app
from tasks.loop import LoopThread
from tasks.runner import Runner


class Host:
    """What the task runs on in this process; set once when the worker starts."""

    loop: LoopThread
    runner: Runner
    #: Comparisons at a time.
    slots: int


host = Host()


def priority_of(delivery_info: Any) -> int:
    """Our priority (0–10) from the broker's."""
    return 9 - int((delivery_info or {}).get("priority") or 0)


@app.task(name=COMPARE_TASK, bind=True, send_events=False, shared=False)
def compare(self: Any, queue_id: str) -> None:
    host.loop.run(host.runner.take(queue_id, priority_of(self.request.delivery_info)))
