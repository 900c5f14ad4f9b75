"""A process of the stack, restarted when it ends. Each start, end and signal is recorded."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from chaos.journal import Journal

#: Seconds that a part may take to start; a start takes two on an idle machine.
START_SECONDS = 90.0

#: Seconds between the end of a process and the next start.
PAUSE_SECONDS = 0.3

#: Command and environment of one start, by its number (from 1).
Launch = Callable[[int], tuple[Sequence[str], Mapping[str, str]]]


Ready = Callable[[], Awaitable[bool]]


class Part:
    def __init__(self, name: str, launch: Launch, ready: Ready, log: Path, journal: Journal, cwd: Path) -> None:
        self.name = name
        self._launch = launch
        self._ready = ready
        self._log = log
        self._journal = journal
        self._cwd = cwd
        self._number = 0
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False
        self._signal: str | None = None
        self.is_ready = asyncio.Event()

    @property
    def alias(self) -> str:
        """Name and number of the current start."""
        return f"{self.name}.{self._number}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def start(self) -> None:
        self._keeper = asyncio.create_task(self._keep(), name=self.name)

    async def _keep(self) -> None:
        while True:
            self._number += 1
            command, environment = self._launch(self._number)
            with self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                    env=dict(environment), cwd=self._cwd,
                )  # fmt: skip
            started = time.monotonic()
            self._journal.write(kind="start", part=self.alias, pid=self._process.pid)
            ended = asyncio.create_task(self._process.wait())
            while not ended.done() and not await self._ready():
                if time.monotonic() - started > START_SECONDS:
                    self.signal(signal.SIGKILL)
                await asyncio.wait([ended], timeout=0.05)
            if not ended.done():
                self._journal.write(kind="ready", part=self.alias, seconds=round(time.monotonic() - started, 2))
                self.is_ready.set()
            code = await ended
            self.is_ready.clear()
            self._journal.write(kind="exit", part=self.alias, code=code, signal=self._signal)
            self._signal = None
            if self._stopping:
                return
            await asyncio.sleep(PAUSE_SECONDS)

    def signal(self, number: signal.Signals) -> str:
        """Send the signal. Returns the alias of the process that got it."""
        process, alias = self._process, self.alias
        if process is None or process.returncode is not None:
            return alias
        if number in {signal.SIGKILL, signal.SIGTERM}:
            self._signal = number.name
            self.is_ready.clear()
        os.kill(process.pid, number)
        self._journal.write(kind="signal", part=alias, pid=process.pid, signal=number.name)
        return alias

    async def stop(self, grace: float) -> None:
        """Send SIGTERM and wait; after `grace` seconds send SIGKILL."""
        self._stopping = True
        self.signal(signal.SIGTERM)
        if self._keeper is not None:
            await asyncio.wait([self._keeper], timeout=grace)
            if not self._keeper.done():
                self.signal(signal.SIGKILL)
                await self._keeper

    def kill(self) -> None:
        """Kill the process at the end of a run, without a record."""
        self._stopping = True
        if self.running and self._process is not None:
            self._process.kill()
