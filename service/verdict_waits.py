"""The waits of clients for their verdicts. All of them end when Redis does not answer or the process is stopped."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ledger.replies import Waiter


class VerdictWaits:
    def __init__(self, read_seconds: float) -> None:
        """`read_seconds`: how long the last read from Redis may take after the client's own time is over."""
        self._read_seconds = read_seconds
        self._running: set[asyncio.Timeout] = set()
        self._ended = False

    async def result(self, waiter: Waiter, seconds: float) -> bytes | None:
        """The result event as JSON; None if it does not come in time, or the wait was cut."""
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
        """End every wait now, without another read from Redis: accepted requests are answered 202."""
        now = asyncio.get_running_loop().time()
        while self._running:
            wait = self._running.pop()
            if not wait.expired():
                wait.reschedule(now)

    def end(self) -> None:
        """End every wait, also those that begin later, because the process stops."""
        self._ended = True
        self.cut()

    @contextmanager
    def ending_on_signals(self) -> Iterator[None]:
        """End the waits on SIGTERM and SIGINT: the server waits for running requests before its lifespan ends.

        The server's own handlers stay, and are called first.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def on_signal(number: int, frame: FrameType | None) -> None:
            handler = before[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)
            loop.call_soon_threadsafe(self.end)

        ours = [number for number, handler in before.items() if callable(handler)]
        for number in ours:
            signal.signal(number, on_signal)
        try:
            yield
        finally:
            for number in ours:
                if signal.getsignal(number) is on_signal:
                    signal.signal(number, before[number])
