"""Without Kafka comparisons go on until what waits for it fills the ledger; then the API refuses until it is back."""

import asyncio
from collections.abc import Callable

import pytest
from umpire_service import running_api, settings_of
from umpire_worker import desk, worker

from contracts.enums import LLMProviderType
from devtools.kafka import KafkaServer
from devtools.servers import apoll

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

MOCK = LLMProviderType.MOCK


async def test_results_without_kafka_fill_the_ledger_and_no_more(
    redis_url: str, kafka_server: Callable[..., KafkaServer]
) -> None:
    kafka = kafka_server()
    bounds = {"ledger_max_size": 20, "ledger_low_watermark": 0.5}
    options = {"UMPIRE_MOCK_LATENCY_MS": "5", "UMPIRE_KAFKA_DELIVERY_TIMEOUT_SECONDS": "2"}
    async with (
        desk(redis_url, kafka.bootstrap) as at,
        running_api(settings_of(redis_url, kafka=kafka.bootstrap, ledger=bounds)) as api,
    ):
        kafka.stop()
        accepted: list[str] = []

        async def refused() -> bool:
            answer = await api.post(callback_topic=at.topic, processing_mode="queue")
            if answer.status_code == 202:
                accepted.append(answer.json()["queue_id"])
            return answer.status_code == 503

        async with worker(MOCK, **options, **at.settings):
            await apoll(refused, 60, what="a full ledger")
            await apoll(lambda: at.redis.xlen("umpire:outbox"), 60)

            async def judged() -> bool:
                sizes = await api.dependencies.ledger.stats.sizes()
                assert sizes.unfinished + sizes.outbox <= 20
                return bool(sizes.outbox == 20)

            await apoll(judged, 60, what="all judged, nothing told")
            assert len(accepted) == 20
            assert await refused()
            ready = await api.get("/readyz")
            assert ready.status_code == 503
            assert ready.json()["dependencies"]["redis"]["state"] == "full"
            gauges = (await api.get("/metrics")).text
            assert "llm_provider_ledger_refusing 1.0" in gauges
            assert "llm_provider_outbox 20.0" in gauges

            await asyncio.to_thread(kafka.start)
            await at.inbox.until(accepted, 90)

            async def taken() -> bool:
                return not await refused()

            await apoll(taken, 60, what="the API takes requests again")
            assert (await api.get("/readyz")).json()["dependencies"]["redis"]["state"] == "up"
