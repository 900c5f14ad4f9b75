"""What `appendfsync always` costs against `everysec`, on the ledger's own path: `python -m benchmarks.fsync`.

Two Redis servers side by side, asked in turn, so that other load of the machine affects both equally. An admit is
the request's record and its message; its body is as large as that of two sample essays.
"""

import argparse
import asyncio
import statistics
import time
from datetime import timedelta
from uuid import uuid4

from redis.asyncio import Redis

from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from contracts.http import LLMComparisonRequest
from contracts.settings import LedgerSettings
from devtools.redis import RedisServer
from ledger.ledger import Ledger
from ledger.redis.connection import connect
from ledger.request import StoredRequest

POLICIES = ("always", "everysec")
#: Callers at a time, and admits of each round; together they share round trips (ledger/redis/group_commit.py).
ROUNDS = {1: 300, 64: 6000}
BODY = "x" * 2700


async def admits(redis: Redis, callers: int, count: int) -> float:
    """Milliseconds an admit."""
    await redis.flushall()
    ledger = Ledger(redis, LedgerSettings(), timeout=30.0)
    left = iter([_request() for _ in range(count)])

    async def caller() -> None:
        for stored in left:
            await ledger.admit(stored)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return 1000 * (time.perf_counter() - began) / count


def _request() -> StoredRequest:
    now = utcnow()
    return StoredRequest(
        queue_id=uuid4(),
        correlation_id=uuid4(),
        request=LLMComparisonRequest(user_prompt=BODY, callback_topic="t"),
        provider=LLMProviderType.MOCK,
        model="mock-judge",
        requested_at=now,
        expires_at=now + timedelta(hours=1),
    )


async def measure(runs: int) -> None:
    servers = {name: RedisServer(aof=True, options=("--appendfsync", name)) for name in POLICIES}
    try:
        clients = {name: connect(server.start().url, timeout=30.0) for name, server in servers.items()}
        for callers, count in ROUNDS.items():
            found: dict[str, list[float]] = {name: [] for name in POLICIES}
            for run in range(runs + 1):  # the first one warms up
                for name in POLICIES if run % 2 else POLICIES[::-1]:
                    each = await admits(clients[name], callers, count)
                    if run:
                        found[name].append(each)
            always, everysec = (statistics.median(found[name]) for name in POLICIES)
            ratios = [a / e for a, e in zip(*found.values(), strict=True)]
            print(
                f"{callers:3} at a time: always {always:.3f} ms an admit ({1000 / always:,.0f}/s), everysec"
                f" {everysec:.3f} ms ({1000 / everysec:,.0f}/s); pairs {min(ratios):.2f} to {max(ratios):.2f} ×,"
                f" median {statistics.median(ratios):.2f} ×"
            )
        for client in clients.values():
            await client.aclose()
    finally:
        for server in servers.values():
            server.discard()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    asyncio.run(measure(parser.parse_args().runs))
