"""What one request may cost over all its claims, and what a provider's wish to be left alone does."""

import json

import pytest
from umpire_worker import attempts_at, desk, reach, worker

from contracts.enums import LLMProviderType
from devtools.providers import VERDICT, body_of
from devtools.upstream import answer, upstream

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

ANTHROPIC = LLMProviderType.ANTHROPIC
PROSE = answer(200, body_of(ANTHROPIC, "Essay B is better."))
GOOD = answer(200, body_of(ANTHROPIC, json.dumps(VERDICT)))


def fails(status: int, kind: str, **headers: str) -> object:
    return answer(status, {"type": "error", "error": {"type": kind, "message": "no"}}, headers)


SETTINGS = {
    "UMPIRE_RETRY_ATTEMPTS": "2",
    "UMPIRE_TEST_RETRY_INITIAL_SECONDS": "0.01",
    "UMPIRE_TEST_DEFER_SECONDS": "0.2",
    "UMPIRE_BREAKER_FAILURES": "100",
    "UMPIRE_ANTHROPIC_CONCURRENCY": "1",
}


async def test_two_answers_without_a_verdict_are_the_end_whatever_came_between(
    redis_url: str, kafka_bootstrap: str
) -> None:
    """The second one comes in another claim: the request was deferred after a 529."""
    overloaded = fails(529, "overloaded_error")
    async with desk(redis_url, kafka_bootstrap) as at, upstream(PROSE, overloaded, PROSE, GOOD) as provider:
        async with worker(ANTHROPIC, **SETTINGS, **at.settings, **reach(ANTHROPIC, provider.url)):
            queue_id = await at.submit(ANTHROPIC)
            data = (await at.inbox.until([queue_id]))[queue_id].data
        assert data.error_detail is not None
        assert data.error_detail.error_code == "LLM_PARSING_ERROR"
        assert attempts_at(provider) == {queue_id: 3}
        assert data.request_metadata["attempts"] == 3
        assert data.token_usage.prompt_tokens == 2 * 150, "both answers are counted"


async def test_a_long_retry_after_closes_the_gate_for_all(redis_url: str, kafka_bootstrap: str) -> None:
    busy = fails(429, "rate_limit_error", **{"retry-after": "3"})
    async with desk(redis_url, kafka_bootstrap) as at, upstream(busy, GOOD) as provider:
        settings = {**SETTINGS, "UMPIRE_TEST_RETRY_AFTER_MAX_SECONDS": "1", **at.settings}
        async with worker(ANTHROPIC, **settings, **reach(ANTHROPIC, provider.url)) as works:
            ids = [await at.submit(ANTHROPIC) for _ in range(3)]
            results = await at.inbox.until(ids)
            assert "gate.paused" in works.log
        assert {results[queue_id].data.winner for queue_id in ids} == {"Essay B"}
        assert sorted(attempts_at(provider).values()) == [1, 1, 2]
        ended = [results[queue_id].data for queue_id in ids]
        assert all((data.completed_at - data.requested_at).total_seconds() >= 2.9 for data in ended)


async def test_requests_that_always_fail_end_though_they_wait_for_each_other(
    redis_url: str, kafka_bootstrap: str
) -> None:
    """Between two attempts one waits for its next turn, which others take: what failed before counts all the same."""
    busy = fails(429, "rate_limit_error", **{"retry-after": "0.1"})
    settings = {
        **SETTINGS,
        "UMPIRE_ANTHROPIC_CONCURRENCY": "8",
        "UMPIRE_RETRY_ATTEMPTS": "3",
        "UMPIRE_CALL_DEADLINE_SECONDS": "1.2",
        "UMPIRE_QUEUE_MAX_RETRIES": "1",
    }
    async with desk(redis_url, kafka_bootstrap) as at, upstream(busy) as provider:
        async with worker(ANTHROPIC, **settings, **at.settings, **reach(ANTHROPIC, provider.url)):
            ids = [await at.submit(ANTHROPIC) for _ in range(6)]
            results = await at.inbox.until(ids, 60)
        errors = [results[queue_id].data.error_detail for queue_id in ids]
        assert {error.error_code for error in errors if error} == {"LLM_PROVIDER_RATE_LIMIT"}
        assert all(errors)
        assert all(2 <= calls <= 6 for calls in attempts_at(provider).values()), attempts_at(provider)
