"""What a worker and an API take of memory, with 200 calls in flight, and whether it grows."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import psutil

from benchmarks.events import Stuck
from benchmarks.load import run_load
from benchmarks.stack import Servers
from benchmarks.tools import Tools

SLOTS, UPSTREAM_MS = 200, 500.0
#: As many as the slots do, so that all of them are taken all the time.
RATE = SLOTS * 1000 / UPSTREAM_MS
#: Growth is from here to the end, in shares of all comparisons: before, pools and caches fill.
EARLY, LATE = (0.2, 0.25), (0.95, 1.0)
_EVERY_SECONDS = 0.25
_SLACK_SECONDS = 120.0


def memory(servers: Servers, tools: Tools, *, count: int) -> dict[str, Any]:
    servers.reset(UPSTREAM_MS)
    samples: list[tuple[float, Mapping[str, float]]] = []
    limit = count / RATE + _SLACK_SECONDS
    with (
        servers.consumer() as (topic, events, consumer),
        servers.api(SLOTS) as (url, api),
        servers.worker(SLOTS) as worker,
        ThreadPoolExecutor(1) as pool,
    ):
        servers.upstream_stats()
        load = pool.submit(
            run_load, tools, url, topic, servers.folder, n=count, connections=64, rate=RATE, seconds=limit
        )
        end = time.monotonic() + limit
        while events.distinct < count:
            events.read()
            samples.append((events.distinct / count, {"worker": _mb(worker.pid), "api": _mb(api.pid)}))
            servers.check_alive(api, worker, consumer)
            if time.monotonic() > end:
                raise Stuck(f"{events.distinct} of {count} events within {limit:.0f} s")
            time.sleep(_EVERY_SECONDS)
        sent = load.result()
        sent.all_accepted(count)
        events.check(sent.started)
        peak = servers.upstream_stats()["peak"]
    found: dict[str, Any] = {"comparisons": count, "peak": peak}
    for name in ("worker", "api"):
        early, late = (
            median(one[name] for share, one in samples if low <= share <= high) for low, high in (EARLY, LATE)
        )
        found[name] = {"most_mb": max(one[name] for _, one in samples), "growth": late / early - 1, "late_mb": late}
    return found


def _mb(pid: int) -> float:
    """Resident, with all its descendants."""
    process = psutil.Process(pid)
    return float(sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / 1e6)
