"""Cancelling tasks that use Redis."""

import asyncio
from typing import Any

#: Seconds after which a task that has not ended is cancelled again.
_AGAIN_SECONDS = 0.1


async def cancel_and_wait(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks until each has ended.

    One cancellation is not enough: redis-py sends its commands inside asyncio.wait_for, which up to Python 3.11 loses
    a cancellation that arrives at the moment the command is sent (python/cpython#86296). A task with an endless loop
    would then run on, and a caller that awaits its end would hang.
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=_AGAIN_SECONDS)
