"""kill -9 of a worker in the middle of its work: the supervisor starts another, and nothing is lost or paid again."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
from umpire_cli import Up
from umpire_worker import attempts_at, desk, judging, reach

from contracts.enums import LLMProviderType
from devtools.servers import apoll
from devtools.upstream import upstream

pytestmark = [pytest.mark.stack, pytest.mark.kafka, pytest.mark.timeout(180)]

ANTHROPIC = LLMProviderType.ANTHROPIC
COUNT, SLOTS = 100, 16


async def test_all_are_answered_and_only_what_was_in_flight_is_paid_again(
    tmp_path: Path, kafka_bootstrap: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with upstream(judging(seconds=0.5)) as provider:
        stack = Up(
            tmp_path / "data",
            UMPIRE_KAFKA_BOOTSTRAP=kafka_bootstrap,
            UMPIRE_ANTHROPIC_CONCURRENCY=str(SLOTS),
            # A third of the default, to wait a third of the time for what the dead worker held.
            UMPIRE_TEST_LEASE_SECONDS="10",
            **reach(ANTHROPIC, provider.url),
        )
        try:
            await asyncio.to_thread(stack.start)
            async with desk(stack.stack["redis"], kafka_bootstrap) as at:
                first = stack.stack["pids"]["workers"]["anthropic"][0]
                ids = await asyncio.gather(*(at.submit(ANTHROPIC, f"number {n}") for n in range(COUNT)))
                await apoll(lambda: len(at.inbox.look()) >= COUNT // 4, 30, what="a quarter is answered")
                os.kill(first, signal.SIGKILL)
                killed = time.monotonic()
                results = await at.inbox.until(ids, 60)
                seconds = time.monotonic() - killed
                assert {results[queue_id].data.winner for queue_id in ids} == {"Essay B"}
                assert results.keys() == set(ids)
                # No more than its slots can have been in flight.
                assert len(provider.calls) <= COUNT + SLOTS
                assert max(attempts_at(provider).values()) <= 2
                second = await apoll(lambda: stack.stack["pids"]["workers"]["anthropic"], what="a successor")
                assert second != [first]
            with capsys.disabled():
                print(f"\nafter kill -9: all {COUNT} in {seconds:.1f} s, {len(provider.calls)} calls")  # noqa: T201
        finally:
            await asyncio.to_thread(stack.discard)
