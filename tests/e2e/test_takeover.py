"""SIGKILL of a worker under default settings: what it held is answered by another within 45 s."""

import asyncio
import time

import pytest
from umpire_worker import Worker, attempts_at, desk, judging, reach

from contracts.enums import LLMProviderType
from devtools.servers import apoll
from devtools.upstream import hang, upstream

pytestmark = [pytest.mark.redis, pytest.mark.kafka, pytest.mark.timeout(180)]

#: The promise.
SECONDS = 45.0
STANDING_BY, STARTED_AFTER = LLMProviderType.ANTHROPIC, LLMProviderType.OPENAI


async def test_another_worker_takes_over(
    redis_url: str, kafka_bootstrap: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one provider the other worker has been there before; of the second it starts after the kill. Both at once:
    the lease of 30 s is waited out.
    """
    async with desk(redis_url, kafka_bootstrap) as at, upstream(hang, judging(STANDING_BY)) as first, upstream(
        hang, judging(STARTED_AFTER)
    ) as second:  # fmt: skip
        settings = {**at.settings, **reach(STANDING_BY, first.url), **reach(STARTED_AFTER, second.url)}
        victims = {provider: Worker(provider, **settings) for provider in (STANDING_BY, STARTED_AFTER)}
        heirs = {provider: Worker(provider, **settings) for provider in victims}
        try:
            await asyncio.gather(*(asyncio.to_thread(each.start) for each in victims.values()))
            ids = {provider: await at.submit(provider) for provider in victims}
            await apoll(lambda: len(first.calls) == len(second.calls) == 1, what="both calls hang")
            await asyncio.to_thread(heirs[STANDING_BY].start)
            for each in victims.values():
                each.process.kill()
            killed = time.monotonic()
            starting = asyncio.create_task(asyncio.to_thread(heirs[STARTED_AFTER].start))
            took: dict[LLMProviderType, float] = {}

            def answered() -> bool:
                results = at.inbox.results
                for provider, queue_id in ids.items():
                    if queue_id in results:
                        assert results[queue_id].data.winner == "Essay B"
                        took.setdefault(provider, time.monotonic() - killed)
                return len(took) == len(ids)

            await apoll(answered, 90, every=0.1, what="both are answered")
            await starting
        finally:
            for each in (*victims.values(), *heirs.values()):
                each.discard()
        with capsys.disabled():
            seconds = " and ".join(f"{took[provider]:.1f}" for provider in victims)
            print(f"\ntaken over after {seconds} s (standing by, started after)")  # noqa: T201
        assert max(took.values()) < SECONDS
        assert attempts_at(first) == {ids[STANDING_BY]: 2}
        assert attempts_at(second) == {ids[STARTED_AFTER]: 2}
