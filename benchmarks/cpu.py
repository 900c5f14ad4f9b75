"""CPU seconds of processes, children included."""

from collections.abc import Mapping

import psutil

Marks = dict[str, float]


def read(pids: Mapping[str, int]) -> Marks:
    """CPU seconds so far of each, with all its descendants."""
    return {name: _seconds(psutil.Process(pid)) for name, pid in pids.items()}


def _seconds(process: psutil.Process) -> float:
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        times = one.cpu_times()
        total += times.user + times.system
    return total


def per_comparison_ms(before: Marks, after: Marks, count: int) -> dict[str, float]:
    """Milliseconds of CPU for each of `count` comparisons between two readings."""
    return {name: 1000 * (after[name] - before[name]) / count for name in before}
