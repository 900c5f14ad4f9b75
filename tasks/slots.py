"""The slots of a worker process: how many comparisons it runs at a time."""

import asyncio
from collections.abc import Callable

#: A claim that had to wait for a slot waits this many seconds longer for further slots to fall free: requests that a
#: busy worker claims together cost one round trip and one Celery task. Compared with 2 ms, this takes 18 % less CPU a
#: comparison with calls of 20 ms; 10 ms gain no more. It is 0.5 % of a call of 1 s.
GATHER_SECONDS = 0.005

#: With fewer slots than this, a claim does not wait for further ones.
GATHER_FROM = 8


class Slots:
    def __init__(self, count: int) -> None:
        self.count = count
        self.free = count
        self._capacity: Callable[[], int] = lambda: count
        self._freed = asyncio.Event()
        self._turn = asyncio.Lock()
        self._closed = False

    def follow(self, capacity: Callable[[], int]) -> None:
        """Use no more than `capacity()` slots from now on: further requests wait in Redis, for any worker.

        `capacity` is called when a slot is wanted. Call `wake` when its result may have grown.
        """
        self._capacity = capacity

    @property
    def wanted(self) -> bool:
        """Whether a comparison of this process runs or waits for a slot."""
        return self.free < self.count or self._turn.locked()

    async def take(self, most: int) -> int:
        """Wait for a free slot and take up to `most`. Returns how many; 0 after `close`. First come, first served."""
        async with self._turn:
            while not self._closed:
                taken = min(self.free, self._capacity() - self.count + self.free, most)
                if taken > 0:
                    self.free -= taken
                    return taken
                self._freed.clear()
                await self._freed.wait()
                if self.count >= GATHER_FROM and not self._closed:
                    await asyncio.sleep(GATHER_SECONDS)
            return 0

    def give(self, count: int) -> None:
        self.free += count
        self._freed.set()

    def wake(self) -> None:
        """Make a waiting `take` check its capacity again."""
        self._freed.set()

    def close(self) -> None:
        """Give out no more slots; a waiting `take` returns 0 at once."""
        self._closed = True
        self._freed.set()
