"""What a call waits for within its slot: the provider's pace, the model's rate limit, and a turn."""

import asyncio
import time

from guard.limits import Limiter
from guard.pace import Pace
from guard.retry import RetryPolicy
from providers.model import ModelInfo
from providers.prompt import estimate_tokens
from tasks.claim import Claim, NotNow
from tasks.gatekeeper import Gatekeeper
from tasks.turns import Turns

#: The calls of a claim wait for their turns within its slot for no more than this share of its deadline: what is left
#: must be enough for the calls. Longer, it is given back, and costs no try.
PATIENCE_SHARE = 1 / 4


class Entrance:
    def __init__(
        self,
        *,
        limiter: Limiter,
        gatekeeper: Gatekeeper,
        pace: Pace,
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
        """Wait for a turn and for the model's rate limit; not at all while the provider's gate is closed.

        Raises NotNow.
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
        # Each step above may have waited: a hold that another call raised meanwhile stops this one.
        self._check_may_start(claim)

    async def _pass(self, claim: Claim) -> None:
        began = time.monotonic()
        try:
            claim.passed = await self._turns.wait(PATIENCE_SHARE * self._policy.deadline - claim.waited)
        except TimeoutError as error:
            raise NotNow("patience") from error
        claim.waited += time.monotonic() - began

    def rest(self, claim: Claim, *, resting: bool) -> None:
        """Between two attempts a request is in its slot, and asks for nothing."""
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
        """The claim is over: what it still holds is given back."""
        self.rest(claim, resting=False)
        if claim.passed is not None:
            self._turns.over(claim.passed)
        if claim.reservation is not None:
            await self._limiter.cancel(claim.reservation)
        if claim.model_probe is not None:
            await self._gatekeeper.probe_released(claim.model_probe, model=claim.stored.model)


async def _unless(event: asyncio.Event, seconds: float) -> None:
    """Sleep, or until `event` is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
