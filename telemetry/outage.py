"""Failures that go on: an outage of a dependency is logged once and tried now and then; a background duty restarts."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from telemetry.fault import fault
from telemetry.observer import Level, Note, Observer

#: Wait before a duty that failed unexpectedly starts again, in seconds.
RESTART_SECONDS = 1.0


class Outage:
    """Call `failed` or `succeeded` after each use of the dependency, and `may_try` before it."""

    def __init__(self, *, retry_seconds: float = 0.0) -> None:
        """`retry_seconds`: how long the dependency is left alone after a failed use."""
        self._retry_seconds = retry_seconds
        self._next_try = 0.0
        #: Whether the last use failed.
        self.active = False

    def may_try(self) -> bool:
        """Whether to use the dependency now. During an outage it is True for one caller in `retry_seconds`; the others
        need not wait for a timeout.
        """
        if not self.active:
            return True
        now = time.monotonic()
        if now < self._next_try:
            return False
        self._next_try = now + self._retry_seconds
        return True

    def failed(self) -> bool:
        """Record a failure. True if it begins an outage."""
        begins, self.active = not self.active, True
        self._next_try = time.monotonic() + self._retry_seconds
        return begins

    def failure_level(self) -> Level:
        """Record a failure. Returns the level to log it at: warning if it begins an outage, else debug."""
        return "warning" if self.failed() else "debug"

    def succeeded(self) -> bool:
        """Record a success. True if it ends an outage."""
        ended, self.active = self.active, False
        return ended


async def for_ever(name: str, watch: Callable[[], Awaitable[None]], observer: Observer) -> None:
    """Run `watch`, itself an endless loop, and start it again whenever it ends."""
    while True:
        try:
            await watch()
        except Exception as error:  # noqa: BLE001 - outermost: logged and counted, and the duty goes on
            observer(Note("error.unexpected", "error", labels={"where": name}, fields=fault(error)))
        await asyncio.sleep(RESTART_SECONDS)
