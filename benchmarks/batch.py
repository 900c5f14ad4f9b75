"""What a batch costs by its size, and what single requests beside batches pay."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import cpu
from benchmarks.load import LoadResult, comparison_body, post, run_load
from benchmarks.percentile import percentile
from benchmarks.stack import Servers
from benchmarks.tools import Tools

TOPIC = "benchmark.batch"
CHARACTERS = 3_000
SIZES = (1, 10, 50, 200)

#: Comparisons in batches of each size; the first ones are not measured.
COMPARISONS, WARM_UP = 12_000, 2_000
MOST_BATCHES = 2_000

#: Beside each other: single requests a second, and batches of 200 a second, in turns with and without the batches.
SINGLES, BATCHES = 100.0, 1.0
STRETCHES, SECONDS, SETTLE_SECONDS = 6, 8.0, 0.5


def batch(servers: Servers, tools: Tools, *, scale: float) -> dict[str, Any]:
    servers.reset(upstream_ms=20)
    with servers.api() as (url, process):

        def send(size: int, n: int, rate: float = 0.0) -> LoadResult:
            return _post(tools, url, servers.folder / "batches", size, n, rate)

        found: dict[str, Any] = {
            f"of_{size}": _by_size(servers, process.pid, send, size, max(COMPARISONS * scale, 1_000)) for size in SIZES
        }
        found["each_of_200_of_each_of_1"] = found["of_200"]["api_cpu_ms"] / found["of_1"]["api_cpu_ms"]
        found |= _beside(servers, tools, url, send, SECONDS * max(scale, 0.25))
        servers.check_alive(process)
    return found


def _post(tools: Tools, url: str, folder: Path, size: int, n: int, rate: float) -> LoadResult:
    folder.mkdir(exist_ok=True)
    one = json.loads(comparison_body(TOPIC))
    one["user_prompt"] = (one["user_prompt"] * 2)[:CHARACTERS]
    result = post(
        tools,
        f"{url}/api/v1/comparison/batch",
        json.dumps({"comparisons": [one] * size}).encode(),
        folder,
        headers={},
        n=n,
        connections=1,
        rate=rate,
    )
    if set(result.statuses) != {202}:
        raise RuntimeError(f"not all batches were accepted whole; by status: {result.statuses}")
    return result


def _by_size(
    servers: Servers, api: int, send: Callable[[int, int], LoadResult], size: int, comparisons: float
) -> dict[str, float]:
    servers.redis.command("FLUSHALL")
    send(size, max(1, min(int(WARM_UP / size), MOST_BATCHES // 4)))
    pids = servers.pids | {"api": api}
    n = max(5, min(int(comparisons / size), MOST_BATCHES))
    before = cpu.read(pids)
    result = send(size, n)
    spent = cpu.per_comparison_ms(before, cpu.read(pids), n * size)
    costs = {f"{name}_cpu_ms": spent[name] for name in ("api", "redis", "kafka")}
    return {"p50_ms": result.p50_ms, "p99_ms": result.p99_ms, "each_ms": 1000 * result.seconds / n / size, **costs}


def _beside(
    servers: Servers, tools: Tools, url: str, send: Callable[[int, int, float], LoadResult], seconds: float
) -> dict[str, float]:
    """Latencies of single requests, alone and beside batches."""
    took: dict[bool, list[list[float]]] = {False: [], True: []}
    with ThreadPoolExecutor(1) as beside:
        for stretch in range(STRETCHES):
            for with_batches in (False, True) if stretch % 2 else (True, False):
                servers.redis.command("FLUSHALL")
                batches = beside.submit(send, 200, int(BATCHES * seconds), BATCHES) if with_batches else None
                n = int(SINGLES * seconds)
                singles = run_load(tools, url, TOPIC, servers.folder, n=n, connections=16, rate=SINGLES)
                singles.all_accepted(n)
                took[with_batches].append(singles.latencies_ms(after=SETTLE_SECONDS))
                if batches is not None:
                    batches.result()
    alone, with_them = ([percentile(one, 99) for one in took[key]] for key in (False, True))
    return {
        "p50_alone_ms": median(percentile(one, 50) for one in took[False]),
        "p50_beside_ms": median(percentile(one, 50) for one in took[True]),
        "p99_alone_ms": median(alone),
        "p99_beside_ms": median(with_them),
        "p99_beside_of_alone": median(b / a for a, b in zip(alone, with_them, strict=True)),
    }
