"""The slots of a worker process: how many comparisons it runs at a time."""

import asyncio
from collections.abc import Callable

#: Seconds that a claim waits, once it had to wait for a slot at all, for a few more to fall free: what a busy worker
#: claims together costs it one round trip and one Celery task. Against 2 ms, 18 % less CPU a comparison with calls of
#: 20 ms; 10 ms gain no more. Half a hundredth of a call of 1 s.
GATHER_SECONDS = 0.005

#: With fewer slots than this there is nothing to gather.
GATHER_FROM = 8


class Slots:
    def __init__(self, count: int) -> None:
        self.count = count
        self.free = count
        self._room: Callable[[], int] = lambda: count
        self._freed = asyncio.Event()
        self._turn = asyncio.Lock()
        self._closed = False

    def follow(self, room: Callable[[], int]) -> None:
        """No more than `room()` of them are used from now on: what waits for more waits in Redis, for any worker.

        It is asked when a slot is wanted. Call `wake` when it may have grown.
        """
        self._room = room

    @property
    def wanted(self) -> bool:
        """There is something to do for this process."""
        return self.free < self.count or self._turn.locked()

    async def take(self, most: int) -> int:
        """Wait for a free slot and take up to `most`. Returns how many; 0 once closed. First come, first served."""
        async with self._turn:
            while not self._closed:
                taken = min(self.free, self._room() - self.count + self.free, most)
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
        """Whoever waits looks again."""
        self._freed.set()

    def close(self) -> None:
        """Nothing is given any more, and whoever waits hears of it at once."""
        self._closed = True
        self._freed.set()
