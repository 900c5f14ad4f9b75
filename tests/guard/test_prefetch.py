"""The reservation that is sent with a claim: used if it fits the next call, else given back."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from umpire_guard import MOCK, limit_settings

from devtools.servers import apoll
from guard.keys import limit
from guard.limits import PendingReservation, Reservation, make_limiter
from guard.prefetch import PrefetchingLimiter
from ledger.scripts import Script

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

    def prepare(self, model: str, tokens: int) -> PendingReservation | None:
        self.reserved.append((model, tokens))
        return self._limiter.prepare(model, tokens)

    async def answer(self, asked: PendingReservation) -> Reservation:
        return await self._limiter.answer(asked)

    async def settle(self, reservation: Reservation, used_tokens: int) -> None:
        self.given.append(("settle", reservation.tokens - used_tokens))
        await self._limiter.settle(reservation, used_tokens)

    async def cancel(self, reservation: Reservation) -> None:
        self.given.append(("cancel", reservation.tokens))
        await self._limiter.cancel(reservation)


async def ask(redis: Redis, ahead: PrefetchingLimiter) -> None:
    """Piggyback a claim of nothing."""
    claim = Script(redis, "claim")
    await claim("worker", 1, 1000, 1000, 0, "mock", "", "spent", piggyback=ahead.prefetch())


@pytest.fixture
async def ready(redis: Redis) -> tuple[Counted, PrefetchingLimiter]:
    """After a first call of 100 tokens."""
    limiter = Counted(redis, rpm=RPM, tpm=TPM, longest=10.0)
    ahead = PrefetchingLimiter(limiter)
    assert ahead.prefetch() is None
    assert (await ahead.reserve("m", 100)).tokens == 100
    assert limiter.reserved == [("m", 100)], "nothing is known before the first call"
    limiter.reserved.clear()
    return limiter, ahead


@pytest.mark.parametrize(("tokens", "surplus"), [(100, 25), (60, 65), (125, 0)])
async def test_a_call_like_the_last_one_uses_the_prefetched_reservation(
    redis: Redis, ready: tuple[Counted, PrefetchingLimiter], tokens: int, surplus: int
) -> None:
    """For as much as it needs: the rest is given back at once."""
    limiter, ahead = ready
    await ask(redis, ahead)
    assert ahead.prefetch() is None, "one at a time"
    reservation = await ahead.reserve("m", tokens)
    assert (reservation.granted, reservation.tokens) == (True, tokens)
    assert limiter.reserved == [("m", 125)]
    await apoll(lambda: not ahead._giving_back, what="given back")
    assert limiter.given == ([("settle", surplus)] if surplus else [])


async def test_an_unused_reservation_is_given_back(redis: Redis, ready: tuple[Counted, PrefetchingLimiter]) -> None:
    limiter, ahead = ready
    await ask(redis, ahead)
    ahead.drop()
    ahead.drop()
    await apoll(lambda: not ahead._giving_back, what="given back")
    assert (limiter.reserved, limiter.given) == ([("m", 125)], [("cancel", 125)])


@pytest.mark.parametrize(("model", "tokens"), [("m", 126), ("other", 10)])
async def test_a_reservation_that_does_not_fit_is_given_back(
    redis: Redis, ready: tuple[Counted, PrefetchingLimiter], model: str, tokens: int
) -> None:
    limiter, ahead = ready
    await ask(redis, ahead)
    reservation = await ahead.reserve(model, tokens)
    assert (reservation.model, reservation.tokens) == (model, tokens)
    await apoll(lambda: not ahead._giving_back, what="given back")
    assert sorted(limiter.reserved) == sorted([("m", 125), (model, tokens)])
    assert limiter.given == [("cancel", 125)]


async def test_prefetching_never_runs_the_bucket_into_debt(ready: tuple[Counted, PrefetchingLimiter]) -> None:
    limiter, ahead = ready
    await ahead.reserve("m", 900)
    limiter.reserved.clear()
    assert ahead.prefetch() is None, "1,125 is more than a bucket of 1,000"
    await ahead.reserve("m", 10)
    assert limiter.reserved == [("m", 10)]


async def test_a_prefetched_reservation_that_is_not_granted_is_requested_again(redis: Redis) -> None:
    limiter = Counted(redis, rpm=60, longest=0.2)
    ahead = PrefetchingLimiter(limiter)
    assert (await ahead.reserve("m", 0)).granted
    while (await limiter.reserve("m", 0)).granted:
        pass
    limiter.reserved.clear()
    await ask(redis, ahead)
    assert not (await ahead.reserve("m", 0)).granted
    assert limiter.reserved == [("m", 0), ("m", 0)]


async def test_without_a_token_limit_a_call_of_any_length_uses_the_prefetched_reservation(redis: Redis) -> None:
    limiter = Counted(redis, rpm=RPM)
    ahead = PrefetchingLimiter(limiter)
    await ahead.reserve("m", 100)
    limiter.reserved.clear()
    await ask(redis, ahead)
    assert (await ahead.reserve("m", 110)).granted
    assert limiter.reserved == [("m", 125)]


@pytest.mark.parametrize("fault", [RedisConnectionError, ConnectionResetError, TimeoutError])
async def test_after_a_failed_claim_the_call_starts_unlimited_and_the_next_reservation_is_sent_alone(
    redis: Redis, ready: tuple[Counted, PrefetchingLimiter], fault: type[Exception]
) -> None:
    """As when the limiter's own round trip fails: the provider's own limit applies."""
    _, ahead = ready
    beside = ahead.prefetch()
    claim = Script(redis, "claim")

    async def unreachable(*_: object, **__: object) -> None:
        raise fault

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Pipeline, "execute", unreachable)
        with pytest.raises(fault):
            await claim("worker", 1, 1000, 1000, 0, "mock", "", "spent", piggyback=beside)
    assert await claim("worker", 2, 1000, 1000, 0, "mock", "", "spent", piggyback=beside) == []
    reservation = await ahead.reserve("m", 100)
    assert (reservation.granted, reservation.tokens) == (True, 0)


async def test_a_redis_that_forgot_the_scripts_runs_claim_and_reservation(
    redis: Redis, ready: tuple[Counted, PrefetchingLimiter]
) -> None:
    _, ahead = ready
    claim = Script(redis, "claim")
    assert await claim("worker", 1, 1000, 1000, 0, "mock", "", "spent") == []
    await redis.script_flush()
    assert await claim("worker", 2, 1000, 1000, 0, "mock", "", "spent", piggyback=ahead.prefetch()) == []
    assert (await ahead.reserve("m", 100)).tokens == 100


async def test_cancelling_the_wait_for_a_reservation_does_not_cancel_the_claim(
    redis: Redis, ready: tuple[Counted, PrefetchingLimiter]
) -> None:
    _, ahead = ready
    beside = ahead.prefetch()
    waiting = asyncio.create_task(ahead.reserve("m", 100))
    await asyncio.sleep(0)
    waiting.cancel()
    claim = Script(redis, "claim")
    assert await claim("worker", 1, 1000, 1000, 0, "mock", "", "spent", piggyback=beside) == []


async def test_cancelling_a_claim_does_not_cancel_the_call(
    redis: Redis, ready: tuple[Counted, PrefetchingLimiter], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ahead = ready
    sent = asyncio.Event()

    async def hang(*_: object, **__: object) -> None:
        sent.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Pipeline, "execute", hang)
    claim = Script(redis, "claim")
    claiming = asyncio.create_task(claim("worker", 1, 1000, 1000, 0, "mock", "", "spent", piggyback=ahead.prefetch()))
    await sent.wait()
    claiming.cancel()
    reservation = await asyncio.wait_for(ahead.reserve("m", 100), 5)
    assert (reservation.granted, reservation.tokens) == (True, 0)


async def test_no_call_waits_while_a_reservation_is_given_back(
    redis: Redis, ready: tuple[Counted, PrefetchingLimiter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.limits.SETTLE_SECONDS", 60)
    limiter, ahead = ready
    await ask(redis, ahead)
    async with asyncio.timeout(5):
        other = await ahead.reserve("other", 10)
        await ahead.settle(other, 5)
        await ahead.cancel(other)
    await apoll(lambda: sorted(limiter.given) == [("cancel", 10), ("cancel", 125), ("settle", 5)], what="given back")


async def test_closing_waits_until_all_is_given_back(redis: Redis, ready: tuple[Counted, PrefetchingLimiter]) -> None:
    _, ahead = ready
    reservation = await ahead.reserve("m", 900)
    await ahead.cancel(reservation)
    assert ahead._giving_back
    await ahead.close(5)
    assert not ahead._giving_back
    assert float(await redis.hget(limit(MOCK, "m"), "t")) >= 900  # as it was before, and what flowed in


async def test_a_reservation_that_redis_did_not_count_is_not_given_back(redis: Redis) -> None:
    limiter = make_limiter(redis, MOCK, limit_settings(rpm=RPM, longest=10.0))
    while (await limiter.reserve("m", 0)).wait == 0:
        pass
    left = float(await redis.hget(limit(MOCK, "m"), "r"))
    await limiter.cancel(Reservation("m", 0, counted=False))
    await limiter.settle(Reservation("m", 0, counted=False), 0)
    assert float(await redis.hget(limit(MOCK, "m"), "r")) == left
