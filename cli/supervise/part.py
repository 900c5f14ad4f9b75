"""One process of a stack: starts it, watches it, restarts it when it dies, and stops it."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cli.failure import Failure
from cli.supervise.files import LogFile

_PARENT_DEATH = Path(__file__).with_name("parent_death.py")

#: Seconds. A part that dies restarts after the first delay, doubled each time up to the longest. A part that ran for
#: _STABLE_SECONDS begins with the first delay again.
_FIRST_DELAY, _LONGEST_DELAY, _STABLE_SECONDS = 0.2, 10.0, 10.0
#: A part that ends this often before it was ever ready is given up.
_START_TRIES = 3
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Launch:
    """The command of a part. Made anew for each start, since addresses may have changed."""

    command: Sequence[str]
    environment: Mapping[str, str]
    descriptors: tuple[int, ...] = ()


@dataclass(eq=False)
class StackPart:
    name: str
    launch: Callable[[], Launch]
    say: Callable[[str], None]
    ready: Callable[[], Awaitable[bool]]
    #: None: the part writes to the supervisor's output.
    log: LogFile | None = None
    #: Seconds between SIGTERM and SIGKILL.
    grace: float = 10.0
    #: Seconds within which the part must become ready for the first time; None: no limit.
    start_timeout: float | None = 60.0
    #: Called when the part's process id has changed.
    changed: Callable[[], None] = lambda: None
    #: Called each time the part becomes ready.
    on_ready: Callable[[], None] = lambda: None

    pid: int | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    _process: asyncio.subprocess.Process | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _replacing: bool = False

    async def keep_running(self) -> None:
        """Keep the process running until `stop`. Raises Failure when it never becomes ready."""
        delay, tries = _FIRST_DELAY, 0
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                ended = how(await self._once())
            except OSError as error:  # full disk, no process or descriptor left: possibly temporary
                ended = f"cannot be started ({error.strerror})"
            if self._stopping.is_set():
                return
            if self._replacing:
                self._replacing = False
                continue
            tries += 1
            if not self.started.is_set() and tries >= _START_TRIES:
                raise Failure(self._with_log(f"{self.name} does not start: it {ended}, {tries} times"))
            delay = _FIRST_DELAY if time.monotonic() - began > _STABLE_SECONDS else delay
            self.say(f"{self.name} {ended}; it is started again in {delay:g} s")
            if delay >= 1:  # below that, the new process starts before anybody could notice
                self.changed()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
            delay = min(delay * 2, _LONGEST_DELAY)

    async def replace(self) -> None:
        """Stop the process with SIGTERM; `keep_running` starts a new one at once."""
        self._replacing = True
        await self._end()

    async def stop(self) -> None:
        self._stopping.set()
        await self._end()

    def kill(self) -> None:
        """Send SIGKILL at once, without the grace period."""
        self._stopping.set()
        self._signal(signal.SIGKILL)

    async def _once(self) -> int:
        launch = self.launch()
        output = self.log.open() if self.log else None
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", str(_PARENT_DEATH), str(os.getpid()), *launch.command,
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, env=dict(launch.environment),
                pass_fds=launch.descriptors, start_new_session=True,
            )  # fmt: skip
        finally:
            if output:
                output.close()
        self.pid = self._process.pid
        self.changed()
        ended = asyncio.create_task(self._process.wait())
        if self._stopping.is_set():  # stop came while the process was being made
            self._signal(signal.SIGTERM)
        try:
            await self._until_ready(ended)
            return await ended
        finally:
            self.pid = None

    async def _until_ready(self, ended: asyncio.Task[int]) -> None:
        began = time.monotonic()
        while not ended.done():
            if await self.ready():
                self.say(f"{self.name} is ready{' again' if self.started.is_set() else ''}")
                self.started.set()
                self.on_ready()
                return
            late = self.start_timeout is not None and time.monotonic() - began > self.start_timeout
            if late and not self.started.is_set():
                raise Failure(self._with_log(f"{self.name} is not ready after {self.start_timeout:g} s"))
            await asyncio.wait([ended], timeout=_POLL_SECONDS)

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self.grace)
        except TimeoutError:
            self.say(f"{self.name} did not stop within {self.grace:g} s and is killed")
            self._signal(signal.SIGKILL)
            await process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    def _with_log(self, what: str) -> str:
        tail = self.log.tail() if self.log else ""
        return f"{what}. The end of {self.log.path}:\n{tail}" if self.log and tail else what


def how(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
