"""Ending tasks that speak with Redis."""

import asyncio
from typing import Any

#: A task that missed its cancellation gets the next one after this.
_AGAIN_SECONDS = 0.1


async def cancel(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks until each has ended.

    Once is not enough: redis-py sends its commands inside asyncio.wait_for, which up to Python 3.11 loses a
    cancellation that comes in the very moment in which the command was sent (python/cpython#86296). A task that runs
    for ever would then run on, and whoever waits for its end would wait too.
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=_AGAIN_SECONDS)
