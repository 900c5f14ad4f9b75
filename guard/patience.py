"""A time limit on what others take, not on what this process takes to look: an answer that is there in time is not
late, though the loop was too busy to read it.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

#: Passes of the event loop, each of which reads what has arrived, between the end of the time and the cancellation. An
#: answer that lies in the socket takes three or four through aiohttp and an SDK. On an idle loop all take under 1 ms.
PASSES = 10


class TimeIsUp(Exception):
    """It was not done in time. Not a TimeoutError, which what was waited for may raise by itself."""


async def within(seconds: float, awaitable: Awaitable[T]) -> T:
    """Raises TimeIsUp when it is not done by then, and what has arrived by then was read."""
    try:
        async with asyncio.timeout(None) as bound:
            limit = _Limit(seconds, bound)
            try:
                return await awaitable
            finally:
                limit.lift()
    except TimeoutError as error:
        if not bound.expired():
            raise
        raise TimeIsUp from error


class _Limit:
    def __init__(self, seconds: float, bound: asyncio.Timeout) -> None:
        self._loop = asyncio.get_running_loop()
        self._bound = bound
        self._passes = PASSES
        self._handle: asyncio.Handle = self._loop.call_later(seconds, self._pass)

    def _pass(self) -> None:
        if self._passes:
            self._passes -= 1
            self._handle = self._loop.call_soon(self._pass)
        else:
            self._bound.reschedule(self._loop.time())

    def lift(self) -> None:
        self._handle.cancel()
