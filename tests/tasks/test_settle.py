"""An answer that came in time is not thrown away because Redis stands still just then."""

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


async def test_settling_its_rate_limit_does_not_use_up_an_answers_time(
    redis_server: Callable[..., RedisServer], kafka_bootstrap: str
) -> None:
    redis = redis_server(aof=True)
    limited = {"UMPIRE_ANTHROPIC_TPM": "100000000", "UMPIRE_TEST_ATTEMPT_TIMEOUT_SECONDS": "4"}
    async with desk(redis.url, kafka_bootstrap) as at, upstream(judging(seconds=2)) as provider:
        async with worker(ANTHROPIC, **limited, **at.settings, **reach(ANTHROPIC, provider.url)):
            ids = [await at.submit(ANTHROPIC) for _ in range(3)]
            await apoll(lambda: len(provider.calls) == 3, what="calls in flight")
            redis.pause()
            # Longer than an answer's time; that it lasts is the point.
            await asyncio.sleep(6)
            redis.resume()
            await at.inbox.until(ids, 60)
        assert set(attempts_at(provider).values()) == {1}
