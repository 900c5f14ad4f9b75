"""Group commit: everything submitted while one round trip is out shares the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class GroupCommit(Generic[ItemT, ResultT]):
    """Batches items for `commit`, which returns one result for each item, in order, or raises for all of them.

    An item alone goes at once: nothing ever waits for company.
    """

    def __init__(self, commit: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT]]], *, limit: int = 64) -> None:
        self._commit = commit
        self._limit = limit
        self._waiting: list[tuple[ItemT, asyncio.Future[ResultT]]] = []
        self._flusher: asyncio.Task[None] | None = None

    async def submit(self, item: ItemT) -> ResultT:
        future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush())
        return await future

    async def _flush(self) -> None:
        try:
            while self._waiting:
                # Whoever stopped waiting before its turn is left out: what was given up is not done behind its back.
                self._waiting = [entry for entry in self._waiting if not entry[1].done()]
                batch, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
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
                    for (_, future), result in zip(batch, results, strict=True):
                        if not future.done():
                            future.set_result(result)
        finally:
            self._flusher = None
