"""A worker that stands still for longer than its lease: its request is judged again, and one of the verdicts stands."""

import json

import pytest
from umpire_worker import attempts_at, desk, judging, reach, worker

from contracts.enums import LLMProviderType
from devtools.providers import VERDICT, body_of
from devtools.servers import apoll
from devtools.upstream import answer, upstream

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

ANTHROPIC = LLMProviderType.ANTHROPIC


async def test_its_call_is_made_a_second_time_and_its_own_verdict_is_not_told(
    redis_url: str, kafka_bootstrap: str
) -> None:
    """From outside it cannot be told from a dead one. The answer to its call waits in its socket until it thaws."""
    second = answer(200, body_of(ANTHROPIC, json.dumps({**VERDICT, "winner": "Essay A"})))
    async with desk(redis_url, kafka_bootstrap) as at, upstream(judging(seconds=1), second) as provider:
        settings = {"UMPIRE_TEST_LEASE_SECONDS": "2", **at.settings, **reach(ANTHROPIC, provider.url)}
        async with worker(ANTHROPIC, **settings) as frozen:
            queue_id = await at.submit(ANTHROPIC)
            await apoll(lambda: len(provider.calls) == 1, what="its call is in flight")
            frozen.process.pause()
            async with worker(ANTHROPIC, **settings):
                results = await at.inbox.until([queue_id], 60)
                frozen.process.resume()
                await apoll(lambda: "lease.lost" in frozen.log, 30, what="it learns that it came too late")
                assert results[queue_id].data.winner == "Essay A"
                assert (await at.ledger.stats.today()).requests == 1
                assert len(at.inbox.look()) == 1
        assert attempts_at(provider) == {queue_id: 2}


async def test_it_makes_no_further_call_for_what_is_no_longer_its_own(redis_url: str, kafka_bootstrap: str) -> None:
    """It stands still while it waits for a second attempt, for which it would be time when it thaws."""
    overloaded = answer(
        529, {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}, {"retry-after": "8"}
    )
    async with (
        desk(redis_url, kafka_bootstrap) as at,
        upstream(overloaded, answer(200, body_of(ANTHROPIC))) as provider,
    ):
        settings = {"UMPIRE_TEST_LEASE_SECONDS": "2", **at.settings, **reach(ANTHROPIC, provider.url)}
        async with worker(ANTHROPIC, **settings) as frozen:
            queue_id = await at.submit(ANTHROPIC)
            await apoll(lambda: "call.finished" in frozen.log, 30, what="its first attempt failed")
            frozen.process.pause()
            async with worker(ANTHROPIC, **settings):
                assert (await at.inbox.until([queue_id], 60))[queue_id].data.winner
                frozen.process.resume()
                await apoll(lambda: "comparison.returned" in frozen.log, 30, what="it lets go")
        assert attempts_at(provider) == {queue_id: 2}


async def test_when_it_claims_the_same_request_again_its_first_claim_is_over(
    redis_url: str, kafka_bootstrap: str
) -> None:
    """Another provider's worker is the custodian; nobody else is there to take the request."""
    overloaded = answer(
        529, {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}, {"retry-after": "8"}
    )
    async with desk(redis_url, kafka_bootstrap) as at, upstream(overloaded, judging(seconds=3)) as provider:
        settings = {"UMPIRE_TEST_LEASE_SECONDS": "2", **at.settings, **reach(ANTHROPIC, provider.url)}
        async with worker(ANTHROPIC, **settings) as frozen:
            queue_id = await at.submit(ANTHROPIC)
            await apoll(lambda: "call.finished" in frozen.log, 30, what="its first attempt failed")
            frozen.process.pause()

            async def taken_back() -> bool:
                return await at.state(queue_id) == "queued"

            async with worker(LLMProviderType.MOCK, **settings, UMPIRE_MOCK_ENABLED="true"):
                await apoll(taken_back, 60, what="its lease is given up")
                frozen.process.resume()
                assert (await at.inbox.until([queue_id], 60))[queue_id].data.winner
                # The first claim's second attempt would have come by now.
                await apoll(lambda: '"reason": "lease"' in frozen.log, 30, what="the first claim lets go")
        assert attempts_at(provider) == {queue_id: 2}
