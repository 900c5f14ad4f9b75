"""What a call waits for within its slot: slow start, the model's rate limit, and a permit of the adaptive limits."""

import asyncio
import time
from dataclasses import dataclass

from guard.prefetch import PrefetchingLimiter
from guard.retry import RetryPolicy, sleep_unless
from guard.slow_start import SlowStart
from providers.models.model_info import ModelInfo
from providers.request.prompt import estimate_tokens
from tasks.call.claim_state import ClaimState, NotNow
from tasks.call.permit_queue import PermitQueue
from tasks.gate.gatekeeper import Gatekeeper

#: Longest time that the calls of one claim wait in its slot for slow start and permits, as a share of the claim's
#: deadline: the rest must be enough for the calls. A request that would wait for longer is released, without a try.
PATIENCE_SHARE = 1 / 4


@dataclass(eq=False, kw_only=True)
class CallPermit:
    limiter: PrefetchingLimiter
    gatekeeper: Gatekeeper
    pace: SlowStart
    permits: PermitQueue
    policy: RetryPolicy
    stopping: asyncio.Event

    async def acquire(self, claim: ClaimState, info: ModelInfo) -> None:
        """Wait for slow start, the model's rate limit and a permit; a probe waits for the rate limit only.

        Raises NotNow if the call may not start; at once while the provider's gate is closed.
        """
        self.back_off(claim, backing_off=False)
        if claim.model_probe is None and claim.stored.model in self.gatekeeper.holds.models:
            claim.model_probe = await self.gatekeeper.holds.lease_model_probe(claim.stored.model)
        self._check_may_start(claim)
        if claim.probe is None:
            await self._wait_for_slow_start(claim)
        reservation = await self.limiter.reserve(info.base_model, estimate_tokens(claim.stored.request, info))
        if not reservation.granted:
            raise NotNow("rate_limit", reservation.pause)
        claim.reservation = reservation
        if reservation.wait:
            await sleep_unless(self.stopping, reservation.wait)
            self._check_may_start(claim)
        claim.permit = self.permits.acquire_now() if claim.probe is not None else self.permits.try_acquire()
        if claim.permit is None:
            began = time.monotonic()
            try:
                claim.permit = await self.permits.acquire(PATIENCE_SHARE * self.policy.deadline - claim.waited)
            except TimeoutError as error:
                raise NotNow("patience") from error
            claim.waited += time.monotonic() - began
        # Each step above may have waited: a hold that another call raised meanwhile must stop this one.
        self._check_may_start(claim)

    def back_off(self, claim: ClaimState, *, backing_off: bool) -> None:
        """Note whether the claim waits between two attempts: its request then has a slot and needs no permit."""
        if claim.backing_off is not backing_off:
            claim.backing_off = backing_off
            self.permits.back_off(1 if backing_off else -1)

    async def _wait_for_slow_start(self, claim: ClaimState) -> None:
        while wait := self.pace.turn():
            longest = PATIENCE_SHARE * self.policy.deadline - claim.waited
            if wait > min(self.policy.retry_after_max, longest):
                raise NotNow("patience", wait)
            claim.waited += wait
            given = self.pace.round
            await sleep_unless(self.stopping, wait)
            self._check_may_start(claim)
            if self.pace.round == given:
                return

    def _check_may_start(self, claim: ClaimState) -> None:
        if self.stopping.is_set():
            raise NotNow("stopping")
        if not claim.holds():
            raise NotNow("lease")
        if claim.probe is None and (why := self.gatekeeper.shut):
            raise NotNow(why)
        if claim.model_probe is None and claim.stored.model in self.gatekeeper.holds.models:
            raise NotNow("model_hold")

    async def release(self, claim: ClaimState) -> None:
        """The claim is over: return its permit, reservation and model probe, if it still has them."""
        self.back_off(claim, backing_off=False)
        if claim.permit is not None:
            self.permits.release(claim.permit)
        if claim.reservation is not None:
            await self.limiter.cancel(claim.reservation)
        if claim.model_probe is not None:
            await self.gatekeeper.holds.shared.probe_released(claim.model_probe, model=claim.stored.model)
