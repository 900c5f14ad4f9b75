"""kill -9 of the API with requests in its spool, while Redis stands still: the next one on that host brings them in."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from umpire_worker import api, desk, worker

from contracts.enums import LLMProviderType
from devtools.redis import RedisServer

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

COUNT = 20


async def test_what_it_had_accepted_is_judged_once(
    redis_server: Callable[..., RedisServer], kafka_bootstrap: str, tmp_path: Path
) -> None:
    """Some of it was on its way to Redis, which takes that when it thaws: those are in the ledger already."""
    redis = redis_server(aof=True)
    async with desk(redis.url, kafka_bootstrap) as at:
        settings = {**at.settings, "UMPIRE_SPOOL_PATH": str(tmp_path / "spool.sqlite3")}
        bodies = [{"user_prompt": f"number {n}", "callback_topic": at.topic} for n in range(COUNT)]
        async with api(**settings) as (client, process):
            assert (await client.get("/readyz")).status_code == 200
            redis.pause()
            answers = await asyncio.gather(*(client.post("/api/v1/comparison", json=body) for body in bodies))
            assert {answer.status_code for answer in answers} == {202}
            process.kill()
        redis.resume()
        accepted = {answer.json()["queue_id"] for answer in answers}
        assert len(accepted) == COUNT
        async with api(**settings), worker(LLMProviderType.MOCK, **at.settings):
            results = await at.inbox.until(accepted, 40)
        assert results.keys() == accepted
        assert len(at.inbox.look()) == COUNT
        assert (await at.ledger.stats.today()).requests == COUNT
