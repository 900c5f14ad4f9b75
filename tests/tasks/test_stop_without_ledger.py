"""SIGTERM with a paid verdict in hand and no ledger to write it to: it is held for as long as calls are, no longer."""

import asyncio
from collections.abc import Callable

import pytest
from umpire_worker import attempts_at, desk, judging, reach, worker

from contracts.enums import LLMProviderType
from devtools.redis import RedisServer
from devtools.servers import apoll
from devtools.upstream import upstream

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

ANTHROPIC = LLMProviderType.ANTHROPIC


async def test_a_verdict_is_held_until_the_drain_is_over(
    redis_server: Callable[..., RedisServer], kafka_bootstrap: str
) -> None:
    """Of two workers, one has the patience until the ledger is back. What the other one held is judged again."""
    redis = redis_server(aof=True)
    async with desk(redis.url, kafka_bootstrap) as at, upstream(judging(seconds=2)) as provider:
        one_slot = {"UMPIRE_TEST_LEASE_SECONDS": "2", "UMPIRE_ANTHROPIC_CONCURRENCY": "1"}
        settings = {**one_slot, **at.settings, **reach(ANTHROPIC, provider.url)}
        async with (
            worker(ANTHROPIC, **settings) as patient,
            worker(ANTHROPIC, **settings, UMPIRE_DRAIN_SECONDS="1") as hasty,
        ):
            ids = [await at.submit(ANTHROPIC) for _ in range(2)]
            await apoll(lambda: len(provider.calls) == 2, what="a call in flight at each")
            redis.kill()
            for each in (patient, hasty):
                await apoll(
                    lambda log=each: "ledger.unwritten" in log.log, 30, what="verdicts that wait for the ledger"
                )
            stopping = asyncio.create_task(asyncio.to_thread(patient.process.stop, 60))
            assert await asyncio.to_thread(hasty.process.stop, 30) == 0
            await asyncio.to_thread(redis.start)
            assert await stopping == 0
        async with worker(ANTHROPIC, **settings):
            results = await at.inbox.until(ids, 40)
        assert all(results[queue_id].data.winner for queue_id in ids)
        assert sorted(attempts_at(provider).values()) == [1, 2]
