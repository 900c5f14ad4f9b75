"""The reservation that is asked for while a request is claimed: used where it fits, given back where it does not."""

from typing import Any

import pytest
from redis.asyncio import Redis
from umpire_guard import MOCK, limit_settings
from umpire_servers import apoll

from guard.ahead import Ahead
from guard.limits import Reservation, make_limiter

pytestmark = pytest.mark.redis

#: So slow that nothing flows into a bucket during a test that would count, and a burst that holds some calls.
RPM, TPM = 600, 60_000


class Counted:
    """The real limiter, and what it was asked for and given back."""

    def __init__(self, redis: Redis, **limits: Any) -> None:
        self._limiter = make_limiter(redis, MOCK, limit_settings(**limits))
        self.burst_tokens = self._limiter.burst_tokens
        self.reserved: list[tuple[str, int]] = []
        self.given: list[tuple[str, int]] = []

    async def reserve(self, model: str, tokens: int) -> Reservation:
        self.reserved.append((model, tokens))
        return await self._limiter.reserve(model, tokens)

    async def settle(self, reservation: Reservation, used_tokens: int) -> None:
        self.given.append(("settle", reservation.tokens - used_tokens))
        await self._limiter.settle(reservation, used_tokens)

    async def cancel(self, reservation: Reservation) -> None:
        self.given.append(("cancel", reservation.tokens))
        await self._limiter.cancel(reservation)


@pytest.fixture
async def ready(redis: Redis) -> tuple[Counted, Ahead]:
    """After a first call of 100 tokens."""
    limiter = Counted(redis, rpm=RPM, tpm=TPM, longest=10.0)
    ahead = Ahead(limiter)
    ahead.ask()
    assert (await ahead.reserve("m", 100)).tokens == 100
    assert limiter.reserved == [("m", 100)], "nothing is known before the first call"
    limiter.reserved.clear()
    return limiter, ahead


@pytest.mark.parametrize(("tokens", "surplus"), [(100, 25), (60, 65), (125, 0)])
async def test_the_next_call_like_the_last_one_finds_its_reservation(
    ready: tuple[Counted, Ahead], tokens: int, surplus: int
) -> None:
    """For as much as it needs: the rest is given back at once."""
    limiter, ahead = ready
    ahead.ask()
    ahead.ask()
    reservation = await ahead.reserve("m", tokens)
    assert (reservation.granted, reservation.tokens) == (True, tokens)
    assert limiter.reserved == [("m", 125)]
    await apoll(lambda: not ahead._giving_back, what="given back")
    assert limiter.given == ([("settle", surplus)] if surplus else [])


async def test_what_is_not_used_is_given_back(ready: tuple[Counted, Ahead]) -> None:
    limiter, ahead = ready
    ahead.ask()
    ahead.drop()
    ahead.drop()
    await apoll(lambda: not ahead._giving_back, what="given back")
    assert (limiter.reserved, limiter.given) == ([("m", 125)], [("cancel", 125)])


@pytest.mark.parametrize(("model", "tokens"), [("m", 126), ("other", 10)])
async def test_what_does_not_fit_is_given_back(ready: tuple[Counted, Ahead], model: str, tokens: int) -> None:
    limiter, ahead = ready
    ahead.ask()
    reservation = await ahead.reserve(model, tokens)
    assert (reservation.model, reservation.tokens) == (model, tokens)
    await apoll(lambda: not ahead._giving_back, what="given back")
    assert sorted(limiter.reserved) == sorted([("m", 125), (model, tokens)])
    assert limiter.given == [("cancel", 125)]


async def test_a_guess_never_runs_the_bucket_into_debt(ready: tuple[Counted, Ahead]) -> None:
    limiter, ahead = ready
    await ahead.reserve("m", 900)
    limiter.reserved.clear()
    ahead.ask()  # 1,125 is more than a bucket of 1,000
    await ahead.reserve("m", 10)
    assert limiter.reserved == [("m", 10)]


async def test_a_reservation_that_is_not_granted_ahead_is_asked_for_again(redis: Redis) -> None:
    limiter = Counted(redis, rpm=60, longest=0.2)
    ahead = Ahead(limiter)
    assert (await ahead.reserve("m", 0)).granted
    while (await limiter.reserve("m", 0)).granted:
        pass
    limiter.reserved.clear()
    ahead.ask()
    assert not (await ahead.reserve("m", 0)).granted
    assert limiter.reserved == [("m", 0), ("m", 0)]
