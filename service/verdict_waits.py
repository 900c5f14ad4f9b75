"""The waits for verdicts, of all clients. They end when Redis does not answer or the process stops."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ledger.replies import Waiter


class VerdictWaits:
    def __init__(self, read_seconds: float) -> None:
        """`read_seconds`: how long the last read from Redis may take after the time of the client's wait is over."""
        self._read_seconds = read_seconds
        self._running: set[asyncio.Timeout] = set()
        self._ended = False

    async def result(self, waiter: Waiter, seconds: float) -> bytes | None:
        """The result event as JSON; None if it does not arrive within `seconds`, or the wait was cut."""
        if self._ended:
            return None
        try:
            async with asyncio.timeout(seconds + self._read_seconds) as wait:
                self._running.add(wait)
                try:
                    return await waiter.result(seconds)
                finally:
                    self._running.discard(wait)
        except TimeoutError:
            return None

    def cut(self) -> None:
        """End every wait now, without another read from Redis. The clients get 202."""
        now = asyncio.get_running_loop().time()
        while self._running:
            wait = self._running.pop()
            if not wait.expired():
                wait.reschedule(now)

    def end(self) -> None:
        """End every wait, also those that begin later: the process stops."""
        self._ended = True
        self.cut()

    @contextmanager
    def ending_on_signals(self) -> Iterator[None]:
        """End the waits on SIGTERM and SIGINT, because the server finishes running requests before its lifespan ends.

        The server's own handlers are kept, and called first.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def on_signal(number: int, frame: FrameType | None) -> None:
            handler = previous[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)
            loop.call_soon_threadsafe(self.end)

        replaced = [number for number, handler in previous.items() if callable(handler)]
        for number in replaced:
            signal.signal(number, on_signal)
        try:
            yield
        finally:
            for number in replaced:
                if signal.getsignal(number) is on_signal:
                    signal.signal(number, previous[number])
