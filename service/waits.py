"""Clients that wait for their verdict, and the end of all those waits when Redis does not answer, or the process is
told to stop.
"""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ledger.replies import Waiter


class Waits:
    def __init__(self, read_seconds: float) -> None:
        """`read_seconds`: what the last look for a verdict may take when the time of its client is over."""
        self._read_seconds = read_seconds
        self._running: set[asyncio.Timeout] = set()
        self._ended = False

    async def result(self, waiter: Waiter, seconds: float) -> bytes | None:
        """The result event as JSON; None when it is not there in time, or the wait was cut."""
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
        """Every wait ends now, without another look: what was accepted is answered 202."""
        now = asyncio.get_running_loop().time()
        while self._running:
            wait = self._running.pop()
            if not wait.expired():
                wait.reschedule(now)

    def end(self) -> None:
        """The process stops: nobody waits any more."""
        self._ended = True
        self.cut()

    @contextmanager
    def ending_on_signals(self) -> Iterator[None]:
        """End the waits as soon as the server is told to stop: it waits for running requests before its lifespan ends.

        The server's own handlers stay: they are called first.
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
