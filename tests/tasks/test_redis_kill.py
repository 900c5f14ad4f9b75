"""Redis is killed while tasks are held and calls are in flight: the worker stays, and all is answered and paid once."""

import asyncio
from collections.abc import Callable

import pytest
from umpire_worker import attempts_at, desk, judging, open_breaker, reach, worker

from contracts.enums import LLMProviderType
from devtools.redis import RedisServer
from devtools.servers import apoll
from devtools.upstream import upstream

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

ANTHROPIC = LLMProviderType.ANTHROPIC
QUICK = {"UMPIRE_TEST_LEASE_SECONDS": "2", "UMPIRE_TEST_LOST_POINTER_SECONDS": "2", "UMPIRE_ANTHROPIC_CONCURRENCY": "2"}


async def test_a_killed_redis_costs_no_worker_and_no_second_call(
    redis_server: Callable[..., RedisServer], kafka_bootstrap: str
) -> None:
    redis = redis_server(aof=True)
    async with (
        desk(redis.url, kafka_bootstrap) as at,
        upstream(judging(seconds=0.5)) as provider,
        worker(ANTHROPIC, **QUICK, **at.settings, **reach(ANTHROPIC, provider.url)) as works,
    ):
        pid = works.process.pid
        ids = [await at.submit(ANTHROPIC) for _ in range(12)]
        # Two run, and the threads of the others wait for a slot with their messages unacknowledged.
        await apoll(lambda: len(provider.calls) == 2, what="two calls in flight")
        await asyncio.to_thread(redis.restart)
        await at.inbox.until(ids, 40)
        assert works.process.running
        assert works.process.pid == pid
        assert set(attempts_at(provider).values()) == {1}
        assert "Unrecoverable" not in works.log


async def test_a_closed_gate_opens_again_after_redis_came_back_empty(
    redis_server: Callable[..., RedisServer], kafka_bootstrap: str
) -> None:
    """Celery remembers over a reconnect that it was told not to consume; the state that closed the gate is gone."""
    redis = redis_server()
    async with desk(redis.url, kafka_bootstrap) as at, upstream(judging()) as provider:
        await open_breaker(at, ANTHROPIC, breaker_recovery_seconds=3600)
        async with worker(ANTHROPIC, **QUICK, **at.settings, **reach(ANTHROPIC, provider.url)) as works:
            await apoll(lambda: "gate.changed" in works.log, what="the gate is closed")
            await asyncio.to_thread(redis.restart)

            async def accepted() -> str | None:
                return await at.submit(ANTHROPIC)

            queue_id = await apoll(accepted)
            results = await at.inbox.until([queue_id])
            assert results[queue_id].data.winner


@pytest.mark.parametrize("how", ["frozen", "killed"])
async def test_a_redis_that_is_away_for_longer_than_a_lease_makes_no_call_be_paid_twice(
    redis_server: Callable[..., RedisServer], kafka_bootstrap: str, how: str
) -> None:
    """When it is back, all leases have lapsed, and two workers with free slots are there to take them; whose they are
    comes to renew them up to a third of a lease later.
    """
    redis = redis_server(aof=True)
    long = {**QUICK, "UMPIRE_TEST_LEASE_SECONDS": "6", "UMPIRE_ANTHROPIC_CONCURRENCY": "8"}
    async with desk(redis.url, kafka_bootstrap) as at, upstream(judging(seconds=12)) as provider:
        settings = {**long, **at.settings, **reach(ANTHROPIC, provider.url)}
        async with worker(ANTHROPIC, **settings), worker(ANTHROPIC, **settings):
            ids = [await at.submit(ANTHROPIC) for _ in range(6)]
            await apoll(lambda: len(provider.calls) == 6, what="six calls in flight")
            await asyncio.to_thread(redis.pause if how == "frozen" else redis.kill)
            # That it lasts longer than the lease is the point.
            await asyncio.sleep(7)
            await asyncio.to_thread(redis.resume if how == "frozen" else redis.start)
            await at.inbox.until(ids, 40)
            assert set(attempts_at(provider).values()) == {1}
