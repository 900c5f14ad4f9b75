"""How fast comparisons are accepted, against an endpoint that only echoes, in the same kind of process; and how evenly
at four fifths of that.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

from benchmarks import cpu
from benchmarks.load import LoadResult, run_load
from benchmarks.percentile import percentile
from benchmarks.stack import Servers
from benchmarks.tools import Tools

CONNECTIONS = 64
#: Until the interpreter has specialised its hot paths, and the broker has compiled its own.
WARM_UP = 4000
#: A run is so many stretches, each with the most and then a share of it, of both: four fifths of what was the most ten
#: seconds ago can be two thirds of what it is now, or all of it.
STRETCHES = 5
#: Seconds of the share, of which the first do not count: the client opens its connections then, all at once.
SHARE, SECONDS, SETTLE_SECONDS = 0.8, 2.0, 0.3


@dataclass
class _Measured:
    """Of each stretch."""

    rates: list[float] = field(default_factory=list)
    p50s: list[float] = field(default_factory=list)
    p99s: list[float] = field(default_factory=list)
    #: CPU seconds of all of them at the most: one stretch is a few dozen of the kernel's ticks.
    spent: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    requests: int = 0
    offered: list[float] = field(default_factory=list)
    #: Milliseconds of each request at the share of the most.
    steady: list[list[float]] = field(default_factory=list)

    def medians(self) -> dict[str, float]:
        found = {
            "rate": median(self.rates),
            "p50_ms": median(self.p50s),
            "p99_ms": median(self.p99s),
            "steady_offered": median(self.offered),
            "steady_p50_ms": median(percentile(one, 50) for one in self.steady),
            "steady_p99_ms": median(percentile(one, 99) for one in self.steady),
        }
        return found | {f"{name}_cpu_ms": 1000 * seconds / self.requests for name, seconds in self.spent.items()}

    def evenness(self) -> dict[str, float]:
        """99th percentile ÷ median, at the share of the most: of all requests of the run, each in units of its
        stretch's median, so that none is left out; of the worst stretch; and of all requests as they are.
        """
        usual = [percentile(one, 50) for one in self.steady]
        relative = [took / p50 for one, p50 in zip(self.steady, usual, strict=True) for took in one]
        return {
            "steady_p99_of_p50": percentile(relative, 99),
            "steady_worst_p99_of_p50": max(_p99_of_p50(one) for one in self.steady),
            "steady_together_p99_of_p50": _p99_of_p50([took for one in self.steady for took in one]),
        }


def accept(servers: Servers, tools: Tools, *, run: int, count: int) -> dict[str, Any]:
    """One run of both, in turns. `count`: requests of each at the most."""
    found = {"umpire": _Measured(), "echo": _Measured()}
    servers.reset(upstream_ms=20)
    with servers.api() as umpire, servers.api(module="benchmarks.echo") as echo:
        apis = {"umpire": umpire, "echo": echo}

        def ask(name: str, n: int, rate: float = 0.0) -> LoadResult:
            result = run_load(
                tools, apis[name][0], "benchmark.accept", servers.folder, n=n, connections=CONNECTIONS, rate=rate
            )
            result.all_accepted(n)
            return result

        for name in apis:
            ask(name, WARM_UP)
        for stretch in range(STRETCHES):
            for name in list(apis)[:: 1 if (run + stretch) % 2 == 0 else -1]:
                pids = servers.pids | {"api": apis[name][1].pid}
                _measure(found[name], partial(ask, name), pids, count // STRETCHES)
        for _, process in apis.values():
            servers.check_alive(process)
    ours, its = found["umpire"], found["echo"]
    return {name: one.medians() for name, one in found.items()} | {
        # Ratios within a stretch, since a machine's mood changes from one to the next.
        "of_echo": median(rate / bare for rate, bare in zip(ours.rates, its.rates, strict=True)),
        "cpu_of_echo": ours.spent["api"] / its.spent["api"],
        **ours.evenness(),
        "echo_steady_p99_of_p50": its.evenness()["steady_p99_of_p50"],
    }


def _measure(into: _Measured, ask: Callable[[int, float], LoadResult], pids: dict[str, int], count: int) -> None:
    before = cpu.read(pids)
    most = ask(count, 0.0)
    after = cpu.read(pids)
    into.requests += count
    for name in ("api", "redis", "kafka"):
        into.spent[name] += after[name] - before[name]
    into.spent["client"] += most.cpu_seconds
    into.rates.append(most.rate)
    into.p50s.append(most.p50_ms)
    into.p99s.append(most.p99_ms)
    offered = SHARE * most.rate
    steady = ask(min(int(SECONDS * offered), STRETCHES * count), offered)
    into.offered.append(offered)
    into.steady.append(steady.latencies_ms(after=SETTLE_SECONDS))


def _p99_of_p50(milliseconds: list[float]) -> float:
    return percentile(milliseconds, 99) / percentile(milliseconds, 50)
