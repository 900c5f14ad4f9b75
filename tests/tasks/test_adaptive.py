"""Real workers before a provider that bears few calls in flight and says so only by refusing: all are answered, and
after the first moments next to none is refused."""

import asyncio

import pytest
from umpire_worker import desk, reach, worker

from contracts.enums import LLMProviderType
from devtools.providers import body_of
from devtools.servers import apoll
from devtools.upstream import Connection, answer, upstream

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

ANTHROPIC = LLMProviderType.ANTHROPIC
GOOD = answer(200, body_of(ANTHROPIC))
ERROR = {"type": "error", "error": {"type": "rate_limit_error", "message": "no"}}
REFUSAL = answer(429, ERROR, {"retry-after": "1"})

BORNE, BACKLOG, SLOTS = 6, 500, 48


class Provider:
    def __init__(self) -> None:
        self.in_flight = 0
        #: Of each call, in the order in which they came.
        self.refused: list[bool] = []

    async def serve(self, connection: Connection) -> None:
        self.refused.append(self.in_flight >= BORNE)
        if self.refused[-1]:
            await REFUSAL(connection)
            return
        self.in_flight += 1
        try:
            await asyncio.sleep(0.1)
        finally:
            self.in_flight -= 1
        await GOOD(connection)


@pytest.mark.parametrize("workers", [1, 2])
async def test_an_unknown_limit_is_found_and_kept(redis_url: str, kafka_bootstrap: str, workers: int) -> None:
    provider = Provider()
    async with desk(redis_url, kafka_bootstrap) as at, upstream(provider.serve) as server:
        settings = {"UMPIRE_ANTHROPIC_CONCURRENCY": str(SLOTS), **at.settings, **reach(ANTHROPIC, server.url)}
        ids = await asyncio.gather(*(at.submit(ANTHROPIC) for _ in range(BACKLOG)))
        async with worker(ANTHROPIC, **settings) as one:
            if workers == 1:
                results = await at.inbox.until(ids, 90)
            else:
                async with worker(ANTHROPIC, **settings):
                    results = await at.inbox.until(ids, 90)
            assert "adaptive.lowered" in one.log or workers > 1
    assert {results[queue_id].data.winner for queue_id in ids} == {"Essay B"}
    late = provider.refused[len(provider.refused) // 2 :]
    assert sum(late) <= 0.06 * len(late)


async def test_switched_off_every_slot_calls(redis_url: str, kafka_bootstrap: str) -> None:
    """So that the test above is known to be able to fail."""
    provider = Provider()
    async with desk(redis_url, kafka_bootstrap) as at, upstream(provider.serve) as server:
        settings = {"UMPIRE_ANTHROPIC_CONCURRENCY": str(SLOTS), **at.settings, **reach(ANTHROPIC, server.url)}
        for _ in range(BACKLOG):
            await at.submit(ANTHROPIC)
        async with worker(ANTHROPIC, UMPIRE_ADAPTIVE_CONCURRENCY="false", **settings):
            await apoll(lambda: len(provider.refused) > 200, 60)
        assert not await at.redis.exists("umpire:adapt:anthropic")
    late = provider.refused[100:]
    assert sum(late) > 0.2 * len(late)
