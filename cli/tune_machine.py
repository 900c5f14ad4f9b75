"""What this machine has, and what a comparison costs it: of a sweep's own calls. Pure, but for the count of cores."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from cli.tune_level import Level

#: CPU that a worker process takes for one comparison on the machine of docs/performance.md, in seconds ("worker", 20 ms
#: from a backlog, rounded up). Where no call was measured.
WORKER_CPU_SECONDS = 0.002

#: Its own part of that, beside the SDK's call: claim, limits, verdict, event.
OWN_CPU_SECONDS = 0.0012

#: A level of fewer calls says little of one: what the process does anyway is shared by them.
_ENOUGH_CALLS = 20


@dataclass(frozen=True, slots=True)
class Machine:
    #: That this process may use.
    cores: int
    #: CPU of one comparison in a worker process, in seconds.
    comparison: float = WORKER_CPU_SECONDS
    #: Of it, what the provider's call was measured to take here; None: it was not.
    call: float | None = None

    @classmethod
    def here(cls, levels: Sequence[Level]) -> "Machine":
        measured = [level.cpu for level in levels if level.cpu > 0 and level.calls >= _ENOUGH_CALLS]
        if not measured:
            return cls(cores())
        # The least: a busy level shares this process' own work among the most calls.
        return cls(cores(), min(measured) + OWN_CPU_SECONDS, min(measured))


def cores() -> int:
    """That this process may use: fewer than there are in a container, or under taskset."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
