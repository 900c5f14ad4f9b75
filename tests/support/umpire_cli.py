"""A real `umpire up` for tests, and what to look at in it."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import psutil
from umpire_disk import Namespace

from contracts.clock import utcnow
from contracts.enums import EssayComparisonWinner, LLMProviderType
from contracts.events import EventEnvelope, LLMComparisonResultV1, TokenUsage
from contracts.topics import result_event_id
from devtools.servers import ROOT, clean_environment, poll

UMPIRE = (sys.executable, "-m", "cli.main")

#: A start takes five seconds on an idle machine; tests share two cores.
START_SECONDS = 60.0


def umpire(
    *arguments: object, cwd: Path = ROOT, timeout: float = 100, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*UMPIRE, *map(str, arguments)],
        cwd=cwd, env=environment(**settings), capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip


def environment(**settings: str) -> dict[str, str]:
    return {**clean_environment(), "PYTHONPATH": str(ROOT), "COLUMNS": "120", **settings}


class Up:
    """`umpire up` on free ports."""

    def __init__(self, data_dir: Path, *options: str, within: Namespace | None = None, **settings: str) -> None:
        """`within`: the namespace that its processes run in, and in which the data directory is."""
        self.data_dir = within.seen(data_dir) if within else data_dir
        self.output = data_dir.with_name(f"{data_dir.name}.out")
        self._command = [*UMPIRE, "up", "--data-dir", str(data_dir), "--port", "0", "--flower-port", "0", *options]
        self._settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        self.cwd = ROOT
        self._within = within
        self._seen: dict[int, psutil.Process] = {}

    def start(self, *, wait: bool = True) -> Self:
        if wait:  # that of one that was killed would be taken for this one's
            (self.data_dir / "stack.json").unlink(missing_ok=True)
        with self.output.open("ab") as output:
            command = self._within.command(self._command, self.cwd) if self._within else self._command
            self.process = subprocess.Popen(
                command, cwd=self.cwd, env=environment(**self._settings), stdout=output, stderr=output
            )
        if wait:
            poll(lambda: self.up_or_ended, START_SECONDS, what="stack.json")
            assert self.process.poll() is None, self.text
        return self

    @property
    def up_or_ended(self) -> bool:
        assert self.process
        return (self.data_dir / "stack.json").exists() or self.process.poll() is not None

    @property
    def text(self) -> str:
        return self.output.read_text()

    @property
    def stack(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data_dir / "stack.json").read_text())
        return found

    @property
    def pids(self) -> list[int]:
        """All that stack.json names."""
        told = self.stack["pids"]
        workers = [pid for pids in told["workers"].values() for pid in pids]
        return [*told["api"], *workers, *[told[name] for name in ("redis", "kafka", "flower") if told[name]]]

    def descendants(self) -> list[psutil.Process]:
        """Every process under it now, remembered for `left`."""
        assert self.process
        found = psutil.Process(self.process.pid).children(recursive=True)
        self._seen |= {child.pid: child for child in found}
        return found

    def left(self) -> list[psutil.Process]:
        """Those of its processes that were seen and still run."""
        return [child for child in self._seen.values() if alive(child)]

    def signal(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)

    def stop(self, timeout: float = 40) -> int:
        self.descendants()
        self.signal(signal.SIGTERM)
        assert self.process
        return self.process.wait(timeout)

    def discard(self) -> None:
        if self.process and self.process.poll() is None:
            self.descendants()
            self.process.kill()
            self.process.wait()
        for child in self.left():
            child.kill()


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def is_pid_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def get(url: str, auth: str | None = None) -> tuple[int, bytes]:
    """Status and body; 0 when nobody answers."""
    headers = {"authorization": f"Basic {b64encode(auth.encode()).decode()}"} if auth else {}
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - of the test's own stack
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def verdict(request_id: str, winner: str = "Essay A", event_id: Any = None) -> EventEnvelope[LLMComparisonResultV1]:
    """A result event that says so."""
    result = LLMComparisonResultV1(
        request_id=request_id, correlation_id=uuid4(), winner=EssayComparisonWinner(winner), justification="j",
        confidence=3, provider=LLMProviderType.MOCK, model="m", response_time_ms=1, token_usage=TokenUsage(),
        cost_estimate=0, requested_at=utcnow(), completed_at=utcnow(), request_metadata={},
    )  # fmt: skip
    return EventEnvelope[LLMComparisonResultV1](
        event_id=event_id or result_event_id(request_id),
        event_type="t",
        event_timestamp=utcnow(),
        correlation_id=uuid4(),
        data=result,
    )
