"""Keeps parts running, and stops them in a given order."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from cli.supervise.part import StackPart
from ledger.redis.tasks import cancel_and_wait

#: Seconds between two checks of the logs' sizes.
_LOG_SECONDS = 30.0

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Supervisor:
    def __init__(self) -> None:
        self._kept: dict[str, tuple[StackPart, asyncio.Task[None]]] = {}

    async def start(self, parts: Sequence[StackPart]) -> None:
        """Start parts concurrently and wait until each is ready. Raises Failure when one does not start."""
        for part in parts:
            self._kept[part.name] = part, asyncio.create_task(part.keep(), name=part.name)
        # A task instead of gather, which would report its own cancellation after nobody awaits it any more.
        ready = asyncio.create_task(_all_started(parts))
        tasks = [task for _, task in self._kept.values()]
        waited: list[asyncio.Future[Any]] = [ready, *tasks]
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()  # raises the task's exception
        finally:
            await cancel_and_wait(ready)

    async def stop(self, stages: Sequence[Sequence[StackPart]]) -> None:
        """Stop the parts, one stage after the other."""
        for stage in stages:
            await asyncio.gather(*(part.stop() for part in stage))
        await asyncio.gather(*(task for _, task in self._kept.values()), return_exceptions=True)

    def kill(self) -> None:
        for part, _ in self._kept.values():
            part.kill()

    async def mind(self) -> None:
        """Rotate the parts' logs. Never returns; raises the exception of a part that could not be kept running."""
        while True:
            tasks = [task for _, task in self._kept.values()]
            done, _ = await asyncio.wait(tasks, timeout=_LOG_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            for part, _ in self._kept.values():
                if part.log:
                    part.log.cut()


async def _all_started(parts: Sequence[StackPart]) -> None:
    for part in parts:
        await part.started.wait()


Job = Callable[[], Coroutine[Any, Any, None]]


class Kept(Protocol):
    """The interface of what `run` starts and stops."""

    async def start(self) -> None: ...
    async def mind(self) -> None: ...
    async def stop(self) -> None: ...
    def kill(self) -> None: ...


class Group:
    """Parts that start together and stop together, under one supervisor."""

    def __init__(self, parts: Sequence[StackPart]) -> None:
        self._parts = parts
        self._supervisor = Supervisor()

    async def start(self) -> None:
        await self._supervisor.start(self._parts)

    async def mind(self) -> None:
        await self._supervisor.mind()

    async def stop(self) -> None:
        await self._supervisor.stop([self._parts])

    def kill(self) -> None:
        self._supervisor.kill()


async def run(kept: Kept, job: Job, say: Callable[[str], None]) -> None:
    """Start `kept`, run the job, stop. A signal, or a part that fails for good, ends the job early."""
    async with stop_signals(kept.kill) as stop:
        asked = asyncio.create_task(stop.wait())
        work = asyncio.create_task(_start_and(kept, job))
        try:
            await asyncio.wait([asked, work], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
        finally:
            asked.cancel()
            await cancel_and_wait(work)
            say("stopping (again to stop at once)" if stop.is_set() else "stopping")
            await kept.stop()


async def _start_and(kept: Kept, job: Job) -> None:
    await kept.start()
    minding = asyncio.create_task(kept.mind())
    working = asyncio.create_task(job())
    try:
        done, _ = await asyncio.wait([minding, working], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await cancel_and_wait(minding)
        await cancel_and_wait(working)


async def for_ever() -> None:
    """The job of a stack that runs until a signal."""
    await asyncio.Event().wait()


@asynccontextmanager
async def stop_signals(on_second: Callable[[], None]) -> AsyncIterator[asyncio.Event]:
    """An event that SIGTERM, SIGINT and SIGHUP set; a second signal calls `on_second`."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if stop.is_set():
            on_second()
        stop.set()

    # nohup makes the process ignore SIGHUP; it must stay ignored, so that the stack outlives the terminal.
    ours = [number for number in _STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in ours:
        loop.add_signal_handler(number, asked)
    try:
        yield stop
    finally:
        for number in ours:
            loop.remove_signal_handler(number)
