"""What nobody holds any more: lapsed leases, poison, expiry. A real worker's custodian does it."""

from collections import Counter

import pytest
from umpire_worker import CANARY, attempts_at, desk, failed_lines, judging, open_breaker, reach, worker

from contracts.enums import LLMProviderType
from contracts.settings import LedgerSettings
from devtools.servers import apoll
from devtools.upstream import hang, upstream
from ledger.claims import Claims

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

ANTHROPIC = LLMProviderType.ANTHROPIC
LEASE = {"UMPIRE_TEST_LEASE_SECONDS": "1", "UMPIRE_TEST_MAX_LAPSES": "3", "UMPIRE_TEST_LOST_POINTER_SECONDS": "1"}


async def test_what_dead_workers_left(redis_url: str, kafka_bootstrap: str) -> None:
    async with desk(redis_url, kafka_bootstrap) as at, upstream(judging()) as provider:
        dead = Claims(at.redis, ANTHROPIC, LedgerSettings(lease_seconds=1), owner="dead", cap=60)
        lapsed, poison = [await at.submit(ANTHROPIC, name) for name in ("lapsed", "poison")]
        assert len(await dead.claim(None, more=2)) == 2
        # Two workers have died of this one before.
        await at.redis.hset(f"umpire:req:{poison}", "l", 2)
        lost = await at.submit(ANTHROPIC, "its message is lost")
        await at.redis.delete("umpire.anthropic:9")
        async with worker(ANTHROPIC, **LEASE, **at.settings, **reach(ANTHROPIC, provider.url)) as works:
            results = await at.inbox.until([lapsed, poison, lost], 40)
            (line,) = await apoll(lambda: failed_lines(works.log), what="the log line of what was given up")
        assert (line["queue_id"], line["status"], line["error_code"]) == (poison, "failed", "LLM_INTERNAL_ERROR")
        assert results[lapsed].data.winner
        assert results[lost].data.winner
        error = results[poison].data.error_detail
        assert error is not None
        assert (error.error_code, error.details["lapses"]) == ("LLM_INTERNAL_ERROR", 3)
        assert attempts_at(provider) == {lapsed: 1, lost: 1}


async def test_what_is_past_its_time_ends_as_a_timeout(redis_url: str, kafka_bootstrap: str) -> None:
    """During an outage too, and where no worker serves its provider: waiting must not be for ever."""
    async with desk(redis_url, kafka_bootstrap) as at, upstream(judging()) as provider:
        await open_breaker(at, ANTHROPIC, breaker_recovery_seconds=3600)
        async with worker(ANTHROPIC, **LEASE, **at.settings, **reach(ANTHROPIC, provider.url)) as works:
            waiting, unserved = [await at.submit(one, ttl=1.0) for one in (ANTHROPIC, LLMProviderType.OPENAI)]
            results = await at.inbox.until([waiting, unserved])
            status = at.lifecycle("llm_provider.queue_status.v1")
            told = await apoll(lambda: [e["data"]["event"] for e in status.events], what="the status event")
            await apoll(lambda: len(failed_lines(works.log)) >= 2, what="a log line of each")
            lines = failed_lines(works.log)
        assert Counter(line["queue_id"] for line in lines) == {waiting: 1, unserved: 1}
        for line in lines:
            assert (line["status"], line["error_code"], line["attempts"]) == ("expired", "LLM_REQUEST_EXPIRED", 0)
            assert line["waited"] >= 1
        assert set(told) == {"QUEUE_REQUEST_EXPIRED"}
        for queue_id in (waiting, unserved):
            error = results[queue_id].data.error_detail
            assert error is not None
            assert (error.error_code, error.details["reason"]) == ("LLM_PROVIDER_TIMEOUT", "LLM_REQUEST_EXPIRED")
            assert CANARY not in results[queue_id].model_dump_json()
            assert await at.state(queue_id) == "expired"
        assert not provider.calls


async def test_a_request_that_kills_its_worker_each_time_ends_as_an_error(redis_url: str, kafka_bootstrap: str) -> None:
    async with desk(redis_url, kafka_bootstrap) as at, upstream(hang) as provider:
        settings = {**LEASE, "UMPIRE_TEST_MAX_LAPSES": "2", **at.settings, **reach(ANTHROPIC, provider.url)}
        queue_id = await at.submit(ANTHROPIC)
        for killed in (1, 2):
            async with worker(ANTHROPIC, **settings) as victim:
                await apoll(lambda calls=killed: len(provider.calls) == calls, 30, what=f"call {killed}")
                victim.process.kill()
        async with worker(ANTHROPIC, **settings):
            results = await at.inbox.until([queue_id], 30)
        error = results[queue_id].data.error_detail
        assert error is not None
        assert (error.error_code, error.details["lapses"]) == ("LLM_INTERNAL_ERROR", 2)
        assert attempts_at(provider) == {queue_id: 2}
