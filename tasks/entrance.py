"""What a call waits for within its slot: slow start, the model's rate limit, and a permit of the adaptive limits."""

import asyncio
import time

from guard.limits import Limiter
from guard.retry import RetryPolicy
from guard.slow_start import SlowStart
from providers.model import ModelInfo
from providers.prompt import estimate_tokens
from tasks.claim import Claim, NotNow
from tasks.gatekeeper import Gatekeeper
from tasks.turns import Turns

#: Longest time that the calls of one claim wait in its slot for slow start and permits, as a share of the claim's
#: deadline: the rest must be enough for the calls. A request that would wait for longer is released, without a try.
PATIENCE_SHARE = 1 / 4


class Entrance:
    def __init__(
        self,
        *,
        limiter: Limiter,
        gatekeeper: Gatekeeper,
        pace: SlowStart,
        turns: Turns,
        policy: RetryPolicy,
        stopping: asyncio.Event,
    ) -> None:
        self._limiter = limiter
        self._gatekeeper = gatekeeper
        self._pace = pace
        self._turns = turns
        self._policy = policy
        self._stopping = stopping

    async def enter(self, claim: Claim, info: ModelInfo) -> None:
        """Wait for slow start, the model's rate limit and a permit; a probe waits for the rate limit only.

        Raises NotNow if the call may not start; at once while the provider's gate is closed.
        """
        self.rest(claim, resting=False)
        if claim.model_probe is None and claim.stored.model in self._gatekeeper.held_models:
            claim.model_probe = await self._gatekeeper.lease_model_probe(claim.stored.model)
        self._check_may_start(claim)
        if claim.probe is None:
            await self._take_turn(claim)
        reservation = await self._limiter.reserve(info.base_model, estimate_tokens(claim.stored.request, info))
        if not reservation.granted:
            raise NotNow("rate_limit", reservation.pause)
        claim.reservation = reservation
        if reservation.wait:
            await _unless(self._stopping, reservation.wait)
            self._check_may_start(claim)
        claim.passed = self._turns.anyhow() if claim.probe is not None else self._turns.at_once()
        if claim.passed is None:
            await self._pass(claim)
        # Each step above may have waited: a hold that another call raised meanwhile must stop this one.
        self._check_may_start(claim)

    async def _pass(self, claim: Claim) -> None:
        began = time.monotonic()
        try:
            claim.passed = await self._turns.wait(PATIENCE_SHARE * self._policy.deadline - claim.waited)
        except TimeoutError as error:
            raise NotNow("patience") from error
        claim.waited += time.monotonic() - began

    def rest(self, claim: Claim, *, resting: bool) -> None:
        """Mark the claim as resting or not: between two attempts its request occupies a slot and needs no permit."""
        if claim.resting is not resting:
            claim.resting = resting
            self._turns.rest(1 if resting else -1)

    async def _take_turn(self, claim: Claim) -> None:
        while wait := self._pace.turn():
            longest = PATIENCE_SHARE * self._policy.deadline - claim.waited
            if wait > min(self._policy.retry_after_max, longest):
                raise NotNow("patience", wait)
            claim.waited += wait
            given = self._pace.round
            await _unless(self._stopping, wait)
            self._check_may_start(claim)
            if self._pace.round == given:
                return

    def _check_may_start(self, claim: Claim) -> None:
        if self._stopping.is_set():
            raise NotNow("stopping")
        if not claim.holds():
            raise NotNow("lease")
        if claim.probe is None and (why := self._gatekeeper.shut):
            raise NotNow(why)
        if claim.model_probe is None and claim.stored.model in self._gatekeeper.held_models:
            raise NotNow("model_hold")

    async def leave(self, claim: Claim) -> None:
        """The claim is over: return its permit, reservation and model probe, if it still has them."""
        self.rest(claim, resting=False)
        if claim.passed is not None:
            self._turns.over(claim.passed)
        if claim.reservation is not None:
            await self._limiter.cancel(claim.reservation)
        if claim.model_probe is not None:
            await self._gatekeeper.probe_released(claim.model_probe, model=claim.stored.model)


async def _unless(event: asyncio.Event, seconds: float) -> None:
    """Sleep for `seconds`, or until `event` is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
