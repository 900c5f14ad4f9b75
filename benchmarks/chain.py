"""HTTP → Redis → Celery → upstream → Kafka → consumer: from a full backlog, and paced.

Each run counts distinct request ids at the consumer, and ends only when every accepted request has its verdict and the
upstream was called once for each.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from benchmarks import cpu
from benchmarks.events import Events, Stuck
from benchmarks.load import run_load
from benchmarks.percentile import percentile
from benchmarks.stack import Servers
from benchmarks.tools import Tools
from devtools.servers import Process

#: The steady part of a run, as shares of its events: without the start, and without the tail when slots run empty.
STEADY = (0.1, 0.9)
WARM_UP = 200
WORKER = "worker"


@dataclass(frozen=True)
class Load:
    count: int
    upstream_ms: float
    #: Of each worker process.
    slots: int
    #: Longest time for the whole run, in seconds.
    seconds: float
    connections: int = 64
    #: Requests a second; 0 for the backlog, which is there before the worker starts.
    rate: float = 0.0
    provider: str = "anthropic"
    workers: int = 1
    #: Standard deviation of the upstream's time, log-normal; 0: always the same.
    sd_ms: float = 0.0
    #: Where all answers take the same time, they come in waves of all slots. Shares that lie a whole number of waves
    #: apart, each in the middle of one, leave no part of a wave over.
    steady: tuple[float, float] = STEADY

    @property
    def ideal(self) -> float:
        """Comparisons a second when every slot always waits for the upstream (Little's law)."""
        return self.workers * self.slots * 1000 / self.upstream_ms


def of_ideal(load: Load, result: dict[str, Any]) -> dict[str, Any]:
    return result | {"ideal": load.ideal, "of_ideal": result["rate"] / load.ideal}


def backlog(servers: Servers, tools: Tools, load: Load) -> dict[str, Any]:
    """Everything is accepted first; then the workers start. The API rests while this is measured."""
    before_all = _reset(servers, load)
    low, high = load.steady
    with servers.consumer() as (topic, events, consumer), _api(servers, load) as (url, api):
        sent = run_load(
            tools, url, topic, servers.folder, n=load.count, connections=load.connections, seconds=load.seconds
        )
        sent.all_accepted(load.count)
        with _workers(servers, load) as workers:
            pids = servers.pids | {"api": api.pid, "consumer": consumer.pid} | _named(workers)

            def alive() -> None:
                servers.check_alive(api, consumer, *workers)

            # Workers start one after the other: the first one has done some before the last one is there.
            events.read()
            low = max(low, events.distinct / load.count)
            events.wait(int(low * load.count), load.seconds, alive)
            servers.upstream_stats()
            before, first = cpu.read(pids), events.distinct
            events.wait(int(high * load.count), load.seconds, alive)
            after, last = cpu.read(pids), events.distinct
            peak = servers.upstream_stats()["peak"]
            events.wait(load.count, load.seconds, alive)
    return _checked(servers, events, sent.started, before_all) | {
        "rate": events.rate(low, high),
        "peak": peak,
        "cpu_ms": _together(cpu.per_comparison_ms(before, after, last - first)),
        **_connections(servers, load, before_all),
    }


def paced(servers: Servers, tools: Tools, load: Load) -> dict[str, Any]:
    """Requests come at a fixed rate to a running service."""
    before_all = _reset(servers, load)
    with (
        servers.consumer() as (topic, events, consumer),
        _api(servers, load) as (url, api),
        _workers(servers, load) as workers,
    ):
        pids = servers.pids | {"api": api.pid, "consumer": consumer.pid} | _named(workers)

        def alive() -> None:
            servers.check_alive(api, consumer, *workers)

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
    result = _checked(servers, events, sent.started | warm.started, before_all)
    for queue_id in warm.started:
        del events.arrived[queue_id]
    took = sorted((events.arrived[one] - start) / 1e6 for one, start in sent.started.items())
    spent = cpu.per_comparison_ms(before, after, load.count)
    spent["load client"] = 1000 * sent.cpu_seconds / sent.sent
    return result | {
        "offered": load.rate,
        "rate": events.rate(*load.steady),
        "peak": peak,
        "cpu_ms": _together(spent),
        "accept_p50_ms": sent.p50_ms,
        "accept_p99_ms": sent.p99_ms,
        "event_p50_ms": percentile(took, 50),
        "event_p95_ms": percentile(took, 95),
        **_connections(servers, load, before_all),
    }


def _reset(servers: Servers, load: Load) -> Mapping[str, float]:
    servers.reset(load.upstream_ms, sd_ms=load.sd_ms)
    return servers.upstream_stats()


def _api(servers: Servers, load: Load) -> AbstractContextManager[tuple[str, Process]]:
    return servers.api(load.slots, **servers.only(load.provider, load.slots))


def _workers(servers: Servers, load: Load) -> AbstractContextManager[list[Process]]:
    return servers.workers(load.workers, load.slots, load.provider, **servers.only(load.provider, load.slots))


def _named(workers: Sequence[Process]) -> dict[str, int]:
    return {f"{WORKER}{number or ''}": worker.pid for number, worker in enumerate(workers)}


def _together(spent: Mapping[str, float]) -> dict[str, float]:
    """The processes of the worker as one."""
    others = {name: ms for name, ms in spent.items() if not name.startswith(WORKER)}
    return others | {WORKER: sum(ms for name, ms in spent.items() if name.startswith(WORKER))}


def _connections(servers: Servers, load: Load, before: Mapping[str, float]) -> dict[str, float]:
    """New connections for every thousand calls, in all and a slot. Nothing where the upstream does not count them."""
    after = servers.upstream_stats()
    if "connections" not in after:
        return {}
    each = 1000 * (after["connections"] - before["connections"]) / (after["calls"] - before["calls"])
    return {"connections_per_1000": each, "connections_per_1000_and_slot": each / (load.slots * load.workers)}


def _checked(servers: Servers, events: Events, started: Collection[str], before: Mapping[str, float]) -> dict[str, Any]:
    events.read()
    events.check(started)
    calls = servers.upstream_stats()["calls"] - before["calls"]
    if calls != events.distinct:
        raise Stuck(f"{calls:.0f} calls of the upstream for {events.distinct} comparisons")
    return {"comparisons": events.distinct, "events": events.total, "upstream_calls": calls}
