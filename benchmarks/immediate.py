"""Comparisons whose clients wait: 100 a second in `immediate` mode, against a provider that takes 300 ms."""

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

import uvloop

from benchmarks.events import Stuck
from benchmarks.load import comparison_body
from benchmarks.load_fallback import Client
from benchmarks.percentile import percentile
from benchmarks.stack import Servers

RATE, UPSTREAM_MS = 100.0, 300.0
#: More than are ever under way: a request never waits for one, or its wait counts.
CONNECTIONS = 100
SLOTS = 64
WARM_UP = 200
_SECONDS = 60.0


def immediate(servers: Servers, *, count: int) -> dict[str, Any]:
    servers.reset(UPSTREAM_MS)
    with (
        servers.consumer() as (topic, events, _),
        servers.api(SLOTS) as (url, api),
        servers.worker(SLOTS) as worker,
    ):
        warm = uvloop.run(_load(url, topic, WARM_UP))
        found = uvloop.run(_load(url, topic, count))
        events.wait(WARM_UP + count, _SECONDS, lambda: servers.check_alive(api, worker))
        events.read()
        events.check({queue_id for *_, queue_id in (*warm, *found)})
    took = [ms for ms, *_ in found]
    return {"offered": RATE, "p50_ms": percentile(took, 50), "p95_ms": percentile(took, 95), "worst_ms": max(took)}


async def _load(url: str, topic: str, count: int) -> list[tuple[float, str]]:
    """Milliseconds from when each was due to its verdict, and its queue id. Raises Stuck for any answer but 200."""
    where = urlsplit(url)
    body = comparison_body(topic, processing_mode="immediate")
    head = f"POST /api/v1/comparison HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    begin, numbers, found = time.perf_counter(), iter(range(count)), list[tuple[float, str]]()

    async def connection() -> None:
        client = Client(where.hostname or "", where.port or 80, request)
        for number in numbers:
            due = begin + number / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            status, queue_id = await client.post()
            if status != 200:
                raise Stuck(f"HTTP {status} in place of a verdict")
            found.append((1000 * (time.perf_counter() - due), queue_id))
        client.reset()

    await asyncio.wait_for(asyncio.gather(*(connection() for _ in range(CONNECTIONS))), _SECONDS + count / RATE)
    return found
