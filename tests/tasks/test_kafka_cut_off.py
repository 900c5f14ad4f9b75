"""One worker reaches Redis and not Kafka: what it cannot send, another one sends."""

import pytest
from umpire_worker import desk, judging, reach, worker

from contracts.enums import LLMProviderType
from devtools.servers import apoll, free_port
from devtools.upstream import upstream

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

ANTHROPIC = LLMProviderType.ANTHROPIC


async def test_a_worker_that_is_cut_off_from_kafka_leaves_its_results_to_another(
    redis_url: str, kafka_bootstrap: str
) -> None:
    async with desk(redis_url, kafka_bootstrap) as at, upstream(judging()) as provider:
        settings = {
            **at.settings,
            **reach(ANTHROPIC, provider.url),
            "UMPIRE_TEST_OUTBOX_RESEND_SECONDS": "4",
            "UMPIRE_KAFKA_DELIVERY_TIMEOUT_SECONDS": "3",
        }
        cut_off = {**settings, "UMPIRE_KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}"}
        async with worker(ANTHROPIC, **cut_off):
            ids = [await at.submit(ANTHROPIC) for _ in range(5)]

            async def judged() -> bool:
                return await at.redis.xlen("umpire:outbox") == len(ids)

            await apoll(judged, 30, what="all wait in the outbox")
            holder = await at.redis.get("umpire:resender")
            async with worker(ANTHROPIC, **settings):
                # The first one lives on, and is the custodian still.
                await at.inbox.until(ids, 40)
                assert await at.redis.get("umpire:resender") != holder
