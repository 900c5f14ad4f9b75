"""A fault of the account holds its provider: the backlog waits, costs no try, and is all answered once it is mended."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import httpx2
import pytest
from umpire_account import (
    ACCOUNT_EMPTY,
    ANTHROPIC,
    CREDIT_TOO_LOW,
    KEY_REJECTED,
    MODEL_FORBIDDEN,
    Account,
)
from umpire_worker import CANARY, Desk, api, desk, reach, worker

from contracts.enums import HoldReason, LLMErrorCode
from devtools.servers import apoll
from devtools.upstream import Connection, upstream
from guard import hold as holds

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

SLOTS = 16

SETTINGS = {
    # A try that counted would be seen: its request would wait for an hour.
    "UMPIRE_TEST_DEFER_SECONDS": "3600",
    "UMPIRE_HOLD_PROBE_SECONDS": "1",
    "UMPIRE_ANTHROPIC_CONCURRENCY": str(SLOTS),
}

OTHER_MODEL = "claude-sonnet-5-5"


class Scene(NamedTuple):
    at: Desk
    account: Account
    settings: dict[str, str]

    async def held(self, reason: HoldReason | None) -> None:
        async def is_so() -> bool:
            found = await self.at.redis.hget("umpire:hold:anthropic", "reason")
            return found == (reason.value.encode() if reason else None)

        await apoll(is_so, 20, what=f"the hold is {reason}")

    async def quiet(self) -> None:
        """No call is in flight: what is leased is given back."""

        async def is_so() -> bool:
            return not await self.at.redis.zcard("umpire:leases")

        await apoll(is_so, 10, what="nothing is leased")


@contextlib.asynccontextmanager
async def scene(
    redis_url: str, kafka: str, fault: Callable[[Connection], Any] | None = None, **settings: str
) -> AsyncIterator[Scene]:
    account = Account(fault)
    async with desk(redis_url, kafka) as at, upstream(account.serve) as provider:
        account.upstream = provider
        yield Scene(at, account, {**SETTINGS, **at.settings, **reach(ANTHROPIC, provider.url), **settings})


async def all_judged(at: Desk, ids: list[str], seconds: float = 60) -> None:
    results = await at.inbox.until(ids, seconds)
    assert {results[queue_id].data.winner for queue_id in ids} == {"Essay B"}
    assert len(at.inbox.messages) == len(ids), "one event each"
    tries = [await at.redis.hget(f"umpire:req:{queue_id}", "t") for queue_id in ids]
    assert set(tries) == {b"0"}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (KEY_REJECTED, HoldReason.MISCONFIGURED),
        (ACCOUNT_EMPTY, HoldReason.SPEND_LIMIT),
    ],
)
async def test_a_backlog_outlives_it_over_a_killed_worker_and_two_of_them(
    redis_url: str, kafka_bootstrap: str, fault: Callable[[Connection], Any], reason: HoldReason
) -> None:
    async with scene(redis_url, kafka_bootstrap, fault) as (at, account, settings):
        here = Scene(at, account, settings)
        ids = [await at.submit(ANTHROPIC, f"number {number}") for number in range(400)]
        async with worker(ANTHROPIC, **settings) as first, worker(ANTHROPIC, **settings) as second:
            await here.held(reason)
            await here.quiet()
            assert len(account.times) <= 2 * SLOTS + 2, "what was in flight, and a probe"
            began = time.monotonic()
            await asyncio.sleep(3.5)  # some probes' time, in which only they may call
            assert 1 <= account.calls_since(began) <= 5
            await asyncio.to_thread(first.process.kill)
            assert await at.states(ids) == {"queued": 400}
            account.fault = None
            await all_judged(at, ids)
            await here.held(None)
            for log in (first.log, second.log):
                assert CANARY not in log
                assert "Traceback" not in log


async def test_a_credit_balance_that_is_too_low_in_a_400_is_one(redis_url: str, kafka_bootstrap: str) -> None:
    async with scene(redis_url, kafka_bootstrap, CREDIT_TOO_LOW) as here:
        ids = [await here.at.submit(ANTHROPIC) for _ in range(5)]
        async with worker(ANTHROPIC, **here.settings):
            await here.held(HoldReason.SPEND_LIMIT)
            here.account.fault = None
            await all_judged(here.at, ids)


async def test_it_outlives_a_restart_of_redis(redis_server: Callable[..., Any], kafka_bootstrap: str) -> None:
    server = redis_server(aof=True)
    async with scene(server.url, kafka_bootstrap, KEY_REJECTED) as here:
        ids = [await here.at.submit(ANTHROPIC) for _ in range(40)]
        async with worker(ANTHROPIC, **here.settings):
            await here.held(HoldReason.MISCONFIGURED)
            await here.quiet()
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            await here.held(HoldReason.MISCONFIGURED)
            calls = len(here.account.times)
            assert calls <= SLOTS + 3
            here.account.fault = None
            await all_judged(here.at, ids)


async def test_a_request_whose_own_fault_it_is_ends_alone(redis_url: str, kafka_bootstrap: str) -> None:
    """A 402 can be about its max_tokens: others succeed, and it does not hold them up for ever."""
    async with scene(redis_url, kafka_bootstrap) as here:
        here.account.fault_of["the greedy one"] = ACCOUNT_EMPTY
        greedy = await here.at.submit(ANTHROPIC, "the greedy one")
        ids = [await here.at.submit(ANTHROPIC) for _ in range(60)]
        async with worker(ANTHROPIC, **here.settings):
            results = await here.at.inbox.until([greedy, *ids], 60)
        assert {results[queue_id].data.winner for queue_id in ids} == {"Essay B"}
        detail = results[greedy].data.error_detail
        assert detail is not None
        assert detail.error_code is LLMErrorCode.COST_LIMIT_EXCEEDED
        assert here.account.calls_with("the greedy one") == 2
        await here.held(None)


async def test_a_403_holds_its_model_only_and_loses_nothing(redis_url: str, kafka_bootstrap: str) -> None:
    async with scene(redis_url, kafka_bootstrap) as here:
        here.account.fault_of[OTHER_MODEL] = MODEL_FORBIDDEN
        forbidden = [await here.at.submit(ANTHROPIC, model=OTHER_MODEL) for _ in range(50)]
        others = [await here.at.submit(ANTHROPIC) for _ in range(50)]
        async with worker(ANTHROPIC, **here.settings), api(**here.settings) as (client, _):
            results = await here.at.inbox.until(others, 30)
            assert {results[queue_id].data.winner for queue_id in others} == {"Essay B"}
            assert set(await here.at.states(forbidden)) <= {"deferred", "processing", "queued"}
            listed = (await client.get("/api/v1/providers")).json()["providers"][0]
            assert (listed["held_models"], listed["available"]) == ([OTHER_MODEL], True)
            answered = await submit(client, here.at, "immediate", model_override=OTHER_MODEL)
            if answered.status_code == 503:  # unless its probe was due
                assert answered.json()["error_code"] == "LLM_CONFIGURATION_ERROR"
                assert answered.json()["details"]["hold"] == "misconfigured"
            assert (await submit(client, here.at, "immediate")).status_code == 200
            probes = time.monotonic() - here.account.times[0] + 2  # one each second
            assert here.account.calls_with(OTHER_MODEL) <= SLOTS + probes
            here.account.fault_of.clear()
            judged = await here.at.inbox.until(forbidden, 30)
            assert {judged[queue_id].data.winner for queue_id in forbidden} == {"Essay B"}


async def submit(client: httpx2.AsyncClient, at: Desk, mode: str, **overrides: Any) -> httpx2.Response:
    body = {"user_prompt": CANARY, "callback_topic": at.topic, "processing_mode": mode}
    if overrides:
        body["llm_config_overrides"] = overrides  # type: ignore[assignment] - JSON
    return await client.post("/api/v1/comparison", json=body)


async def test_what_clients_and_operators_see(redis_url: str, kafka_bootstrap: str) -> None:
    async with (
        scene(redis_url, kafka_bootstrap, KEY_REJECTED, UMPIRE_HOLD_PROBE_SECONDS="30") as here,
        worker(ANTHROPIC, **here.settings),
        api(**here.settings) as (client, _),
    ):
        first = await submit(client, here.at, "queue")
        await here.held(HoldReason.MISCONFIGURED)

        async def shown() -> dict[str, Any] | None:
            one = (await client.get("/api/v1/providers")).json()["providers"][0]
            return one if one["hold_reason"] else None

        seen = await apoll(shown, 10)
        assert seen is not None
        assert (seen["hold_reason"], seen["last_error_code"]) == ("misconfigured", "LLM_CONFIGURATION_ERROR")
        assert (seen["available"], seen["circuit_breaker_state"], seen["last_success"]) == (False, "closed", None)
        refused = await submit(client, here.at, "immediate")
        problem = refused.json()
        assert (refused.status_code, problem["error_code"]) == (503, "LLM_CONFIGURATION_ERROR")
        assert (problem["details"]["hold"], problem["is_retryable"]) == ("misconfigured", True)
        assert int(refused.headers["retry-after"]) >= 1
        assert "queue_id" not in problem
        for mode in ("queue_if_unavailable", "queue"):

            async def named(mode: str = mode) -> bool:
                accepted = await submit(client, here.at, mode)
                assert accepted.status_code == 202
                # Mode `queue` does not read the state again: its message has the last known one.
                return "ends (misconfigured)" in accepted.json()["message"]

            await apoll(named, 10)
        status = here.at.lifecycle("llm_provider.provider_status.v1")
        await apoll(lambda: [e["data"]["hold_reason"] for e in status.events] == ["misconfigured"], 10)
        assert first.status_code == 202


async def test_an_empty_queue_recovers_with_the_next_immediate_request(redis_url: str, kafka_bootstrap: str) -> None:
    """The one whose call revealed the hold has a time to live of its own, which holds do not stop."""
    async with (
        scene(redis_url, kafka_bootstrap, KEY_REJECTED) as here,
        worker(ANTHROPIC, **here.settings),
        api(**here.settings) as (client, _),
    ):
        body = {"user_prompt": "x", "callback_topic": here.at.topic, "processing_mode": "queue", "ttl_seconds": 2}
        short = (await client.post("/api/v1/comparison", json=body)).json()["queue_id"]
        await here.held(HoldReason.MISCONFIGURED)
        late = (await here.at.inbox.until([short], 30))[short].data.error_detail
        assert late is not None
        assert late.error_code is LLMErrorCode.CONFIGURATION_ERROR
        assert (late.details["reason"], late.details["hold"]) == ("LLM_REQUEST_EXPIRED", "misconfigured")
        here.account.fault = None

        async def served() -> bool:
            return (await submit(client, here.at, "immediate")).status_code == 200

        await apoll(served, 20, every=0.2, what="an immediate request is let in as the probe")
        await here.held(None)


async def test_a_pause_is_never_probed_and_ends_by_resume_or_its_time(redis_url: str, kafka_bootstrap: str) -> None:
    async with (
        scene(redis_url, kafka_bootstrap) as here,
        worker(ANTHROPIC, **here.settings),
        api(**here.settings) as (client, _),
    ):
        first = await here.at.submit(ANTHROPIC)
        await here.at.inbox.until([first], 20)
        await holds.pause(here.at.redis, ANTHROPIC, None, "the invoice is late")
        await asyncio.sleep(0.5)  # the gate is looked at four times a second
        calls = len(here.account.times)
        ids = [await here.at.submit(ANTHROPIC) for _ in range(5)]
        await asyncio.sleep(2.5)  # probes of an automatic hold would have come
        assert len(here.account.times) == calls
        refused = await submit(client, here.at, "immediate")
        assert (refused.status_code, refused.json()["details"]["hold"]) == (503, "manual")
        assert (await holds.resume(here.at.redis, ANTHROPIC)).was_paused
        await here.at.inbox.until(ids, 20)
        await holds.pause(here.at.redis, ANTHROPIC, 1.5, "")
        await asyncio.sleep(0.5)  # as above
        more = [await here.at.submit(ANTHROPIC) for _ in range(5)]
        began = time.monotonic()
        await here.at.inbox.until(more, 20)
        assert time.monotonic() - began > 0.5


async def test_switched_off_a_rejected_key_fails_its_request_at_once(redis_url: str, kafka_bootstrap: str) -> None:
    async with scene(redis_url, kafka_bootstrap, KEY_REJECTED, UMPIRE_HOLD="off") as here:
        ids = [await here.at.submit(ANTHROPIC) for _ in range(3)]
        async with worker(ANTHROPIC, **here.settings):
            results = await here.at.inbox.until(ids, 30)
        assert {r.data.error_detail.error_code for r in results.values() if r.data.error_detail} == {
            LLMErrorCode.CONFIGURATION_ERROR
        }
        assert len(here.account.times) == 3


async def test_a_second_outage_of_the_key_fails_nothing_either(redis_url: str, kafka_bootstrap: str) -> None:
    """What was refused in the first one is not to blame."""
    async with scene(redis_url, kafka_bootstrap, KEY_REJECTED) as here:
        ids = [await here.at.submit(ANTHROPIC) for _ in range(6)]
        async with worker(ANTHROPIC, **here.settings):
            await here.held(HoldReason.MISCONFIGURED)
            await here.quiet()
            here.account.fault_of["the first one through"] = here.account.verdict
            first = await here.at.submit(ANTHROPIC, "the first one through", priority=10)
            await here.at.inbox.until([first], 20)
            await apoll(lambda: here.account.calls_since(0) >= 10, 20)
            await here.held(HoldReason.MISCONFIGURED)
            await here.quiet()
            here.account.fault = None
            results = await here.at.inbox.until(ids, 30)
        assert {results[queue_id].data.winner for queue_id in ids} == {"Essay B"}
