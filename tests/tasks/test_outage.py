"""A provider that fails every call: its backlog waits in Redis, costs no try, and is all answered after it recovers."""

import asyncio
import base64
import json
from collections import Counter

import pytest
from umpire_worker import CANARY, api, attempts_at, desk, open_breaker, reach, worker

from contracts.enums import LLMProviderType
from devtools.providers import body_of
from devtools.servers import apoll
from devtools.upstream import Connection, answer, upstream

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

ANTHROPIC = LLMProviderType.ANTHROPIC
BACKLOG, SLOTS = 60, 16

SETTINGS = {
    "UMPIRE_RETRY_ATTEMPTS": "2",
    "UMPIRE_TEST_RETRY_INITIAL_SECONDS": "1",
    # A try that counted would be seen: its request would wait for an hour.
    "UMPIRE_TEST_DEFER_SECONDS": "3600",
    "UMPIRE_BREAKER_FAILURES": "5",
    "UMPIRE_BREAKER_RECOVERY_SECONDS": "2",
    "UMPIRE_ANTHROPIC_CONCURRENCY": str(SLOTS),
}

#: Lines that each call in flight had at an opening.
PER_CALL = {"call.finished", "call.retry", "comparison.returned"}

OVERLOADED = answer(529, {"type": "error", "error": {"type": "overloaded_error", "message": "no"}})


async def test_the_backlog_waits_in_redis_and_is_answered_after_recovery(redis_url: str, kafka_bootstrap: str) -> None:
    down = True

    async def serve(connection: Connection) -> None:
        await (OVERLOADED if down else answer(200, body_of(ANTHROPIC)))(connection)

    async with desk(redis_url, kafka_bootstrap) as at, upstream(serve) as provider:
        settings = {**SETTINGS, **at.settings, **reach(ANTHROPIC, provider.url)}
        async with api(**settings) as (client, door), worker(ANTHROPIC, **settings) as works:
            ids = [await at.submit(ANTHROPIC, f"number {number}") for number in range(BACKLOG)]

            async def waits_in_redis() -> bool:
                return len(await at.messages(ANTHROPIC)) == BACKLOG

            await apoll(waits_in_redis, 20, what="the whole backlog in Redis, nothing in the worker")
            assert await at.states(ids) == {"queued": BACKLOG}
            for message in await at.messages(ANTHROPIC):
                assert CANARY.encode() not in message
                assert CANARY.encode() not in base64.b64decode(json.loads(message)["body"])

            body = {"user_prompt": CANARY, "callback_topic": at.topic, "processing_mode": "immediate"}

            async def refused() -> bool:
                answered = await client.post("/api/v1/comparison", json=body)
                # A probe is let through now and then; while one runs, the door does not know better.
                if answered.status_code != 503:
                    return False
                assert answered.json()["error_code"] == "LLM_PROVIDER_UNAVAILABLE"
                assert answered.json()["is_retryable"] is True
                return int(answered.headers["retry-after"]) >= 1

            await apoll(refused, 10, what="503 with Retry-After")
            await apoll(lambda: sum(attempts_at(provider).values()) >= SLOTS + 2, 10, what="a second probe failed")
            assert sum(attempts_at(provider).values()) <= SLOTS + 6, "while the breaker is open, only probes are made"

            down = False
            results = await at.inbox.until(ids, 30)
            assert {results[queue_id].data.winner for queue_id in ids} == {"Essay B"}
            tries = [await at.redis.hget(f"umpire:req:{queue_id}", "t") for queue_id in ids]
            assert set(tries) == {b"0"}
            status = at.lifecycle("llm_provider.provider_status.v1")
            await apoll(
                lambda: {e["data"]["circuit_state"] for e in status.events} == {"open", "half_open", "closed"},
                what="the provider's status events",
            )
            for log in (works.log, door.log.read_text()):
                assert CANARY not in log
                assert "Traceback" not in log


async def test_an_opening_is_two_lines_whatever_the_calls_in_flight(redis_url: str, kafka_bootstrap: str) -> None:
    """Its cause, and how many calls it affected: three lines for each of them told nothing more. In both workers: the
    one that opened it, and the one that hears of it by its own failures.
    """
    slots, backlog, served = 40, 100, asyncio.Event()

    async def serve(connection: Connection) -> None:
        await served.wait()
        await OVERLOADED(connection)

    settings = {**SETTINGS, "UMPIRE_ANTHROPIC_CONCURRENCY": str(slots), "UMPIRE_BREAKER_RECOVERY_SECONDS": "3600"}
    settings |= {"UMPIRE_ADAPTIVE_CONCURRENCY": "false"}
    async with desk(redis_url, kafka_bootstrap) as at, upstream(serve) as provider:
        settings |= {**at.settings, **reach(ANTHROPIC, provider.url)}
        async with worker(ANTHROPIC, **settings) as one, worker(ANTHROPIC, **settings) as other:
            for _ in range(backlog):
                await at.submit(ANTHROPIC)
            await apoll(lambda: len(provider.calls) == 2 * slots, 30, what="all calls in flight")
            served.set()

            async def waits_in_redis() -> bool:
                return len(await at.messages(ANTHROPIC)) == backlog

            await apoll(waits_in_redis, 20, what="the whole backlog in Redis")
            await asyncio.gather(*(asyncio.to_thread(each.process.stop) for each in (one, other)))
            logs = [[json.loads(line) for line in each.log.splitlines()] for each in (one, other)]
    lines = [line for log in logs for line in log]
    (opening,) = [line for line in lines if line["event"] == "breaker.changed"]
    assert (opening["state"], opening["error_code"]) == ("open", "LLM_PROVIDER_UNAVAILABLE")
    assert opening["failures"] >= 5
    assert opening["next_probe_seconds"] == 3600
    affected = [line for line in lines if line["event"] == "breaker.affected"]
    assert len(affected) == 2, "one of each worker"
    single = Counter(line["event"] for line in lines if line["event"] in PER_CALL)
    assert sum(single.values()) < 12, f"only what failed before it opened has lines of its own: {single}"
    assert sum(line["calls_failed"] for line in affected) + single["call.finished"] == 2 * slots
    assert sum(line["returned"] for line in affected) >= 2 * slots


async def test_a_probe_that_fails_costs_no_try(redis_url: str, kafka_bootstrap: str) -> None:
    """One that counted would be the end of its request here."""
    down = True

    async def serve(connection: Connection) -> None:
        await (OVERLOADED if down else answer(200, body_of(ANTHROPIC)))(connection)

    once = {"UMPIRE_RETRY_ATTEMPTS": "1", "UMPIRE_QUEUE_MAX_RETRIES": "0", "UMPIRE_BREAKER_RECOVERY_SECONDS": "0.5"}
    async with desk(redis_url, kafka_bootstrap) as at, upstream(serve) as provider:
        await open_breaker(at, ANTHROPIC, breaker_recovery_seconds=0.5)
        async with worker(ANTHROPIC, **once, **at.settings, **reach(ANTHROPIC, provider.url)):
            ids = [await at.submit(ANTHROPIC) for _ in range(2)]
            await apoll(lambda: len(provider.calls) >= 4, 20, what="four probes failed")
            down = False
            results = await at.inbox.until(ids, 30)
            assert {results[queue_id].data.winner for queue_id in ids} == {"Essay B"}
