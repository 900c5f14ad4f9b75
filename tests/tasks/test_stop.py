"""SIGTERM: calls in flight finish, what has no call stays for another worker, and the process exits 0."""

import asyncio
import time
from collections.abc import Callable

import pytest
from umpire_worker import attempts_at, desk, judging, open_breaker, reach, worker

from contracts.enums import LLMProviderType
from devtools.redis import RedisServer
from devtools.servers import apoll
from devtools.upstream import hang, upstream

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

ANTHROPIC = LLMProviderType.ANTHROPIC


async def test_calls_in_flight_finish_and_the_rest_is_left_to_others(redis_url: str, kafka_bootstrap: str) -> None:
    async with desk(redis_url, kafka_bootstrap) as at, upstream(judging(seconds=1.5)) as provider:
        settings = {"UMPIRE_ANTHROPIC_CONCURRENCY": "4", **at.settings, **reach(ANTHROPIC, provider.url)}
        async with worker(ANTHROPIC, **settings) as first:
            ids = [await at.submit(ANTHROPIC) for _ in range(12)]
            await apoll(lambda: len(provider.calls) == 4, what="four calls in flight")
            assert await asyncio.to_thread(first.process.stop) == 0
        assert len(provider.calls) == 4
        assert await at.states(ids) == {"completed": 4, "queued": 8}
        assert len(await at.messages(ANTHROPIC)) == 8
        assert await at.redis.zcard("umpire:workers") == 0
        assert len(at.inbox.look() or at.inbox.look()) <= 4
        async with worker(ANTHROPIC, **settings):
            await at.inbox.until(ids)
        assert set(attempts_at(provider).values()) == {1}
        assert len(at.inbox.messages) == len(ids)


async def test_a_call_that_does_not_end_in_time_is_cut_off_and_left_to_others(
    redis_url: str, kafka_bootstrap: str
) -> None:
    async with desk(redis_url, kafka_bootstrap) as at, upstream(hang, judging()) as provider:
        quick = {"UMPIRE_DRAIN_SECONDS": "0.5", "UMPIRE_TEST_LEASE_SECONDS": "2"}
        settings = {**quick, **at.settings, **reach(ANTHROPIC, provider.url)}
        async with worker(ANTHROPIC, **settings) as first:
            queue_id = await at.submit(ANTHROPIC)
            await apoll(lambda: len(provider.calls) == 1, what="a call in flight")
            assert await asyncio.to_thread(first.process.stop, 15) == 0
        async with worker(ANTHROPIC, **settings):
            results = await at.inbox.until([queue_id])
        assert results[queue_id].data.winner


async def test_while_the_gate_is_closed(redis_url: str, kafka_bootstrap: str) -> None:
    async with desk(redis_url, kafka_bootstrap) as at, upstream(judging()) as provider:
        await open_breaker(at, ANTHROPIC, breaker_recovery_seconds=3600)
        async with worker(ANTHROPIC, **at.settings, **reach(ANTHROPIC, provider.url)) as works:
            ids = [await at.submit(ANTHROPIC) for _ in range(3)]
            await apoll(lambda: "gate.changed" in works.log, what="the gate is closed")
            started = time.monotonic()
            assert await asyncio.to_thread(works.process.stop) == 0
            assert time.monotonic() - started < 10
        assert await at.states(ids) == {"queued": 3}
        assert len(await at.messages(ANTHROPIC)) == 3
        assert not provider.calls


async def test_while_redis_is_away(redis_server: Callable[..., RedisServer], kafka_bootstrap: str) -> None:
    redis = redis_server()
    async with (
        desk(redis.url, kafka_bootstrap) as at,
        upstream(judging()) as provider,
        worker(ANTHROPIC, **at.settings, **reach(ANTHROPIC, provider.url)) as works,
    ):
        redis.kill()
        await apoll(lambda: "heartbeat.missed" in works.log, 20, what="the worker knows")
        assert await asyncio.to_thread(works.process.stop, 15) == 0
