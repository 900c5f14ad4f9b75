"""What all these servers share: finding, starting and stopping them, waiting for them, and a word on missing ones."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"

T = TypeVar("T")


class ServerMissing(Exception):
    """A server that cannot be had here; its text says why, and how to get it."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


#: Each pytest-xdist process has its own range of ports and uses each once, so a server that restarts keeps its port.
_PORTS = range(20_000, 32_000)
_given: set[int] = set()


def free_port() -> int:
    """A free port below the ephemeral range, so that no outgoing connection takes it while its server is down."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    share = _PORTS[int(worker) % 4 :: 4]
    for _ in range(1000):
        port = random.choice(share)
        if port in _given:
            continue
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                _given.add(port)
                return port
    raise RuntimeError("no free port")


def poll(condition: Callable[[], T | None], deadline: float = 10.0, *, every: float = 0.02, what: str = "") -> T:
    """Ask until the answer is true, and return it; after `deadline` seconds fail, saying what was waited for."""
    end = time.monotonic() + deadline
    while True:
        if answer := condition():
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what or _named(condition)}; last answer: {answer!r}")
        time.sleep(every)


async def apoll(
    condition: Callable[[], T | Awaitable[T]], deadline: float = 10.0, *, every: float = 0.02, what: str = ""
) -> T:
    """As `poll`, without blocking the event loop; the condition may be a coroutine function."""
    end = time.monotonic() + deadline
    while True:
        answer = condition()
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what or _named(condition)}; last answer: {answer!r}")
        await asyncio.sleep(every)


def _named(condition: object) -> str:
    return getattr(condition, "__qualname__", repr(condition))


def clean_environment() -> dict[str, str]:
    """The environment without our own settings: a developer's shell must not steer a test. Nor keep Python from storing
    what it compiles: each of a test's processes would compile everything again, for a second or two.
    """
    steering = "PYTHONDONTWRITEBYTECODE"
    return {name: value for name, value in os.environ.items() if not name.startswith("UMPIRE_") and name != steering}


class Process:
    """A server process of ours: can be stopped, killed, frozen, and started again with the same command."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] = {}) -> None:
        self.name = name
        self.command = list(command)
        self.log = log
        self.environment = dict(environment)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._child is not None, f"{self.name} is not running"
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self, ready: Callable[[], object], deadline: float = 20.0) -> None:
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env=clean_environment() | self.environment,
            )
        try:
            poll(lambda: ready() or not self.running, deadline, what=f"{self.name} ready")
            assert self.running, f"{self.name} ended at once, exit code {self._child.returncode}"
        except AssertionError as error:
            self.kill()
            raise RuntimeError(f"{error}:\n{self.log.read_text(errors='replace')[-2000:]}") from error

    def stop(self, deadline: float = 20.0) -> int | None:
        """SIGTERM and wait; what does not end is killed."""
        if self._child is None:
            return None
        self.resume()
        self._child.terminate()
        try:
            self._child.wait(deadline)
        except subprocess.TimeoutExpired:
            self._child.kill()
        code = self._child.wait()
        self._child = None
        return code

    def kill(self) -> None:
        """SIGKILL."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def pause(self) -> None:
        """SIGSTOP: the server hangs, its connections stay."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        if self.running:
            os.kill(self.pid, signal.SIGCONT)


def port_open(port: int, host: str = "127.0.0.1") -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False
