"""Group commit: everything submitted while one round trip is out shares the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from ledger.deadlines import Deadlines

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


#: Items of one round trip weigh so much together, or are one alone: what is sent is in memory several times.
MOST_BYTES = 4_000_000


#: Where round trips are shared, and few items wait, the next one leaves so many seconds later: it costs its process as
#: much as two or three items do, so that many small ones in place of fewer would leave a busy process no reserve.
GATHER_SECONDS = 0.001


class GroupCommit(Generic[ItemT, ResultT]):
    """Batches items for `commit`, which returns one result for each item, in order, or raises for all of them.

    An item alone goes at once: nothing waits for company that has not come the last time.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT]]],
        *,
        limit: int = 64,
        weigh: Callable[[ItemT], int] | None = None,
        gather: float = GATHER_SECONDS,
    ) -> None:
        """`weigh`: bytes of an item, where these may be many. `gather`: see GATHER_SECONDS."""
        self._commit = commit
        self._limit = limit
        self._weigh = weigh
        self._gather = gather
        self._waiting: list[tuple[ItemT, asyncio.Future[ResultT]]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._shared = False
        #: Somebody waits who has not said that it may take longer.
        self._hurry = False
        self._alarm: asyncio.TimerHandle | None = None
        self._deadlines = Deadlines()

    async def submit(self, item: ItemT, *, within: float | None = None, deadline: float | None = None) -> ResultT:
        """`within`: so many seconds later is soon enough. It goes with the next that are in more of a hurry.

        Raises TimeoutError at the `deadline` (time.monotonic): what is not out by then does not go.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ResultT] = loop.create_future()
        self._waiting.append((item, future))
        if deadline is not None:
            self._deadlines.add(deadline, future)
        if within is None:
            self._go()
        elif self._alarm is None and not self._hurry:
            self._alarm = loop.call_later(within, self._go)
        return await future

    def _go(self) -> None:
        self._hurry = True
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        try:
            while self._hurry:
                if self._shared and len(self._waiting) < self._limit // 2:
                    await asyncio.sleep(self._gather)
                batch = self._take()
                if not batch:
                    return
                try:
                    results = await self._commit([item for item, _ in batch])
                except BaseException as error:
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                    if not isinstance(error, Exception):
                        raise
                else:
                    _answer(batch, results)
        finally:
            self._flusher = None

    def _take(self) -> list[tuple[ItemT, asyncio.Future[ResultT]]]:
        """What the next round trip carries; empty where nobody waits any more."""
        # Whoever stopped waiting before its turn is left out: what was given up is not done behind its back.
        self._waiting = [entry for entry in self._waiting if not entry[1].done()]
        count = self._fitting()
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        self._hurry = bool(self._waiting)
        if self._alarm is not None and not self._waiting:
            self._alarm.cancel()
            self._alarm = None
        self._shared = count > 1
        return batch

    def _fitting(self) -> int:
        """How many of those that wait go into one round trip: at least one."""
        first = self._waiting[: self._limit]
        if self._weigh is None:
            return len(first)
        left = MOST_BYTES
        for count, (item, _) in enumerate(first):
            left -= self._weigh(item)
            if left < 0 and count:
                return count
        return len(first)


def _answer(batch: Sequence[tuple[ItemT, asyncio.Future[ResultT]]], results: Sequence[ResultT]) -> None:
    for (_, future), result in zip(batch, results, strict=True):
        if not future.done():
            future.set_result(result)
