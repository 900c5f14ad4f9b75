"""One worker cannot make a Kafka producer: another one delivers its results and what is left in the outbox."""

import time
from pathlib import Path

import httpx2
import pytest
from umpire_worker import Desk, desk, worker

from contracts.encoding import loads
from contracts.enums import LLMProviderType
from devtools.servers import apoll, free_port

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

MOCK = LLMProviderType.MOCK


def unable(settings: dict[str, str], directory: Path) -> dict[str, str]:
    """Settings of a worker whose host lacks the file with the certificates of the authorities."""
    return {
        **settings,
        "UMPIRE_KAFKA_SECURITY_PROTOCOL": "ssl",
        "UMPIRE_KAFKA_SSL_CA_LOCATION": str(directory / "missing.pem"),
    }


async def in_outbox(at: Desk, count: int) -> bool:
    return bool(await at.redis.xlen("umpire:outbox") == count)


async def readiness(port: int) -> tuple[int, dict[str, bool]]:
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/readyz")
    return answer.status_code, answer.json()["processes"]


async def test_a_worker_without_a_producer_keeps_no_result_from_another(
    redis_url: str, kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with desk(redis_url, kafka_bootstrap) as at:
        port = free_port()
        settings = {**at.settings, "UMPIRE_MOCK_LATENCY_MS": "5"}
        sick = {**unable(settings, tmp_path), "UMPIRE_METRICS_PORT": str(port)}
        async with worker(MOCK, **sick) as first:

            async def shown() -> bool:
                return await readiness(port) == (503, {"worker-mock-1": False})

            await apoll(shown, 10, what="it is not ready before it has anything to deliver")
            left = [await at.submit(MOCK) for _ in range(20)]
            await apoll(lambda: in_outbox(at, len(left)), 30, what="what it judges waits in the outbox")
            assert await at.redis.zcard("umpire:dead") == 0
            async with worker(MOCK, **settings):
                started = time.monotonic()
                more = [await at.submit(MOCK) for _ in range(40)]
                await at.inbox.until([*left, *more], 15)
                assert time.monotonic() - started < 15
            lines = [loads(line) for line in first.log.splitlines() if line.startswith("{")]
            found = [(line["level"], line["producer"]) for line in lines if line["event"] == "kafka.no_producer"]
            assert found.count(("error", "results")) == 1
            assert await readiness(port) == (503, {"worker-mock-1": False})
