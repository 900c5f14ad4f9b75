"""Batches through a real API process, a worker, and an upstream whose journal counts the calls of each comparison."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from umpire_worker import Desk, api, attempts_at, desk, judging, reach, worker

from contracts.enums import LLMProviderType
from devtools.redis import RedisServer
from devtools.servers import apoll
from devtools.upstream import upstream
from ledger.ledger import MOST_ROWS

pytestmark = [pytest.mark.redis, pytest.mark.kafka, pytest.mark.timeout(180)]

COUNT = 200
WRONG = (3, 77, 199)
PATH = "/api/v1/comparison/batch"
ANTHROPIC = LLMProviderType.ANTHROPIC


def comparisons(at: Desk, **wrong: Any) -> list[dict[str, Any]]:
    prompt = "Which essay is better? " + "The sea is wide. " * 170
    sent = [{"user_prompt": prompt, "callback_topic": at.topic, "metadata": {"n": n}} for n in range(COUNT)]
    for n in WRONG:
        sent[n] |= wrong
    return sent


async def test_three_wrong_ones_of_two_hundred(redis_url: str, kafka_bootstrap: str) -> None:
    headers = {"Idempotency-Key": "the-first-two-hundred"}
    async with desk(redis_url, kafka_bootstrap) as at, upstream(judging()) as provider:
        settings = {**at.settings, **reach(ANTHROPIC, provider.url)}
        async with api(**settings) as (client, _), worker(ANTHROPIC, **settings):
            first = await client.post(PATH, json={"comparisons": comparisons(at, priority=99)}, headers=headers)
            assert first.status_code == 207
            items = first.json()["items"]
            assert tuple(item["index"] for item in items if item["error"]) == WRONG
            results = await at.inbox.until([item["queue_id"] for item in items if item["queue_id"]])
            assert len(results) == COUNT - len(WRONG)
            assert {results[item["queue_id"]].data.request_metadata["n"] for item in items if item["queue_id"]} == (
                set(range(COUNT)) - set(WRONG)
            )

            again = await client.post(PATH, json={"comparisons": comparisons(at, priority=9)}, headers=headers)
            assert again.status_code == 202
            assert again.headers["idempotency-replayed"] == "true"
            for before, item in zip(items, again.json()["items"], strict=True):
                assert before["queue_id"] in {item["queue_id"], None}
            ids = {item["queue_id"] for item in again.json()["items"]}
            assert len(await at.inbox.until(ids)) == COUNT
        assert attempts_at(provider) == dict.fromkeys(ids, 1)
        assert len(at.inbox.look()) == COUNT


async def test_an_api_that_is_killed_in_the_middle_of_a_batch(
    redis_server: Callable[..., RedisServer], kafka_bootstrap: str, tmp_path: Path
) -> None:
    """Wherever it was, the same batch with the same key is each comparison once."""
    redis = redis_server(aof=True)
    accepted: set[str] = set()
    taken = []
    async with desk(redis.url, kafka_bootstrap) as at, upstream(judging()) as provider:
        settings = {
            **at.settings,
            **reach(ANTHROPIC, provider.url),
            "UMPIRE_SPOOL_PATH": str(tmp_path / "spool.sqlite3"),
        }

        async def unfinished() -> int:
            return int(await at.redis.zcard("umpire:expiry"))

        for number, delay in enumerate((0.0, 0.005, 0.01, 0.02, None, None)):
            headers = {"Idempotency-Key": f"killed-{number}"}
            body = {"comparisons": comparisons(at)}
            before = await unfinished()
            async with api(**settings) as (client, process):
                assert (await client.get("/readyz")).status_code == 200
                posting = asyncio.create_task(client.post(PATH, json=body, headers=headers))
                if delay is None:
                    until = time.monotonic() + 10
                    while await unfinished() == before and time.monotonic() < until:
                        await asyncio.sleep(0)
                else:
                    await asyncio.sleep(delay)
                process.kill()
                try:
                    await posting
                except httpx2.HTTPError:
                    taken.append(await unfinished() - before)
            async with api(**settings) as (client, _):
                again = await client.post(PATH, json=body, headers=headers)
                assert again.status_code == 202
                accepted |= {item["queue_id"] for item in again.json()["items"]}
                assert len(accepted) == (number + 1) * COUNT
                assert await unfinished() == before + COUNT, "none is in twice"
        assert taken, "at least one answer was lost"
        async with api(**settings), worker(ANTHROPIC, **settings):
            results = await at.inbox.until(accepted, 60)
            await apoll(lambda: len(at.inbox.look()) >= len(accepted), what="all events")
        assert results.keys() == accepted
        assert attempts_at(provider) == dict.fromkeys(accepted, 1)
    assert all(count % MOST_ROWS == 0 for count in taken), "each script is in whole or not at all"
