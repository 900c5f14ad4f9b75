"""Room for large bodies: how many bytes of them a process holds at once, from their arrival until they are accepted."""

import asyncio
from collections import deque

from contracts.errors import QueueFull

#: What each body may hold without room: the server itself reads as much ahead. Nearly every comparison is smaller.
FREE_BYTES = 65_536

#: So long a large body waits for room, in seconds; meanwhile nothing of it is read.
WAIT_SECONDS = 5.0


class Bodies:
    """First come, first served. A body of any size fits when it is the only one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def room(self) -> "Room":
        return Room(self)

    async def take(self, size: int) -> None:
        """Raises QueueFull."""
        if not self._waiting and self._fits(size):
            self._taken += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.give(size)
            else:
                self._waiting = deque(one for one in self._waiting if one[1] is not turn)
                self._let_in()
            if isinstance(error, TimeoutError):
                message = "too many large bodies arrive at once"
                raise QueueFull(message, retry_after=WAIT_SECONDS, limit="inflight_body") from None
            raise

    def give(self, size: int) -> None:
        self._taken -= size
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size, turn = self._waiting.popleft()
            if not turn.done():
                self._taken += size
                turn.set_result(None)

    def _fits(self, size: int) -> bool:
        return not self._taken or self._taken + size <= self._most


class Room:
    """What one request holds."""

    __slots__ = ("_bodies", "taken")

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.taken = 0

    async def take(self, size: int) -> None:
        """Once for a request. Raises QueueFull."""
        await self._bodies.take(size)
        self.taken = size

    def leave(self) -> None:
        if self.taken:
            self._bodies.give(self.taken)
            self.taken = 0
