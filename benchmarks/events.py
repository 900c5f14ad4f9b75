"""What the consumer process has seen so far."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path


class Stuck(Exception):
    """The benchmark did not get to its end in its time; nothing is reported then."""


@dataclass
class Events:
    """Reads the consumer's file as it grows."""

    path: Path
    #: Queue id → arrival of its first event, ns since the epoch.
    arrived: dict[str, int] = field(default_factory=dict)
    total: int = 0
    errors: int = 0
    _offset: int = 0
    _rest: str = ""

    @property
    def distinct(self) -> int:
        return len(self.arrived)

    def read(self) -> None:
        with self.path.open() as file:
            file.seek(self._offset)
            text = self._rest + file.read()
            self._offset = file.tell()
        *lines, self._rest = text.split("\n")
        for line in lines:
            if line and line != "ready":
                queue_id, at, verdict = line.split(" ")
                self.total += 1
                self.errors += verdict == "0"
                self.arrived.setdefault(queue_id, int(at))

    def wait(self, count: int, seconds: float, alive: Callable[[], None]) -> None:
        """Wait until this many requests have an event. Raises Stuck; `alive` raises when a process has died."""
        end = time.monotonic() + seconds
        while True:
            self.read()
            if self.distinct >= count:
                return
            alive()
            if time.monotonic() > end:
                raise Stuck(f"{self.distinct} of {count} events within {seconds:.0f} s")
            time.sleep(0.02)

    def check(self, accepted: Collection[str]) -> None:
        """Every accepted request has a verdict, and nothing else came."""
        missing, foreign = set(accepted) - self.arrived.keys(), self.arrived.keys() - set(accepted)
        if missing or foreign or self.errors:
            raise Stuck(f"{len(missing)} without an event, {len(foreign)} of no request, {self.errors} errors")

    def rate(self, low: float, high: float) -> float:
        """Events a second between two shares of all."""
        times = sorted(self.arrived.values())
        first, last = int(low * len(times)), min(int(high * len(times)), len(times) - 1)
        return (last - first) / ((times[last] - times[first]) / 1e9)
