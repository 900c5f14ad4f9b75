"""One timer for the deadlines of many futures: a timer for each, which rarely fires, costs 5 % of the API's CPU."""

import asyncio
import time
from typing import Any

#: Shortest timer: the clock of an event loop may be a millisecond behind.
_RESOLUTION_SECONDS = 0.001


class SharedTimer:
    """Must be used on one event loop."""

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
