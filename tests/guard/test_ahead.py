"""The reservation that is asked for while a request is claimed: used where it fits, given back where it does not."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from umpire_guard import MOCK, limit_settings
from umpire_servers import apoll

from guard import keys
from guard.ahead import Ahead
from guard.limits import make_limiter

#: Slow enough that nothing flows in during a test that would count.
RPM, TPM = 60, 60_000

pytestmark = pytest.mark.redis


class Counted:
    """The real limiter, and how often it was asked."""

    def __init__(self, redis: Redis, **limits: Any) -> None:
        self._limiter = make_limiter(redis, MOCK, limit_settings(**limits))
        self.reserved: list[tuple[str, int]] = []

    async def reserve(self, model: str, tokens: int) -> Any:
        self.reserved.append((model, tokens))
        return await self._limiter.reserve(model, tokens)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._limiter, name)


async def left(redis: Redis, model: str = "m") -> tuple[float, float]:
    """Requests and tokens in the bucket, when it was touched last."""
    requests, tokens = await redis.hmget(keys.limit(MOCK, model), "r", "t")
    return float(requests), float(tokens)


@pytest.fixture
async def ready(redis: Redis) -> tuple[Counted, Ahead]:
    """After a first call of 100 tokens, of which all were used."""
    limiter = Counted(redis, rpm=6_000, tpm=600_000, longest=10.0)
    ahead = Ahead(limiter)
    ahead.ask()
    await ahead.settle(await ahead.reserve("m", 100), 100)
    assert limiter.reserved == [("m", 100)], "nothing is known before the first call"
    return limiter, ahead


@pytest.mark.parametrize("tokens", [100, 60, 125])
async def test_the_next_call_like_the_last_one_finds_its_reservation(ready: tuple[Counted, Ahead], tokens: int) -> None:
    limiter, ahead = ready
    ahead.ask()
    ahead.ask()
    reservation = await ahead.reserve("m", tokens)
    assert (reservation.granted, reservation.tokens) == (True, 125)
    assert limiter.reserved[1:] == [("m", 125)]


async def test_what_is_not_used_or_does_not_fit_is_given_back(ready: tuple[Counted, Ahead], redis: Redis) -> None:
    limiter, ahead = ready

    async def level() -> tuple[float, float]:
        await limiter.reserve("m", 0)
        requests, tokens = await left(redis)
        return round(requests), round(tokens, -3)

    ahead.ask()
    ahead.drop()
    await apoll(lambda: not ahead._dropping, what="given back")
    reservation = await ahead.reserve("m", 100)
    await ahead.cancel(reservation)
    assert limiter.reserved[1:] == [("m", 125), ("m", 100)]

    ahead.ask()
    reservation = await ahead.reserve("m", 126)
    assert reservation.tokens == 126
    await ahead.cancel(reservation)
    ahead.ask()
    reservation = await ahead.reserve("other", 10)
    assert reservation.model == "other"
    await ahead.cancel(reservation)
    await apoll(lambda: not ahead._dropping, what="given back")
    await asyncio.sleep(1.1)  # a bucket holds a second's worth: all that was given back is there, and no more
    requests, tokens = await level()
    assert (requests, tokens) == (100, 10_000)


async def test_a_reservation_that_is_not_granted_ahead_is_asked_for_again(redis: Redis) -> None:
    limiter = Counted(redis, rpm=RPM, longest=0.5)
    ahead = Ahead(limiter)
    assert (await ahead.reserve("m", 1)).granted
    assert (await limiter.reserve("m", 1)).granted
    ahead.ask()
    await asyncio.sleep(1.1)  # until there is one again, after that one was refused or must wait
    assert (await ahead.reserve("m", 1)).granted
