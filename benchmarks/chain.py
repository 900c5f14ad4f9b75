"""HTTP → Redis → Celery → upstream → Kafka → consumer: from a full backlog, and paced.

Each run counts distinct request ids at the consumer, and ends only when every accepted request has its verdict and the
upstream was called once for each.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from benchmarks import ROOT, cpu
from benchmarks.events import Events
from benchmarks.load import LoadResult, run_load
from benchmarks.stack import Servers
from benchmarks.tools import Tools

#: The steady part of a run, as shares of its events: without the start, and without the tail when slots run empty.
STEADY = (0.1, 0.9)
WARM_UP = 200


@dataclass(frozen=True)
class Load:
    count: int
    upstream_ms: float
    slots: int
    #: Longest time for the whole run, in seconds.
    seconds: float
    connections: int = 64
    #: Requests a second; 0 for the backlog, which is there before the worker starts.
    rate: float = 0.0


def bare_call(servers: Servers, *, count: int) -> dict[str, float]:
    """CPU milliseconds of the SDK's own call, alone in a process: the yardstick of the worker's."""
    servers.reset(upstream_ms=20)
    command = [sys.executable, "-m", "benchmarks.bare_call", servers.upstream_url, str(count)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=120, check=True)
    return dict(json.loads(done.stdout))


def backlog(servers: Servers, tools: Tools, load: Load) -> dict[str, Any]:
    """Everything is accepted first; then the worker starts. The API rests while this is measured."""
    servers.reset(load.upstream_ms)
    calls = servers.upstream_stats()["calls"]
    with servers.consumer() as (topic, events, consumer), servers.api(load.slots) as (url, api):
        sent = run_load(
            tools, url, topic, servers.folder, n=load.count, connections=load.connections, seconds=load.seconds
        )
        sent.all_accepted(load.count)
        with servers.worker(load.slots) as worker:
            pids = servers.pids | {"api": api.pid, "worker": worker.pid, "consumer": consumer.pid}

            def alive() -> None:
                servers.check_alive(api, worker, consumer)

            events.wait(int(STEADY[0] * load.count), load.seconds, alive)
            servers.upstream_stats()
            before, first = cpu.read(pids), events.distinct
            events.wait(int(STEADY[1] * load.count), load.seconds, alive)
            after, last = cpu.read(pids), events.distinct
            peak = servers.upstream_stats()["peak"]
            events.wait(load.count, load.seconds, alive)
    spent = cpu.per_comparison_ms(before, after, last - first)
    return _checked(servers, events, sent, calls) | {"rate": events.rate(*STEADY), "peak": peak, "cpu_ms": spent}


def paced(servers: Servers, tools: Tools, load: Load) -> dict[str, Any]:
    """Requests come at a fixed rate to a running service."""
    servers.reset(load.upstream_ms)
    calls = servers.upstream_stats()["calls"]
    with (
        servers.consumer() as (topic, events, consumer),
        servers.api(load.slots) as (url, api),
        servers.worker(load.slots) as worker,
    ):
        pids = servers.pids | {"api": api.pid, "worker": worker.pid, "consumer": consumer.pid}

        def alive() -> None:
            servers.check_alive(api, worker, consumer)

        warm = run_load(tools, url, topic, servers.folder, n=WARM_UP, connections=load.connections, seconds=60)
        events.wait(WARM_UP, 60, alive)
        servers.upstream_stats()
        before = cpu.read(pids)
        sent = run_load(
            tools,
            url,
            topic,
            servers.folder,
            n=load.count,
            connections=load.connections,
            rate=load.rate,
            seconds=load.seconds,
        )
        sent.all_accepted(load.count)
        events.wait(WARM_UP + load.count, load.seconds, alive)
        after = cpu.read(pids)
        peak = servers.upstream_stats()["peak"]
    for queue_id in warm.started:
        events.arrived.pop(queue_id, None)
    events.total -= WARM_UP
    took = sorted((events.arrived[one] - start) / 1e6 for one, start in sent.started.items() if one in events.arrived)
    spent = cpu.per_comparison_ms(before, after, load.count)
    spent["load client"] = 1000 * sent.cpu_seconds / sent.sent
    return _checked(servers, events, sent, calls + WARM_UP) | {
        "offered": load.rate,
        "rate": events.rate(*STEADY),
        "peak": peak,
        "cpu_ms": spent,
        "accept_p50_ms": sent.p50_ms,
        "accept_p99_ms": sent.p99_ms,
        "event_p50_ms": took[len(took) // 2],
        "event_p95_ms": took[len(took) * 95 // 100],
    }


def _checked(servers: Servers, events: Events, sent: LoadResult, calls_before: int) -> dict[str, Any]:
    events.read()
    events.check(sent.started)
    return {
        "comparisons": events.distinct,
        "events": events.total,
        "upstream_calls": servers.upstream_stats()["calls"] - calls_before,
    }
