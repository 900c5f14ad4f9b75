"""Does a comparison cost more when more of them wait? And what does each that waits take of Redis' memory?

The depths are measured twice, the second time from the deepest on, and the two are averaged: what a machine's speed
does meanwhile falls on all of them alike. The backlog is held at its depth while it is measured: what is done is filled
up again, by the ledger's own admit. Redis rewrites no append-only file meanwhile: that would fall on whichever depth
comes when a file has grown enough.
"""

import time
from typing import Any

from redis import Redis

from benchmarks import cpu
from benchmarks.events import Stuck
from benchmarks.filling import Filler
from benchmarks.load import comparison_body
from benchmarks.stack import Servers

DEPTHS = (1_000, 10_000, 100_000)
#: Of which memory is measured.
QUEUED = 10_000
UPSTREAM_MS, SLOTS = 20.0, 64
#: Comparisons at each depth before any is measured; more of them right after the start.
SETTLE, WARM_UP = 500, 2_000
_SECONDS = 180.0


def depth(servers: Servers, *, measured: int, scale: float) -> dict[str, Any]:
    """`measured` comparisons at each depth; `scale` makes all depths smaller."""
    depths = {str(name): int(name * scale) for name in DEPTHS}
    with Redis.from_url(servers.redis.url) as redis:
        usual = redis.config_get("auto-aof-rewrite-percentage")["auto-aof-rewrite-percentage"]
        redis.config_set("auto-aof-rewrite-percentage", 0)
        try:
            found = {"memory": _memory(servers, redis, int(QUEUED * scale))}
            found |= _depths(servers, depths, measured)
        finally:
            redis.flushall()
            redis.config_set("auto-aof-rewrite-percentage", usual)
    costs = [found[name]["cpu_ms"] for name in depths]
    times = [found[name]["each_ms"] for name in depths]
    return found | {"cpu_spread": max(costs) / min(costs), "time_spread": max(times) / min(times)}


def _memory(servers: Servers, redis: Redis, count: int) -> dict[str, float]:
    """Bytes that Redis takes for each of `count` queued requests, of which nothing is done."""
    servers.reset(UPSTREAM_MS)
    topic = "benchmark.depth"
    with Filler(servers.redis.url, topic) as filler:
        before = redis.info("memory")["used_memory"]
        filler.fill(count)
        each = (redis.info("memory")["used_memory"] - before) / count
    body = len(comparison_body(topic))
    return {"each_bytes": each, "body_bytes": body, "of_allowed": each / (1.3 * body + 2048)}


def _depths(servers: Servers, depths: dict[str, int], measured: int) -> dict[str, dict[str, float]]:
    up = _held(servers, depths, measured)
    down = {name: _held(servers, {name: depths[name]}, measured)[name] for name in reversed(depths)}
    return {name: {key: (value + down[name][key]) / 2 for key, value in up[name].items()} for name in depths}


def _held(servers: Servers, depths: dict[str, int], measured: int) -> dict[str, dict[str, float]]:
    """At one depth after the other, which only grow, with one worker."""
    servers.reset(UPSTREAM_MS)
    calls = servers.upstream_stats()["calls"]
    found = {}
    with servers.consumer() as (topic, events, consumer), Filler(servers.redis.url, topic) as filler:
        filler.fill(min(depths.values()))
        with servers.worker(SLOTS) as worker:

            def until(done: int, waiting: int) -> None:
                """`done` comparisons are there; meanwhile the others wait."""
                end = time.monotonic() + _SECONDS
                while events.distinct < done:
                    events.read()
                    filler.fill(max(waiting + events.distinct - filler.count, 0))
                    servers.check_alive(worker, consumer)
                    if time.monotonic() > end:
                        raise Stuck(f"{events.distinct} of {done} events within {_SECONDS:.0f} s")
                    time.sleep(0.02)

            until(WARM_UP, min(depths.values()))
            for name, waiting in depths.items():
                filler.fill(max(waiting + events.distinct - filler.count, 0))
                events.read()
                until(events.distinct + SETTLE, waiting)
                pids = {"worker": worker.pid, "redis": servers.redis.process.pid}
                before, began, first = cpu.read(pids), time.perf_counter(), events.distinct
                until(first + measured, waiting)
                after, seconds, done = cpu.read(pids), time.perf_counter() - began, events.distinct - first
                spent = cpu.per_comparison_ms(before, after, done)
                found[name] = {"cpu_ms": sum(spent.values()), **spent, "each_ms": 1000 * seconds / done}
        events.read()
        if events.errors or servers.upstream_stats()["calls"] - calls < events.distinct:
            raise Stuck(f"{events.errors} errors, {events.distinct} events")
    return found
