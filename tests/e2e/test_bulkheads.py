"""One provider hangs until its timeouts, with a backlog: another's throughput and p95 stay what they were."""

import asyncio
import time

import pytest
from umpire_servers import apoll
from umpire_upstream import hang, upstream
from umpire_worker import Desk, desk, judging, reach, worker

from contracts.enums import LLMProviderType

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

ANTHROPIC, OPENAI = LLMProviderType.ANTHROPIC, LLMProviderType.OPENAI
COUNT, BACKLOG = 200, 500

#: The promise is 1.2, which benchmarks/ measures on a quiet machine; a test on a shared one bears more.
BEARABLE = 2.5

SETTINGS = {
    "UMPIRE_CALL_DEADLINE_SECONDS": "3",
    "UMPIRE_RETRY_ATTEMPTS": "1",
    "UMPIRE_DEFER_SECONDS": "1",
    "UMPIRE_OPENAI_CONCURRENCY": "16",
    # The breaker would close the gate, and hide what is to be seen.
    "UMPIRE_BREAKER_FAILURES": "100000",
}


async def judged(at: Desk) -> tuple[float, float]:
    """Seconds for all, and the 95th percentile of one, from its admission to the end of its call."""
    started = time.monotonic()
    ids = await asyncio.gather(*(at.submit(OPENAI) for _ in range(COUNT)))
    results = await at.inbox.until(ids, 60)
    seconds = time.monotonic() - started
    each = sorted(
        (results[queue_id].data.completed_at - results[queue_id].data.requested_at).total_seconds() for queue_id in ids
    )
    return seconds, each[int(0.95 * COUNT)]


async def test_a_hanging_provider_slows_no_other(
    redis_url: str, kafka_bootstrap: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with (
        desk(redis_url, kafka_bootstrap) as at,
        upstream(hang) as hanging,
        upstream(judging(OPENAI, seconds=0.1)) as well,
    ):
        settings = {**SETTINGS, **at.settings, **reach(ANTHROPIC, hanging.url), **reach(OPENAI, well.url)}
        async with worker(OPENAI, **settings), worker(ANTHROPIC, **settings):
            await judged(at)  # warm
            before = await judged(at)
            await asyncio.gather(*(at.submit(ANTHROPIC) for _ in range(BACKLOG)))
            await apoll(lambda: len(hanging.calls) >= 64, what="all slots of the other provider hang")
            meanwhile = await judged(at)
            waiting = len(await at.messages(ANTHROPIC))
        ratios = [there / alone for there, alone in zip(meanwhile, before, strict=True)]
        with capsys.disabled():
            print(f"\nbeside a hanging provider: time × {ratios[0]:.2f}, p95 × {ratios[1]:.2f}")  # noqa: T201
        assert waiting > 0, "the other's backlog was there all the time"
        assert max(ratios) < BEARABLE
