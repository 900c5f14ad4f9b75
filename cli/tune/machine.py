"""Cores and CPU time per comparison of the local machine, measured by a sweep's calls. Pure except for `cores`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from cli.tune.level import LoadLevel

#: CPU seconds of a worker process for one comparison on the machine of docs/performance.md ("worker", 20 ms from a
#: backlog, rounded up). Used if no call was measured.
WORKER_CPU_SECONDS = 0.002

#: The part of it without the SDK's call: claim, limits, verdict, event.
OWN_CPU_SECONDS = 0.0012

#: A level with fewer calls is not used: the process's constant work would be divided among too few calls.
_ENOUGH_CALLS = 20


@dataclass(frozen=True, slots=True)
class Machine:
    #: Cores that this process may use.
    cores: int
    #: CPU seconds of one comparison in a worker process.
    comparison: float = WORKER_CPU_SECONDS
    #: The measured part of it that the provider's call takes; None: not measured.
    call: float | None = None

    @classmethod
    def here(cls, levels: Sequence[LoadLevel]) -> "Machine":
        measured = [level.cpu for level in levels if level.cpu > 0 and level.calls >= _ENOUGH_CALLS]
        if not measured:
            return cls(cores())
        # The least, since in a busy level this process's constant work is divided among the most calls.
        return cls(cores(), min(measured) + OWN_CPU_SECONDS, min(measured))


def cores() -> int:
    """Cores that this process may use: in a container or under taskset fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
