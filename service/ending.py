"""Ending a background task for certain."""

import asyncio
from typing import Any

#: Between two cancels, in seconds.
AGAIN_SECONDS = 0.1


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel until it is over: on Python 3.11, asyncio.wait_for (which redis-py uses for every command) swallows a
    cancel that comes together with its result (https://github.com/python/cpython/issues/86296).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_SECONDS)
