"""Keeps parts running, and stops them in a given order."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from cli.supervise.part import StackPart
from ledger.redis.tasks import cancel_and_wait

#: Seconds between two checks of the logs' sizes.
_LOG_SECONDS = 30.0

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Supervisor:
    def __init__(self, *stages: Sequence[StackPart]) -> None:
        """`stages`: the parts in the order in which they stop; those of one stage stop concurrently."""
        self._stages = stages
        self._parts = [part for stage in stages for part in stage]
        self._tasks: dict[StackPart, asyncio.Task[None]] = {}

    async def start(self, parts: Sequence[StackPart] | None = None) -> None:
        """Start these parts, or all, and wait until each is ready. Raises Failure when one does not start."""
        parts = self._parts if parts is None else parts
        for part in parts:
            self._tasks[part] = asyncio.create_task(part.keep_running(), name=part.name)
        # A task instead of gather, which would report its own cancellation after nobody awaits it any more.
        ready = asyncio.create_task(_all_started(parts))
        tasks = list(self._tasks.values())
        try:
            await asyncio.wait([ready, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()  # raises the task's exception
        finally:
            await cancel_and_wait(ready)

    async def stop(self) -> None:
        for stage in self._stages:
            await asyncio.gather(*(part.stop() for part in stage))
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def kill(self) -> None:
        for part in self._parts:
            part.kill()

    async def watch(self) -> None:
        """Rotate the parts' logs. Never returns; raises the exception of a part that could not be kept running."""
        while True:
            done, _ = await asyncio.wait(
                self._tasks.values(), timeout=_LOG_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()
            for part in self._tasks:
                if part.log:
                    part.log.rotate()


async def _all_started(parts: Sequence[StackPart]) -> None:
    for part in parts:
        await part.started.wait()


class Runnable(Protocol):
    """The interface of what `run` starts and stops: a supervisor, or a stack."""

    async def start(self) -> None: ...
    async def watch(self) -> None: ...
    async def stop(self) -> None: ...
    def kill(self) -> None: ...


async def run(parts: Runnable, job: Callable[[], Coroutine[Any, Any, None]], say: Callable[[str], None]) -> None:
    """Start `parts`, run the job, stop. A signal, or a part that fails for good, ends the job early."""

    async def work() -> None:
        await parts.start()
        await first_of(parts.watch(), job())

    async with stop_signals(parts.kill) as stop:
        try:
            await first_of(work(), stop.wait())
        finally:
            say("stopping (again to stop at once)" if stop.is_set() else "stopping")
            await parts.stop()


async def first_of(*awaitables: Awaitable[Any]) -> None:
    """Run until the first one ends, and cancel the others. Raises its exception if it failed."""
    tasks = [asyncio.ensure_future(one) for one in awaitables]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await cancel_and_wait(*tasks)


async def for_ever() -> None:
    """Wait forever: the job of a stack that runs until it gets a signal."""
    await asyncio.Event().wait()


@asynccontextmanager
async def stop_signals(on_second: Callable[[], None] = lambda: None) -> AsyncIterator[asyncio.Event]:
    """An event that SIGTERM, SIGINT and SIGHUP set; a second signal calls `on_second`."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def signalled() -> None:
        if stop.is_set():
            on_second()
        stop.set()

    # nohup makes the process ignore SIGHUP; it must stay ignored, so that the stack outlives the terminal.
    numbers = [number for number in _STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in numbers:
        loop.add_signal_handler(number, signalled)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
