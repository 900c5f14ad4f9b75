"""The Celery task: hands one comparison to the worker's loop and ends; from then on the lease protects the request."""

from typing import Any

from contracts.queues import COMPARE_TASK
from tasks.app import app
from tasks.intake import Intake
from tasks.loop import LoopThread


class Host:
    """The loop and the intake that the task uses in this process; set once when the worker starts."""

    loop: LoopThread
    intake: Intake
    #: Comparisons that this process runs at a time.
    slots: int


host = Host()


def priority_of(delivery_info: Any) -> int:
    """Convert the broker's priority into ours (0–10)."""
    return 9 - int((delivery_info or {}).get("priority") or 0)


@app.task(name=COMPARE_TASK, bind=True, send_events=False, shared=False)
def compare(self: Any, queue_id: str) -> None:
    # LoopPool (tasks/pool.py) starts `take` itself: this body runs only under another pool.
    host.loop.run(host.intake.take(queue_id, priority_of(self.request.delivery_info)))
