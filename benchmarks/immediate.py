"""Comparisons whose clients wait: 100 a second in `immediate` mode, against a provider that takes 300 ms."""

from typing import Any

from benchmarks.events import Stuck
from benchmarks.load import LoadResult, comparison_body, post
from benchmarks.percentile import percentile
from benchmarks.stack import Servers
from benchmarks.tools import Tools

RATE, UPSTREAM_MS = 100.0, 300.0
#: More than are ever in flight: otherwise a request would wait for a connection, and that wait would count.
CONNECTIONS = 100
SLOTS = 64
WARM_UP = 200
_SECONDS = 60.0


def immediate(servers: Servers, tools: Tools, *, count: int) -> dict[str, Any]:
    servers.reset(UPSTREAM_MS)
    with (
        servers.consumer() as (topic, events, _),
        servers.api(SLOTS) as (url, api),
        servers.worker(SLOTS) as worker,
    ):

        def load(comparisons: int) -> LoadResult:
            """Raises Stuck for any answer but 200."""
            result = post(
                tools, f"{url}/api/v1/comparison", comparison_body(topic, processing_mode="immediate"), servers.folder,
                headers={}, n=comparisons, connections=CONNECTIONS, rate=RATE, seconds=_SECONDS + comparisons / RATE,
            )  # fmt: skip
            if result.statuses != {200: comparisons}:
                raise Stuck(f"answers by HTTP status: {result.statuses}; expected {comparisons} verdicts with 200")
            return result

        warm, found = load(WARM_UP), load(count)
        events.wait(WARM_UP + count, _SECONDS, lambda: servers.check_alive(api, worker))
        events.read()
        events.check({*warm.started, *found.started})
    took = [nanoseconds / 1e6 for _, nanoseconds in found.took]
    return {"offered": RATE, "p50_ms": percentile(took, 50), "p95_ms": percentile(took, 95), "worst_ms": max(took)}
