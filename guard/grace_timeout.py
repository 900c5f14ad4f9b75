"""A timeout that does not count this process' own delay: an answer that has arrived in time is not late, even if the
event loop was too busy to read it.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

#: Iterations of the event loop between the timeout and the cancellation; each reads what has arrived. An answer in the
#: socket needs three or four to get through aiohttp and an SDK. On an idle loop all of them take under 1 ms.
PASSES = 10


class GraceTimeout(Exception):
    """The operation has timed out. Not a TimeoutError, since the operation may raise that itself."""


async def within_grace(seconds: float, awaitable: Awaitable[T]) -> T:
    """Raises GraceTimeout after `seconds`, once everything that had arrived by then was read."""
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
        raise GraceTimeout from error


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
