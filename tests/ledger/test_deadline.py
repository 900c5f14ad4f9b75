"""A deadline: what Redis gets to too late is not admitted, by Redis' own clock, whatever was thought of it before."""

import asyncio
import time

import pytest
from umpire_ledger import House, redis_is_up, stored

from contracts.errors import Unavailable
from contracts.settings import LedgerSettings
from devtools.servers import apoll
from ledger.ledger import Ledger, Submission
from ledger.redis.clock import FRESH_SECONDS, RedisClock
from ledger.redis.connection import connect


def soon(seconds: float = 1.0) -> float:
    return time.monotonic() + seconds


@pytest.mark.redis
async def test_a_thawed_redis_admits_what_may_be_late_and_nothing_else(redis_server):
    server = redis_server()
    client = connect(server.url, timeout=0.5)
    ledger = Ledger(client, LedgerSettings(), timeout=0.5)
    await ledger.admit(stored())
    server.pause()
    late, may_be_late = [stored() for _ in range(20)], stored()
    # They share a round trip, which waits in the frozen server's socket.
    attempts = [ledger.admit(may_be_late), *(ledger.admit(one, by=soon(0.4)) for one in late)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    server.resume()
    assert await apoll(lambda: redis_is_up(ledger), 5)
    assert [await ledger.stats.state(one.queue_id) for one in late] == [None] * 20
    assert await ledger.stats.state(may_be_late.queue_id) == "queued"
    assert await ledger.admit(stored(), by=soon()) == 2
    await client.aclose()


@pytest.mark.redis
async def test_what_was_learnt_of_the_clock_long_ago_is_not_relied_on(redis_server):
    """It was set back in a quiet hour, and Redis froze before anybody noticed."""
    server = redis_server()
    client = connect(server.url, timeout=0.5)
    ledger = Ledger(client, LedgerSettings(), timeout=0.5)
    await ledger.admit(stored())
    ledger._clock._offset += 3600
    ledger._clock._observed -= FRESH_SECONDS
    server.pause()
    late = stored()
    with pytest.raises(Unavailable):
        await ledger.admit(late, by=soon(0.4))
    server.resume()
    assert await apoll(lambda: redis_is_up(ledger), 5)
    assert await ledger.stats.state(late.queue_id) is None
    await client.aclose()


@pytest.mark.redis
@pytest.mark.parametrize("seconds", [-3600.0, -1.0, 3600.0])
async def test_a_clock_that_was_set_costs_no_request(redis, seconds):
    house = House(redis)
    await house.ledger.admit(stored(), by=soon())
    house.ledger._clock._offset += seconds
    for _ in range(3):
        await house.ledger.admit(stored(), by=soon())
    assert (await house.ledger.stats.sizes()).unfinished == 4
    micros = await redis.time()
    assert abs(house.ledger._clock.at(time.monotonic()) - micros[0] * 1000 - micros[1] / 1000) < 100


@pytest.mark.redis
async def test_the_past_admits_nothing(house):
    with pytest.raises(Unavailable):
        await house.ledger.admit(stored(), by=soon(-1))
    outcomes = await house.ledger.admit_all([Submission(stored(), None)] * 2, by=soon(-1))
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert (await house.ledger.stats.sizes()).unfinished == 0


@pytest.mark.redis
@pytest.mark.parametrize("known", [True, False], ids=["clock known", "clock unknown"])
async def test_a_thawed_redis_admits_no_late_batch(redis_server, known):
    server = redis_server()
    client = connect(server.url, timeout=0.5)
    ledger = Ledger(client, LedgerSettings(), timeout=0.5)
    if known:
        await ledger.admit(stored())
    server.pause()
    outcomes = await ledger.admit_all([Submission(stored(), None) for _ in range(30)], by=soon(0.4))
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    server.resume()
    assert await apoll(lambda: redis_is_up(ledger), 5)
    assert (await ledger.stats.sizes()).unfinished == known
    await client.aclose()


@pytest.mark.redis
@pytest.mark.parametrize("seconds", [-3600.0, 3600.0])
async def test_a_clock_that_was_set_costs_no_batch(house, seconds):
    await house.ledger.admit(stored(), by=soon())
    house.ledger._clock._offset += seconds
    outcomes = await house.ledger.admit_all([Submission(stored(), None) for _ in range(3)], by=soon())
    assert outcomes == [1, 2, 3]


def test_the_estimate_is_early_by_a_round_trip_at_most_and_never_late():
    clock = RedisClock()
    assert not clock.is_fresh(0.0)
    clock.observe(sent=10.0, received=10.5, redis_ms=1_000_400)  # really 990.2 ahead
    assert clock.at(20.0) == 1_009_900
    clock.observe(sent=11.0, received=11.1, redis_ms=1_001_250)
    assert clock.at(20.0) == 1_010_150
    clock.observe(sent=12.0, received=14.0, redis_ms=1_002_300)  # a slow answer makes it no worse
    assert clock.at(20.0) == 1_010_150
    assert clock.is_fresh(14.0 + FRESH_SECONDS / 2)
    assert not clock.is_fresh(14.0 + FRESH_SECONDS)


@pytest.mark.parametrize("moved", [-60.0, 60.0])
def test_a_clock_that_was_set_is_followed_at_the_next_answer(moved):
    clock = RedisClock()
    clock.observe(sent=10.0, received=10.1, redis_ms=1_000_050)
    before = clock.at(20.0)
    clock.observe(sent=11.0, received=11.1, redis_ms=1_001_050 + int(moved * 1000))
    assert clock.at(20.0) - before == pytest.approx(moved * 1000, abs=1)
