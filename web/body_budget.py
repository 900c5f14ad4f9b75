"""Bounds the bytes of large bodies that a process holds at once, from their arrival until they are accepted. A caller
gets at most half of them, because a body that arrives slowly keeps its bytes all that time.
"""

import asyncio
from collections import Counter, deque
from dataclasses import dataclass

from contracts.errors import QueueFull

#: Bytes of a body that are not counted: the server reads that far ahead anyway. Nearly every comparison is smaller.
UNCOUNTED_BYTES = 65_536

#: Seconds that a large body waits until it fits; it is not read meanwhile.
WAIT_SECONDS = 5.0


class BodyBudget:
    """First come, first served, except owners who hold their half. A body of any size fits when it is the only one."""

    def __init__(self, limit: int) -> None:
        """`limit`: bytes."""
        self._limit = limit
        self._reserved = 0
        #: Requests without an owner are not limited to half.
        self._reserved_by_owner: Counter[str | None] = Counter()
        self._waiting: deque[tuple[int, str | None, asyncio.Future[None]]] = deque()

    def reservation(self, owner: str | None) -> "BodyReservation":
        return BodyReservation(self, owner)

    async def acquire(self, size: int, owner: str | None = None) -> None:
        """Wait until `size` bytes are free. Raises QueueFull after WAIT_SECONDS."""
        if not self._waiting and self._fits(size) and self._is_within_share(size, owner):
            self._add(size, owner)
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, owner, granted))
        self._grant_waiting()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await granted
        except BaseException as error:
            if granted.done() and not granted.cancelled():
                self.release(size, owner)
            else:
                self._waiting = deque(one for one in self._waiting if one[2] is not granted)
                self._grant_waiting()
            if isinstance(error, TimeoutError):
                message = "Too many large bodies are arriving; the request was not accepted."
                raise QueueFull(message, retry_after=WAIT_SECONDS, limit="inflight_body") from None
            raise

    def release(self, size: int, owner: str | None = None) -> None:
        self._add(-size, owner)
        self._grant_waiting()

    def _add(self, size: int, owner: str | None) -> None:
        self._reserved += size
        if owner is not None:
            self._reserved_by_owner[owner] += size
            if not self._reserved_by_owner[owner]:
                del self._reserved_by_owner[owner]

    def _grant_waiting(self) -> None:
        for one in list(self._waiting):
            size, owner, granted = one
            if not self._is_within_share(size, owner):
                continue  # later bodies of other owners may go first
            if not self._fits(size):
                return
            self._waiting.remove(one)
            if not granted.done():
                self._add(size, owner)
                granted.set_result(None)

    def _is_within_share(self, size: int, owner: str | None) -> bool:
        reserved = self._reserved_by_owner[owner]
        return not reserved or reserved + size <= self._limit // 2

    def _fits(self, size: int) -> bool:
        return not self._reserved or self._reserved + size <= self._limit


@dataclass(slots=True)
class BodyReservation:
    """The bytes that one request has reserved."""

    budget: BodyBudget
    owner: str | None
    size: int = 0

    async def acquire(self, size: int) -> None:
        """To be called at most once. Raises QueueFull."""
        await self.budget.acquire(size, self.owner)
        self.size = size

    def release(self) -> None:
        if self.size:
            self.budget.release(self.size, self.owner)
            self.size = 0
