"""Redis out of memory, or read-only, while calls are in flight: what was paid is kept, and the worker stays."""

from collections.abc import Callable

import pytest
from umpire_worker import attempts_at, desk, judging, reach, worker

from contracts.enums import LLMProviderType
from devtools.redis import RedisServer
from devtools.servers import apoll
from devtools.upstream import upstream

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

ANTHROPIC = LLMProviderType.ANTHROPIC
QUICK = {"UMPIRE_TEST_LEASE_SECONDS": "2", "UMPIRE_TEST_LOST_POINTER_SECONDS": "2", "UMPIRE_ANTHROPIC_CONCURRENCY": "2"}


async def test_verdicts_are_taken_while_redis_is_out_of_memory(
    redis_server: Callable[..., RedisServer], kafka_bootstrap: str
) -> None:
    """Its scripts may run: what ends a request frees more than it takes. So may heartbeats: the calls take longer than
    a lease. The rest of the backlog follows afterwards.
    """
    redis = redis_server(aof=True)
    async with (
        desk(redis.url, kafka_bootstrap) as at,
        upstream(judging(seconds=5)) as provider,
        worker(ANTHROPIC, **QUICK, **at.settings, **reach(ANTHROPIC, provider.url)) as works,
    ):
        ids = [await at.submit(ANTHROPIC) for _ in range(4)]
        await apoll(lambda: len(provider.calls) == 2, what="two calls in flight")
        redis.command("CONFIG", "SET", "maxmemory", "1")
        await apoll(lambda: len(at.inbox.results) >= 2, 20, what="the paid verdicts, while it is out of memory")
        assert "lease_lapsed" not in works.log
        await apoll(lambda: "ledger.unwritten" in works.log, what="a claim that waits for the ledger")
        redis.command("CONFIG", "SET", "maxmemory", "0")
        await at.inbox.until(ids, 60)
        assert set(attempts_at(provider).values()) == {1}
        assert works.process.running


async def test_a_read_only_redis_delays_verdicts_and_loses_none(
    redis_server: Callable[..., RedisServer], kafka_bootstrap: str
) -> None:
    redis = redis_server(aof=True)
    async with (
        desk(redis.url, kafka_bootstrap) as at,
        upstream(judging(seconds=1)) as provider,
        worker(ANTHROPIC, **QUICK, **at.settings, **reach(ANTHROPIC, provider.url)) as works,
    ):
        ids = [await at.submit(ANTHROPIC) for _ in range(6)]
        await apoll(lambda: len(provider.calls) == 2, what="two calls in flight")
        redis.command("REPLICAOF", "127.0.0.1", "1")
        await apoll(lambda: "ledger.unwritten" in works.log, what="a verdict that waits for the ledger")
        redis.command("REPLICAOF", "NO", "ONE")
        await at.inbox.until(ids, 60)
        assert set(attempts_at(provider).values()) == {1}
        assert works.process.running


async def test_an_idle_worker_stays_when_its_redis_becomes_a_replica(
    redis_server: Callable[..., RedisServer], kafka_bootstrap: str
) -> None:
    """At a failover Redis ends the consumer's waiting BRPOP with an error of its own."""
    redis = redis_server(aof=True)
    async with (
        desk(redis.url, kafka_bootstrap) as at,
        upstream(judging()) as provider,
        worker(ANTHROPIC, **QUICK, **at.settings, **reach(ANTHROPIC, provider.url)) as works,
    ):
        await apoll(lambda: b"cmd=brpop" in redis.command("CLIENT", "LIST"), what="a consumer that waits")
        redis.command("REPLICAOF", "127.0.0.1", "1")
        await apoll(lambda: "Connection to broker lost" in works.log, what="a consumer that has lost its connection")
        redis.command("REPLICAOF", "NO", "ONE")
        await at.inbox.until([await at.submit(ANTHROPIC)], 60)
        assert works.process.running
