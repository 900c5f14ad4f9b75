"""How fast comparisons are accepted, against an endpoint that only echoes, in the same kind of process; and how evenly
at four fifths of that.
"""

from collections.abc import Sequence
from typing import Any

from benchmarks import cpu
from benchmarks.load import run_load
from benchmarks.stack import Servers
from benchmarks.tools import Tools

CONNECTIONS = 64
#: Until the interpreter has specialised its hot paths, and the broker has compiled its own.
WARM_UP = 4000
NAMES = ("umpire", "echo")
#: Of the most that was accepted a moment before, for so many seconds, of which the first do not count: the client opens
#: its connections then, all at once.
SHARE, SECONDS, SETTLE_SECONDS = 0.8, 7.0, 1.0


def accept(servers: Servers, tools: Tools, *, run: int, count: int) -> dict[str, Any]:
    """One run of both, the order alternating with `run`."""
    names: Sequence[str] = NAMES if run % 2 == 0 else NAMES[::-1]
    found = {name: _one(servers, tools, name, count) for name in names}
    umpire, echo = found["umpire"], found["echo"]
    # Ratios within the run, since a machine's mood changes between runs.
    return found | {
        "of_echo": umpire["rate"] / echo["rate"],
        "cpu_of_echo": umpire["api_cpu_ms"] / echo["api_cpu_ms"],
        "steady_p99_of_p50": umpire["steady_p99_ms"] / umpire["steady_p50_ms"],
    }


def _one(servers: Servers, tools: Tools, name: str, count: int) -> dict[str, float]:
    servers.reset(upstream_ms=20)
    with servers.api(module="benchmarks.echo" if name == "echo" else None) as (url, process):
        topic = "benchmark.accept"
        run_load(tools, url, topic, servers.folder, n=WARM_UP, connections=CONNECTIONS)
        pids = servers.pids | {"api": process.pid}
        before = cpu.read(pids)
        result = run_load(tools, url, topic, servers.folder, n=count, connections=CONNECTIONS)
        spent = cpu.per_comparison_ms(before, cpu.read(pids), count)
        result.all_accepted(count)
        offered = SHARE * result.rate
        steady_count = int(min(SECONDS * offered, 3 * count))
        steady = run_load(
            tools, url, topic, servers.folder, n=steady_count, connections=CONNECTIONS, rate=offered, seconds=30
        )
        steady.all_accepted(steady_count)
        p50, p99 = steady.percentiles_ms(50, 99, after=SETTLE_SECONDS)
        servers.check_alive(process)
    return {
        "rate": result.rate,
        "p50_ms": result.p50_ms,
        "p99_ms": result.p99_ms,
        "api_cpu_ms": spent["api"],
        "redis_cpu_ms": spent["redis"],
        "kafka_cpu_ms": spent["kafka"],
        "client_cpu_ms": 1000 * result.cpu_seconds / count,
        "steady_offered": offered,
        "steady_p50_ms": p50,
        "steady_p99_ms": p99,
    }
