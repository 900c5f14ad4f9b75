"""Rate limits on a real Redis: what is granted, when, and to how many processes together."""

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from umpire_guard import MOCK, Notes, grants_of_processes, limit_settings, most_within

from guard.limits import Bucket, Limiter, RateLimiter, Reservation, make_limiter
from ledger.redis.connection import connect


def limiter(redis: Redis, **limits: Any) -> Limiter:
    return make_limiter(redis, MOCK, limit_settings(**limits))


async def test_without_limits_there_is_no_round_trip() -> None:
    """Nothing listens at that address."""
    unlimited = limiter(connect("redis://127.0.0.1:1/0", timeout=0.1))
    assert type(unlimited) is Limiter
    reservation = await unlimited.reserve("m", 1_000_000)
    assert (reservation.granted, reservation.wait) == (True, 0.0)
    await unlimited.settle(reservation, 5)
    await unlimited.cancel(reservation)


@given(a_minute=st.integers(1, 10_000_000))
def test_a_bucket_holds_a_second_and_never_exceeds_a_minute(a_minute: int) -> None:
    rate, capacity = Bucket.of(a_minute, unit=1)
    assert capacity >= 1
    assert rate > 0
    assert capacity + 60 * rate == pytest.approx(a_minute + 1)
    rate, capacity = Bucket.of(a_minute, unit=0)
    assert capacity + 60 * rate == pytest.approx(a_minute)


@pytest.mark.redis
async def test_waiting_calls_are_spaced_by_the_limit(redis: Redis) -> None:
    """A reservation holds: each later one waits for those before it, and nobody has to ask again."""
    one = limiter(redis, rpm=600, longest=100.0)
    waits = [(await one.reserve("m", 0)).wait for _ in range(50)]
    assert waits[:10] == [0.0] * 10, "a second's worth at once"
    steps = [later - earlier for earlier, later in pairwise(waits[11:])]
    assert sum(steps) / len(steps) == pytest.approx(0.1, rel=0.05)


@pytest.mark.redis
async def test_a_wait_that_is_too_long_reserves_nothing(redis: Redis) -> None:
    one = limiter(redis, rpm=60, longest=2.5)
    taken = [await one.reserve("m", 0) for _ in range(4)]
    assert all(reservation.granted for reservation in taken)
    refused = [await one.reserve("m", 0) for _ in range(20)]
    assert not any(reservation.granted for reservation in refused)
    assert refused[-1].wait <= refused[0].wait, "no debt for those refused"
    assert refused[0].pause == refused[0].wait - 1.25, "after that pause, half of the longest wait"
    await one.settle(refused[0], 5)
    await one.cancel(refused[0])
    assert not (await one.reserve("m", 0)).granted, "what was never reserved is not given back"


@pytest.mark.redis
async def test_a_cancelled_reservation_is_given_back(redis: Redis) -> None:
    one = limiter(redis, rpm=60, tpm=6000, longest=100.0)
    reservations = [await one.reserve("m", 300) for _ in range(10)]
    before = (await one.reserve("m", 0)).wait
    for reservation in reservations:
        await one.cancel(reservation)
    assert before > 8
    assert (await one.reserve("m", 0)).wait == 0.0


@pytest.mark.redis
async def test_an_estimate_that_was_too_high_is_refunded(redis: Redis) -> None:
    one = limiter(redis, tpm=60_000, longest=100.0)
    reservation = await one.reserve("m", 20_000)
    assert (await _wait(one)) == pytest.approx(19.0, rel=0.1)
    await one.settle(reservation, 2_000)
    assert (await _wait(one)) == pytest.approx(1.0, abs=0.2)


@pytest.mark.redis
async def test_an_estimate_that_was_too_low_is_charged(redis: Redis) -> None:
    one = limiter(redis, tpm=60_000, longest=100.0)
    await one.settle(await one.reserve("m", 100), 10_000)
    assert (await _wait(one)) == pytest.approx(9.0, rel=0.1)


async def _wait(one: Limiter) -> float:
    """Wait of a request of hardly any tokens, given back at once."""
    probe = await one.reserve("m", 1)
    await one.cancel(probe)
    return probe.wait


@pytest.mark.redis
@pytest.mark.parametrize("tokens", [2_000, 60_000, 10_000_000])
async def test_a_call_above_the_buckets_size_gets_through_and_is_charged(redis: Redis, tokens: int) -> None:
    one = limiter(redis, tpm=60_000, longest=5.0)
    big = await one.reserve("m", tokens)
    assert (big.granted, big.wait) == (True, 0.0)
    after = await one.reserve("m", 1)
    assert after.wait == pytest.approx((min(tokens, 60_000) - 1_000) / 1_000, rel=0.05, abs=0.1)
    assert after.granted == (after.wait <= 5.0)


@pytest.mark.redis
async def test_models_have_their_own_limits(redis: Redis) -> None:
    one = limiter(redis, rpm=1)
    assert (await one.reserve("a", 0)).granted
    assert not (await one.reserve("a", 0)).granted
    assert (await one.reserve("vendor/b", 0)).granted


@pytest.mark.redis
async def test_both_limits_hold(redis: Redis) -> None:
    by_requests, by_tokens = limiter(redis, rpm=60, tpm=10**9), limiter(redis, rpm=10**6, tpm=60_000)
    assert [(await by_requests.reserve("r", 10)).wait > 0.5 for _ in range(3)] == [False, False, True]
    assert [(await by_tokens.reserve("t", 900)).wait > 0.5 for _ in range(3)] == [False, True, True]


@pytest.mark.redis
async def test_one_request_a_minute(redis: Redis) -> None:
    one = limiter(redis, rpm=1)
    assert (await one.reserve("m", 0)).granted
    refused = await one.reserve("m", 0)
    assert not refused.granted
    assert 59.0 < refused.wait <= 60.1


@pytest.mark.redis
async def test_a_model_no_longer_used_leaves_nothing_behind(redis: Redis) -> None:
    one = limiter(redis, rpm=6000)
    await one.reserve("m", 0)
    assert 0 < await redis.pttl("umpire:limit:mock:m") <= 1_100
    slow = limiter(redis, rpm=1)
    await slow.reserve("s", 0)
    assert 60_000 < await redis.pttl("umpire:limit:mock:s") <= 63_000


@pytest.mark.redis
async def test_a_frozen_redis_lets_the_call_go(redis_server: Callable[..., Any], notes: Notes) -> None:
    server = redis_server()
    client = connect(server.url, timeout=0.2)
    one = RateLimiter(client, MOCK, limit_settings(tpm=60_000, longest=100.0), notes)
    await one.reserve("m", 0)
    server.pause()
    reservation = await one.reserve("m", 5)
    assert (reservation.granted, reservation.wait) == (True, 0.0)
    assert [note.labels["operation"] for note in notes.named("limit.unreachable")] == ["take"]
    server.resume()
    await one.settle(reservation, 8_000)
    assert (await _wait(one)) == pytest.approx(7.0, abs=1.0), "what was used is charged all the same"
    await client.aclose()


@pytest.mark.redis
async def test_a_burst_shares_round_trips(redis: Redis) -> None:
    one = limiter(redis, rpm=60, longest=1e6)
    await one.reserve("m", 0)
    before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    reservations = await asyncio.gather(*(one.reserve("m", 0) for _ in range(640)))
    assert (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] - before <= 11
    waits = [reservation.wait for reservation in reservations]
    assert waits == sorted(waits), "in the order in which they asked"
    assert isinstance(reservations[0], Reservation)


@pytest.mark.redis
def test_four_processes_together_stay_within_the_limit_in_any_minute(redis_url: str) -> None:
    """2,400 reservations in advance at 600 a minute: the times they were given, over four minutes."""
    grants = grants_of_processes(redis_url, 4, rpm=600, longest=1e6, each=600)
    assert len(grants) == 2400
    slack = 1  # the processes read the clock after the reply
    assert most_within(grants, 60.0) <= 600 + slack
    assert most_within(grants, 1.0) <= 2 * 10 + 1 + slack
    span = grants[-1] - grants[0]
    assert 2400 / span * 60 == pytest.approx(600, rel=0.02)


@pytest.mark.redis
def test_four_processes_that_wait_their_turns_use_the_whole_limit(redis_url: str) -> None:
    """64 callers in 4 processes, 50/s, as in a worker: they get the limit, within 2 %, and no second gets much more."""
    grants = grants_of_processes(redis_url, 4, rpm=3000, longest=5.0, seconds=9.0, callers=16)
    began = grants[0] + 2.0
    within = [moment for moment in grants if began <= moment < began + 6.0]
    assert len(within) / 6.0 == pytest.approx(50.0, rel=0.02)
    assert most_within(within, 1.0) <= 60


@pytest.mark.redis
def test_a_call_may_start_after_the_wait_of_its_reservation(redis_url: str) -> None:
    """Time passes for the bucket as for the caller: the last call that waits 0.5 s finds no other before it."""

    async def course() -> None:
        redis = connect(redis_url, timeout=2.0)
        one = limiter(redis, rpm=600)
        waits = [(await one.reserve("m", 0)).wait for _ in range(16)]
        began = time.monotonic()
        await asyncio.sleep(max(waits))
        assert (await one.reserve("m", 0)).wait <= 0.12 + time.monotonic() - began - max(waits)
        await redis.aclose()

    asyncio.run(course())
