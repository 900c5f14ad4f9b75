"""Pauses and gates: how long consumption stops, and how it starts again."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from umpire_guard import MOCK, Notes, breaker_settings

from contracts.enums import CircuitState, LLMProviderType
from contracts.errors import ProviderUnavailable, Unavailable
from devtools.servers import apoll
from guard.availability import Availability, ProviderAvailability
from guard.breaker import Breaker
from guard.gate import Gate, GateState, gate_state
from ledger.redis.connection import connect

NOW = 1_800_000_000_000


@pytest.mark.redis
async def test_open_by_default(redis: Redis) -> None:
    assert await Gate(redis, MOCK).read() == GateState(True, False, CircuitState.CLOSED, None)


@pytest.mark.redis
async def test_a_pause_closes_the_gate_of_every_worker_and_of_one_provider_only(redis: Redis) -> None:
    await Gate(redis, MOCK).pause(20.0)
    state = await Gate(redis, MOCK).read()
    assert not state.open
    assert state.retry_after == pytest.approx(20.5, abs=0.7)
    assert (await Gate(redis, LLMProviderType.OPENAI).read()).open


@pytest.mark.redis
async def test_the_pause_that_ends_last_counts(redis: Redis) -> None:
    """Workers report pauses at different times: a shorter one must not cut a longer one."""
    await asyncio.gather(*(Gate(redis, MOCK).pause(seconds) for seconds in (1, 30, 2, 9, 3, 4, 5, 6, 7, 8)))
    found = (await Availability(redis, [MOCK]).read())[MOCK]
    assert not found.available
    assert found.retry_after == pytest.approx(30.0, abs=1.0)


@pytest.mark.redis
async def test_a_pause_expires_and_leaves_no_key(redis: Redis) -> None:
    gate = Gate(redis, MOCK)
    await gate.pause(0.2)
    assert not (await gate.read()).open

    async def is_open() -> bool:
        return (await gate.read()).open

    async def nothing_is_left() -> bool:
        return not await redis.keys("umpire:*")

    await apoll(is_open, deadline=1.0)
    await apoll(nothing_is_left, deadline=3.0)


@pytest.mark.redis
async def test_no_pause_is_longer_than_an_hour_and_none_is_no_pause(redis: Redis) -> None:
    gate = Gate(redis, MOCK)
    for nothing in (0.0, -5.0):
        await gate.pause(nothing)
        assert (await gate.read()).open
    await gate.pause(1e9)
    assert await redis.pttl("umpire:gate:mock") <= 3_601_000
    assert ((await gate.read()).retry_after or 0) <= 3601.0


@pytest.mark.redis
async def test_closed_while_the_breaker_is_not(redis: Redis) -> None:
    gate = Gate(redis, MOCK)
    breaker = Breaker(redis, MOCK, breaker_settings(failures=4, recovery_seconds=0.2))
    for _ in range(4):
        await breaker.failed(ProviderUnavailable("529"))
    state = await gate.read()
    assert (state.open, state.probe_due, state.state) == (False, False, CircuitState.OPEN)

    async def probe_is_due() -> bool:
        return (await gate.read()).probe_due

    await apoll(probe_is_due, deadline=1.0)
    assert not (await gate.read()).open, "a probe may start; nothing else"
    assert await breaker.lease_probe("a", 30.0)
    assert not (await gate.read()).probe_due
    await breaker.probe_succeeded("a")
    assert (await gate.read()).open


@pytest.mark.redis
async def test_a_frozen_redis_is_noted_and_does_not_fail_the_call(
    redis_server: Callable[..., Any], notes: Notes
) -> None:
    server = redis_server()
    client = connect(server.url, timeout=0.2)
    gate = Gate(client, MOCK, notes)
    server.pause()
    await gate.pause(5.0)
    assert notes.named("gate.unreported")
    with pytest.raises(Unavailable):
        await gate.read()
    await client.aclose()


def test_processes_open_one_after_another() -> None:
    """At the end of a pause each waits for its own share of a tenth of it, at most a second."""
    for length, spread in ((3_000, 300), (60_000, 1_000)):
        paused = ProviderAvailability(now=NOW, pause_end=NOW, pause_length=length)
        assert gate_state(paused, 0.0).open
        waits = [gate_state(paused, share / 10).retry_after for share in range(1, 10)]
        assert waits == [pytest.approx(share * spread / 10_000) for share in range(1, 10)]


TIMES = st.integers(NOW - 100_000, NOW + 100_000) | st.just(0)


@given(
    state=st.sampled_from(CircuitState),
    probe_at=TIMES,
    leased=TIMES,
    pause_end=TIMES,
    length=st.integers(1, 100_000),
    lateness=st.floats(0, 1),
)
def test_api_and_workers_agree_whether_a_call_may_start(
    state: CircuitState, probe_at: int, leased: int, pause_end: int, length: int, lateness: float
) -> None:
    closed = state is CircuitState.CLOSED
    door = ProviderAvailability(
        now=NOW,
        state=state,
        probe_at=0 if closed else probe_at,
        leased_until=0 if closed else leased,
        pause_end=pause_end,
        pause_length=length,
    )
    gate = gate_state(door, lateness)
    assert not (gate.open and gate.probe_due)
    assert not gate.open or closed
    assert door.available or not (gate.open or gate.probe_due), "workers take nothing that the door refuses"
    assert door.available == (door.retry_after is None)
    assert not door.available or gate.open or gate.probe_due or (gate.retry_after or 0) <= 1.0, "but for the spread"
