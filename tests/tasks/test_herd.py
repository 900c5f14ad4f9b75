"""Hundreds wait, two workers could call at once: when the wait is over they come one by one."""

import asyncio
import time

import pytest
from umpire_worker import desk, open_breaker, reach, worker

from contracts.enums import LLMProviderType
from devtools.providers import body_of
from devtools.servers import apoll
from devtools.upstream import Connection, answer, upstream

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

ANTHROPIC = LLMProviderType.ANTHROPIC
BACKLOG, SLOTS, WORKERS = 300, 64, 2

#: Calls within the first second: a ninth of all slots, and what a busy machine bunches. All of them would be 128.
FEW = 30

SETTINGS = {"UMPIRE_ANTHROPIC_CONCURRENCY": str(SLOTS), "UMPIRE_TEST_WORKER_THREADS": "16"}
GOOD = answer(200, body_of(ANTHROPIC))


def too_many(retry_after: float) -> object:
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "no"}}
    return answer(429, error, {"retry-after": str(retry_after)})


class Calls:
    """When each call came."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def between(self, start: float, end: float) -> int:
        return sum(start <= at < end for at in self.at)


@pytest.mark.parametrize("retry_after", [4.0, 12.0], ids=["within a slot", "at the gate"])
async def test_a_retry_after_is_waited_out_by_all_and_not_answered_by_a_herd(
    redis_url: str, kafka_bootstrap: str, retry_after: float
) -> None:
    calls, ends, refused = Calls(), 0.0, 0

    async def serve(connection: Connection) -> None:
        nonlocal ends, refused
        calls.at.append(time.monotonic())
        if not ends or calls.at[-1] < ends - 0.01:
            ends = ends or calls.at[-1] + retry_after
            refused += 1
            await too_many(max(ends - time.monotonic(), 0.001))(connection)  # type: ignore[operator]
        else:
            await asyncio.sleep(0.02)
            await GOOD(connection)

    async with desk(redis_url, kafka_bootstrap) as at, upstream(serve) as provider:
        settings = {**SETTINGS, **at.settings, **reach(ANTHROPIC, provider.url)}
        async with worker(ANTHROPIC, **settings), worker(ANTHROPIC, **settings):
            ids = await asyncio.gather(*(at.submit(ANTHROPIC) for _ in range(BACKLOG)))
            results = await at.inbox.until(ids, 60)
        assert {results[queue_id].data.winner for queue_id in ids} == {"Essay B"}
        # Those that had begun when the first one was told to wait; nobody after them, and nobody twice.
        assert refused <= WORKERS * SLOTS
        assert calls.between(ends - retry_after + 1.0, ends - 0.01) == 0
        assert calls.between(ends, ends + 1.0) <= FEW


async def test_an_exhausted_limit_keeps_its_pace(redis_url: str, kafka_bootstrap: str) -> None:
    calls = Calls()

    async def serve(connection: Connection) -> None:
        calls.at.append(time.monotonic())
        await GOOD(connection)

    async with desk(redis_url, kafka_bootstrap) as at, upstream(serve) as provider:
        settings = {**SETTINGS, "UMPIRE_ANTHROPIC_RPM": "1800", **at.settings, **reach(ANTHROPIC, provider.url)}
        async with worker(ANTHROPIC, **settings), worker(ANTHROPIC, **settings):
            ids = await asyncio.gather(*(at.submit(ANTHROPIC) for _ in range(240)))
            await at.inbox.until(ids, 60)
        # 30 a second flow in, and a second's worth lies in the bucket at the start; a busy machine bunches them.
        assert calls.at[-1] - calls.at[0] > (240 - 31) / 30 - 1
        assert max(calls.between(start, start + 1.0) for start in calls.at) <= 2 * (30 + 31)


async def test_after_an_outage_one_probe_then_slowly(redis_url: str, kafka_bootstrap: str) -> None:
    calls, down = Calls(), True
    overloaded = answer(529, {"type": "error", "error": {"type": "overloaded_error", "message": "no"}})

    async def serve(connection: Connection) -> None:
        calls.at.append(time.monotonic())
        # So that a second probe at the same time would be seen.
        await asyncio.sleep(0.7)
        await (overloaded if down else GOOD)(connection)

    async with desk(redis_url, kafka_bootstrap) as at, upstream(serve) as provider:
        await open_breaker(at, ANTHROPIC, breaker_recovery_seconds=1)
        settings = {"UMPIRE_BREAKER_RECOVERY_SECONDS": "1", **SETTINGS, **at.settings, **reach(ANTHROPIC, provider.url)}
        async with worker(ANTHROPIC, **settings), worker(ANTHROPIC, **settings):
            ids = await asyncio.gather(*(at.submit(ANTHROPIC) for _ in range(BACKLOG)))
            await apoll(lambda: len(calls.at) >= 3, 30, what="three probes in vain")
            assert all(after - before >= 1.0 for before, after in zip(calls.at, calls.at[1:], strict=False))
            down = False
            seen = len(calls.at)
            results = await at.inbox.until(ids, 60)
        assert {results[queue_id].data.winner for queue_id in ids} == {"Essay B"}
        # The call that closed the breaker may be the last of those seen, or the next one.
        opened = calls.at[seen + 1]
        assert calls.between(opened, opened + 1.0) <= FEW
