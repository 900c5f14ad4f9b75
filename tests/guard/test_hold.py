"""hold.lua: what raises, probes and lifts a hold, for a provider and for one of its models."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from umpire_guard import MOCK, Notes, breaker_settings

from contracts.enums import HoldReason, LLMProviderType
from contracts.errors import ModelForbidden, ProviderMisconfigured, ProviderUnavailable, SpendLimitReached
from contracts.settings import HoldSettings
from guard import hold as holds
from guard.availability import Availability, ProviderAvailability
from guard.breaker import Breaker
from guard.gate import Gate
from guard.hold import Hold, Holds, Outcome, Raised, read_hold
from ledger.redis.connection import connect

pytestmark = pytest.mark.redis

REJECTED, EMPTY, FORBIDDEN = ProviderMisconfigured("401"), SpendLimitReached("402"), ModelForbidden("403")


def made(redis: Redis, probe: float = 60.0) -> Holds:
    return Holds(redis, MOCK, HoldSettings(hold_probe_seconds=probe))


async def seen(redis: Redis) -> ProviderAvailability:
    return (await Availability(redis, [MOCK]).read())[MOCK]


async def due(redis: Redis, model: str = "") -> None:
    """As if the time of the next probe had come."""
    await redis.hset(f"umpire:hold:mock{':' if model else ''}{model}", "probe", 1)


async def test_a_refused_call_closes_the_gate_of_every_worker(redis: Redis) -> None:
    one = made(redis)
    assert await one.raise_(REJECTED, 0.1) == Raised(Outcome.HELD, 0)
    state = await Gate(redis, MOCK).read()
    assert (state.open, state.probe_due) == (False, False)
    assert state.hold is not None
    assert state.hold.reason is HoldReason.MISCONFIGURED
    assert (await Gate(redis, LLMProviderType.OPENAI).read()).open
    door = await seen(redis)
    assert (door.available, door.last_error_code) == (False, "LLM_CONFIGURATION_ERROR")
    assert door.last_success is None


async def test_the_first_probe_comes_sooner_than_the_next_ones(redis: Redis) -> None:
    one = made(redis)
    await one.raise_(EMPTY, 0.1)
    first = (await seen(redis)).hold
    assert first is not None
    assert 4_000 < (first.probe_in or 0) <= 5_000
    assert not await one.lease_probe("early", 60.0)
    await due(redis)
    assert await one.lease_probe("a", 60.0)
    assert not await one.lease_probe("b", 60.0), "one at a time"
    assert await one.raise_(EMPTY, 0.1, probe="a") == Raised(Outcome.HELD, 0)
    second = (await seen(redis)).hold
    assert second is not None
    assert 58_000 < (second.probe_in or 0) <= 60_000


async def test_calls_that_were_in_flight_neither_hasten_nor_delay_the_probe(redis: Redis) -> None:
    one = made(redis)
    await one.raise_(REJECTED, 0.1)
    before = await redis.hgetall("umpire:hold:mock")
    for _ in range(5):
        await one.raise_(REJECTED, 0.2)
    assert await redis.hgetall("umpire:hold:mock") == before


async def test_a_success_lifts_the_hold_and_refusals_of_earlier_calls_do_not_raise_it_again(redis: Redis) -> None:
    one = made(redis)
    await one.raise_(REJECTED, 0.1)
    await due(redis)
    await one.lease_probe("a", 60.0)
    assert await one.probe_succeeded("a")
    assert (await Gate(redis, MOCK).read()).open
    assert not await one.probe_succeeded("a"), "once"
    await asyncio.sleep(0.02)
    assert await one.raise_(REJECTED, 10.0) == Raised(Outcome.STALE, 1), "its call began before the key was mended"
    assert (await Gate(redis, MOCK).read()).open
    assert (await one.raise_(REJECTED, 0.0)) == Raised(Outcome.HELD, 1)


async def test_a_request_refused_again_after_anothers_success_raises_no_hold(redis: Redis) -> None:
    one = made(redis)
    raised = await one.raise_(EMPTY, 0.1)
    assert raised is not None
    again = await one.raise_(EMPTY, 0.1, mark=raised.mark)
    assert again == Raised(Outcome.HELD, 0), "nobody succeeded in between"
    await one.probe_succeeded("another")
    await asyncio.sleep(0.01)
    assert await one.raise_(EMPTY, 0.0, mark=raised.mark) == Raised(Outcome.OWN, 1)
    assert (await Gate(redis, MOCK).read()).open, "it holds nobody up"


async def test_a_refused_probe_delays_the_next_one_whatever_the_refusal_means(redis: Redis) -> None:
    """Also where the fault is the request's own, and where Redis heard of it late."""
    one = made(redis)
    for model in ("", "large"):
        raised = await one.raise_(FORBIDDEN, 0.1, model=model)
        assert raised is not None
        await one.probe_succeeded("p", model=model)
        await asyncio.sleep(0.01)
        assert (await one.raise_(EMPTY, 0.0, model=model)) == Raised(Outcome.HELD, 1)
        await due(redis, model)
        assert await one.lease_probe("a", 60.0, model=model)
        own = await one.raise_(EMPTY, 0.0, model=model, mark=raised.mark, probe="a")
        assert own == Raised(Outcome.OWN, 1)
        assert not await one.lease_probe("b", 60.0, model=model), "the next one has its time"
        await due(redis, model)
        assert await one.lease_probe("b", 60.0, model=model), "and nobody holds the right to it"
        await one.probe_released("b", model=model)
        await one.raise_(EMPTY, 0.0, model=model, probe="b")
        assert not await one.lease_probe("c", 60.0, model=model)


async def test_a_failed_probe_delays_the_next_one_and_a_released_probe_does_not(redis: Redis) -> None:
    one = made(redis)
    await one.raise_(EMPTY, 0.1)
    await due(redis)
    assert await one.lease_probe("a", 60.0)
    await one.probe_released("a")
    assert await one.lease_probe("b", 60.0)
    await one.probe_failed("a")
    assert not await one.lease_probe("c", 60.0), "not its own to settle"
    await one.probe_failed("b")
    assert not await one.lease_probe("c", 60.0)
    await due(redis)
    assert await one.lease_probe("c", 60.0)


async def test_the_probe_of_a_worker_that_died_lapses(redis: Redis) -> None:
    one = made(redis)
    await one.raise_(EMPTY, 0.1)
    await due(redis)
    assert await one.lease_probe("dead", 0.05)
    await asyncio.sleep(0.06)
    assert await one.lease_probe("next", 60.0)


async def test_a_hold_of_one_model_does_not_hold_the_others(redis: Redis) -> None:
    one = made(redis)
    await one.raise_(FORBIDDEN, 0.1, model="large")
    state = await Gate(redis, MOCK).read()
    assert state.open
    assert set(state.held_models) == {"large"}
    door = await seen(redis)
    assert (door.available, door.takes("small"), door.takes("large")) == (True, True, False)
    assert door.hold_of("small") is None
    await due(redis, "large")
    assert (await seen(redis)).takes("large")
    assert await one.lease_probe("a", 60.0, model="large")
    assert await one.probe_succeeded("a", model="large")
    assert (await seen(redis)).held_models == {}


async def test_a_pause_is_never_probed_and_outlives_a_success(redis: Redis) -> None:
    one = made(redis)
    await one.raise_(EMPTY, 0.1)
    await holds.pause(redis, MOCK, None, "invoice")
    await due(redis)
    assert not await one.lease_probe("a", 60.0)
    state = await Gate(redis, MOCK).read()
    assert (state.open, state.probe_due) == (False, False)
    await one.probe_succeeded("from before")
    found = (await seen(redis)).hold
    assert found is not None
    assert (found.reason, found.text) == (HoldReason.MANUAL, "invoice")
    assert await holds.resume(redis, MOCK) == (True, None)
    assert (await Gate(redis, MOCK).read()).open
    assert await holds.resume(redis, MOCK) == (False, None)


async def test_a_pause_ends_at_its_time_and_an_automatic_hold_behind_it_remains(redis: Redis) -> None:
    one = made(redis)
    await holds.pause(redis, MOCK, 0.2, "")
    await one.raise_(EMPTY, 0.1)
    assert ((await seen(redis)).hold or pytest.fail("no hold")).reason is HoldReason.MANUAL
    await asyncio.sleep(0.25)
    assert ((await seen(redis)).hold or pytest.fail("no hold")).reason is HoldReason.SPEND_LIMIT
    await one.probe_succeeded("x")
    await holds.pause(redis, MOCK, 0.1, "")
    await asyncio.sleep(0.15)
    assert (await Gate(redis, MOCK).read()).open


async def test_the_api_accepts_a_request_as_probe_if_the_queue_is_empty(redis: Redis) -> None:
    one = made(redis)
    await one.raise_(EMPTY, 0.1)
    assert not (await seen(redis)).available
    await due(redis)
    assert (await seen(redis)).available
    await redis.zadd("umpire:queued:mock", {"waits": 1})
    door = await seen(redis)
    assert (door.available, (door.retry_after or 0) > 0) == (False, True)


async def test_an_open_breaker_and_a_hold_share_one_probe(redis: Redis) -> None:
    breaker = Breaker(redis, MOCK, breaker_settings(failures=4, recovery_seconds=0.1))
    for _ in range(4):
        await breaker.failed(ProviderUnavailable("529"))
    await made(redis).raise_(REJECTED, 0.0)
    await asyncio.sleep(0.12)
    assert not (await Gate(redis, MOCK).read()).probe_due, "the hold's time has not come"
    await due(redis)
    assert (await Gate(redis, MOCK).read()).probe_due


async def test_one_process_announces_each_change(redis: Redis) -> None:
    one, two = made(redis), made(redis)
    assert [await one.announce("misconfigured 5"), await two.announce("misconfigured 5")] == [True, False]
    assert [await two.announce(""), await one.announce("")] == [True, False]


async def test_a_frozen_redis_is_noted_and_does_not_fail_the_call(
    redis_server: Callable[..., Any], notes: Notes
) -> None:
    server = redis_server()
    client = connect(server.url, timeout=0.2)
    one = Holds(client, MOCK, HoldSettings(), notes)
    server.pause()
    assert await one.raise_(REJECTED, 0.1) is None
    assert not await one.lease_probe("a", 1.0)
    assert await one.announce("x") is None
    assert len(notes.named("hold.unreported")) == 3
    await client.aclose()


def test_a_hold_with_an_unknown_reason_is_still_a_hold() -> None:
    now = int(1000 * time.time())
    values = [b"quota_review", b"5", b"7", None, None, None, None, None]
    assert read_hold(values, now) == Hold(HoldReason.MISCONFIGURED, 5, 0, 0)
    assert read_hold([None] * 8, now) is None
