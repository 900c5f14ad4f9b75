"""Group commit: all items submitted during one round trip share the next one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Generic, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


#: Most bytes of all items in one batch; a larger item is sent alone. Each is in memory several times while it is sent.
MAX_BATCH_BYTES = 4_000_000


#: Seconds by which a batch is delayed if the last one had several items and few are waiting. A round trip costs the
#: process as much CPU as two or three items, so many small batches would use up a busy process' reserve.
GATHER_SECONDS = 0.001

#: Shortest timer: the clock of an event loop may be a millisecond behind.
_RESOLUTION_SECONDS = 0.001


class SharedTimer:
    """One timer for the deadlines of many futures: a timer for each, which rarely fires, costs 5 % of the API's CPU.
    Must be used on one event loop.
    """

    def __init__(self) -> None:
        #: Futures that are done stay in the list until the timer fires.
        self._futures: list[tuple[float, asyncio.Future[Any]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0

    def add(self, deadline: float, future: asyncio.Future[Any]) -> None:
        """Fail `future` with TimeoutError at `deadline` (time.monotonic), unless it is done by then."""
        self._futures.append((deadline, future))
        if self._timer is None or deadline < self._next:
            self._set(deadline)

    def _set(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = deadline
        delay = max(_RESOLUTION_SECONDS, deadline - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = time.monotonic()
        futures = [entry for entry in self._futures if not entry[1].done()]
        self._futures = [entry for entry in futures if entry[0] > now]
        for deadline, future in futures:
            if deadline <= now:
                future.set_exception(TimeoutError())
        if self._futures:
            self._set(min(deadline for deadline, _ in self._futures))


@dataclass(eq=False)
class GroupCommit(Generic[ItemT, ResultT]):
    """Batches items for `commit`, which returns one result for each item, in order, or raises for all of them.

    A single item is committed at once: the delay applies only if the previous batch had more than one item.

    `limit`: most items in a batch. `weigh`: bytes of an item, if items may be large. `gather`: in seconds.
    """

    commit: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT]]]
    _: KW_ONLY
    limit: int = 64
    weigh: Callable[[ItemT], int] | None = None
    gather: float = GATHER_SECONDS

    def __post_init__(self) -> None:
        self._waiting: list[tuple[ItemT, asyncio.Future[ResultT]]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._last_was_shared = False
        #: An item is waiting that was submitted without `within`, or whose `within` is over.
        self._due = False
        self._timer: asyncio.TimerHandle | None = None
        self._deadlines = SharedTimer()

    async def submit(self, item: ItemT, *, within: float | None = None, deadline: float | None = None) -> ResultT:
        """Commit `item` and return its result. `within`: seconds that it may wait, unless a batch is sent before.

        Raises TimeoutError at `deadline` (time.monotonic); an item that was not sent by then is never sent.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ResultT] = loop.create_future()
        self._waiting.append((item, future))
        if deadline is not None:
            self._deadlines.add(deadline, future)
        if within is None:
            self._flush_now()
        elif self._timer is None and not self._due:
            self._timer = loop.call_later(within, self._flush_now)
        return await future

    def _flush_now(self) -> None:
        self._due = True
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        try:
            while self._due:
                if self._last_was_shared and len(self._waiting) < self.limit // 2:
                    await asyncio.sleep(self.gather)
                batch = self._next_batch()
                if not batch:
                    return
                try:
                    results = await self.commit([item for item, _ in batch])
                except BaseException as error:
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                    if not isinstance(error, Exception):
                        raise
                else:
                    _resolve(batch, results)
        finally:
            self._flusher = None

    def _next_batch(self) -> list[tuple[ItemT, asyncio.Future[ResultT]]]:
        """The items of the next round trip; empty if none is waiting any more."""
        # Items whose caller has stopped waiting are dropped: the caller believes that they were not committed.
        self._waiting = [entry for entry in self._waiting if not entry[1].done()]
        count = self._batch_size()
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        self._due = bool(self._waiting)
        if self._timer is not None and not self._waiting:
            self._timer.cancel()
            self._timer = None
        self._last_was_shared = count > 1
        return batch

    def _batch_size(self) -> int:
        """How many of the waiting items fit into one round trip: at least one."""
        first = self._waiting[: self.limit]
        if self.weigh is None:
            return len(first)
        return _count_that_fits([item for item, _ in first], self.weigh)


def batches(items: Sequence[ItemT], *, weigh: Callable[[ItemT], int], most: int) -> Iterator[Sequence[ItemT]]:
    """The items in order, in batches of at most MAX_BATCH_BYTES and `most` items. `weigh`: bytes of an item."""
    while items:
        count = _count_that_fits(items[:most], weigh)
        yield items[:count]
        items = items[count:]


def _count_that_fits(items: Sequence[ItemT], weigh: Callable[[ItemT], int]) -> int:
    """At least one."""
    room = MAX_BATCH_BYTES
    for count, item in enumerate(items):
        room -= weigh(item)
        if room < 0 and count:
            return count
    return len(items)


def _resolve(batch: Sequence[tuple[ItemT, asyncio.Future[ResultT]]], results: Sequence[ResultT]) -> None:
    for (_, future), result in zip(batch, results, strict=True):
        if not future.done():
            future.set_result(result)
