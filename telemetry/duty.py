"""The outermost loop of a background duty: logs and counts its failures, and never ends before its process does."""

import asyncio
from collections.abc import Awaitable, Callable

from telemetry.fault import fault
from telemetry.observer import Note, Observer

#: Wait before a duty that failed unexpectedly starts again, in seconds.
RESTART_SECONDS = 1.0


async def for_ever(name: str, watch: Callable[[], Awaitable[None]], observer: Observer) -> None:
    """Run `watch`, itself an endless loop, and start it again whenever it ends."""
    while True:
        try:
            await watch()
        except Exception as error:  # noqa: BLE001 - outermost: logged and counted, and the duty goes on
            observer(Note("error.unexpected", "error", labels={"where": name}, fields=fault(error)))
        await asyncio.sleep(RESTART_SECONDS)
