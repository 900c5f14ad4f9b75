"""An API process at each log level and in each format, while Kafka, Redis or both are away: it never answers 500."""

import asyncio
from typing import Any

import httpx2
import pytest
from umpire_worker import api

from devtools.servers import apoll, free_port

pytestmark = pytest.mark.redis

BODY = {"user_prompt": "Which essay is better?", "callback_topic": "results.of.mine"}


def _settings(redis_url: str, level: str, form: str) -> dict[str, str]:
    return {
        "UMPIRE_REDIS_URL": redis_url,
        # Nothing listens there.
        "UMPIRE_KAFKA_BOOTSTRAP": f"127.0.0.1:{free_port()}",
        "UMPIRE_KAFKA_DELIVERY_TIMEOUT_SECONDS": "1",
        "UMPIRE_MOCK_ENABLED": "true",
        "UMPIRE_DEFAULT_PROVIDER": "mock",
        "UMPIRE_LOG_LEVEL": level,
        "UMPIRE_LOG_FORMAT": form,
    }


async def _statuses(client: httpx2.AsyncClient) -> set[int]:
    """Statuses of requests in each mode, of an invalid one, and of every other route."""
    asked: list[Any] = [client.post("/api/v1/comparison", json=BODY) for _ in range(20)]
    for mode in ("queue", "queue_if_unavailable", "immediate"):
        asked.append(client.post("/api/v1/comparison", json={**BODY, "processing_mode": mode}))
    asked.append(client.post("/api/v1/comparison", content=b"{"))
    asked += [client.get(path) for path in ("/readyz", "/healthz", "/metrics", "/api/v1/providers", "/api/v1/models")]
    return {answer.status_code for answer in await asyncio.gather(*asked)}


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
async def test_no_request_is_answered_500(redis_server, level, form):
    server = redis_server()
    async with api(**_settings(server.url, level, form), UMPIRE_IMMEDIATE_WAIT_SECONDS="0.2") as (client, process):
        without_kafka = await _statuses(client)
        # Until librdkafka has given up some events: what is dropped is noted, too.
        await apoll(lambda: _dropped(client), 30, what="an event was dropped")
        without_kafka |= await _statuses(client)
        server.kill()
        without_both = await _statuses(client)
        server.start()
        await apoll(lambda: _ready(client), 20, what="Redis is back")
        after = await _statuses(client)
        metrics = (await client.get("/metrics")).text.splitlines()
        faults = [line for line in metrics if "unexpected_errors_total{" in line]
        log = process.log.read_text()
        assert process.running
    assert 202 in without_kafka
    assert 202 in without_both, "the spool takes them"
    assert without_kafka | without_both | after <= {200, 202, 422, 503}
    assert "Traceback" not in log
    assert "error.unexpected" not in log
    assert faults == [], "no observer raised"


async def _dropped(client: httpx2.AsyncClient) -> bool:
    text = (await client.get("/metrics")).text
    return "llm_provider_lifecycle_dropped_total{" in text


async def _ready(client: httpx2.AsyncClient) -> bool:
    body = (await client.get("/readyz")).json()
    return bool(body["dependencies"]["redis"]["state"] == "up")
