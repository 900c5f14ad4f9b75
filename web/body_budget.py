"""Bounds the bytes of large bodies that a process holds at once, from their arrival until they are accepted. A caller
gets at most half of them, because a body that arrives slowly keeps its bytes all that time.
"""

import asyncio
from collections import deque

from contracts.errors import QueueFull

#: Bytes of a body that are not counted: the server reads that far ahead anyway. Nearly every comparison is smaller.
FREE_BYTES = 65_536

#: Seconds that a large body waits for room; it is not read meanwhile.
WAIT_SECONDS = 5.0


class BodyBudget:
    """First come, first served, except owners who hold their half. A body of any size fits when it is the only one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        #: Bytes by owner; requests without an owner are not limited to half.
        self._of: dict[str, int] = {}
        self._waiting: deque[tuple[int, str | None, asyncio.Future[None]]] = deque()

    def room(self, owner: str | None) -> "BodyReservation":
        return BodyReservation(self, owner)

    async def take(self, size: int, owner: str | None = None) -> None:
        """Wait for room for `size` bytes. Raises QueueFull after WAIT_SECONDS."""
        if not self._waiting and self._fits(size) and self._is_share(size, owner):
            self._add(size, owner)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, owner, turn))
        self._let_in()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.give(size, owner)
            else:
                self._waiting = deque(one for one in self._waiting if one[2] is not turn)
                self._let_in()
            if isinstance(error, TimeoutError):
                message = "too many large bodies arrive at once"
                raise QueueFull(message, retry_after=WAIT_SECONDS, limit="inflight_body") from None
            raise

    def give(self, size: int, owner: str | None = None) -> None:
        self._add(-size, owner)
        self._let_in()

    def _add(self, size: int, owner: str | None) -> None:
        self._taken += size
        if owner is not None:
            self._of[owner] = self._of.get(owner, 0) + size
            if not self._of[owner]:
                del self._of[owner]

    def _let_in(self) -> None:
        for one in list(self._waiting):
            size, owner, turn = one
            if not self._is_share(size, owner):
                continue  # bodies of other owners behind it may go first
            if not self._fits(size):
                return
            self._waiting.remove(one)
            if not turn.done():
                self._add(size, owner)
                turn.set_result(None)

    def _is_share(self, size: int, owner: str | None) -> bool:
        held = self._of.get(owner, 0) if owner is not None else 0
        return not held or held + size <= self._most // 2

    def _fits(self, size: int) -> bool:
        return not self._taken or self._taken + size <= self._most


class BodyReservation:
    """The room that one request holds."""

    __slots__ = ("_bodies", "_owner", "taken")

    def __init__(self, bodies: BodyBudget, owner: str | None) -> None:
        self._bodies = bodies
        self._owner = owner
        self.taken = 0

    async def take(self, size: int) -> None:
        """To be called once per request. Raises QueueFull."""
        await self._bodies.take(size, self._owner)
        self.taken = size

    def leave(self) -> None:
        if self.taken:
            self._bodies.give(self.taken, self._owner)
            self.taken = 0
