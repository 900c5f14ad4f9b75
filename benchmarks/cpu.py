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


def stolen() -> tuple[float, float]:
    """Seconds of all processors since the machine's start: what a hypervisor gave to others, and all."""
    times = psutil.cpu_times()
    return getattr(times, "steal", 0.0), sum(times)


def stolen_share(before: tuple[float, float], after: tuple[float, float]) -> float:
    return (after[0] - before[0]) / (after[1] - before[1]) if after[1] > before[1] else 0.0
