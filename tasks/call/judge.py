"""Runs one claim of one comparison: limits, breaker and retries around the call, and the verdict from its answer."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from completion.judgement import Judgement, Spent
from completion.lifecycle_events import token_counts
from contracts.clock import utcnow
from contracts.errors import AnswerError, InternalError, ProviderError, ProviderRateLimited, UmpireError
from contracts.events import UNKNOWN_CALLER, LLMCostTrackingV1, LLMProviderFailureV1, LLMRequestStartedV1, TokenUsage
from events.lifecycle import Lifecycle
from guard.breaker import Breaker
from guard.gate import MAX_PAUSE_SECONDS
from guard.prefetch import PrefetchingLimiter
from guard.retry import RetryPolicy, attempts
from guard.slow_start import SlowStart
from ledger.request import StoredRequest
from providers.answers.verdict import parse_verdict
from providers.base import Provider, Usage
from providers.models.cost import cost
from providers.models.model_info import ModelInfo
from providers.request.prompt import build_call
from tasks.call.call_permit import CallPermit
from tasks.call.claim_state import ClaimState, NotNow, Probe
from tasks.call.health import Health
from tasks.call.permit_queue import PermitQueue
from tasks.gate.gatekeeper import Gatekeeper
from telemetry.fault import fault
from telemetry.observer import Note, Observer

#: Reasons of NotNow that concern only this request's wait, and neither the provider's state nor this process.
IMPATIENT = frozenset({"patience", "rate_limit"})


@dataclass(eq=False)
class Judge:
    provider: Provider
    limiter: PrefetchingLimiter
    breaker: Breaker
    gatekeeper: Gatekeeper
    pace: SlowStart
    permits: PermitQueue
    policy: RetryPolicy
    lifecycle: Lifecycle
    observer: Observer

    def __post_init__(self) -> None:
        self._health = Health(self.breaker, self.gatekeeper)
        self.stopping = asyncio.Event()
        """Set on shutdown: waits end, and no further attempt is made."""
        self._permit = CallPermit(
            limiter=self.limiter,
            gatekeeper=self.gatekeeper,
            pace=self.pace,
            permits=self.permits,
            policy=self.policy,
            stopping=self.stopping,
        )

    def stop(self) -> None:
        self.stopping.set()
        self.permits.close()

    async def judge(
        self, stored: StoredRequest, spent: Spent, *, probe: Probe | None = None, holds: Callable[[], bool]
    ) -> Judgement:
        """The verdict, or the error that the claim ended in. Raises NotNow if the request must be released.

        `holds`: whether the request is still leased to this process, as far as it knows.
        """
        claim = ClaimState(stored, spent, probe, holds)
        started = LLMRequestStartedV1(
            provider=stored.provider,
            correlation_id=stored.correlation_id,
            user_id=stored.request.user_id,
            metadata=stored.request.metadata,
        )
        self.lifecycle.send(started, stored)
        try:
            judgement = await attempts(
                lambda _: self._attempt(claim),
                self.policy,
                stopping=self.stopping,
                observer=self.gatekeeper.note,
                before=lambda: self._enter(claim),
                failed=lambda error, seconds: self._failed(claim, error, seconds),
                answers=spent.answers,
            )
        except NotNow as reason:
            if reason.reason in IMPATIENT and claim.failure is not None:
                # The request made a call that failed, and that counts. Otherwise two requests that always fail could
                # keep each other waiting between attempts, be released each time, and never use up their tries.
                if reason.seconds:
                    await self.gatekeeper.pause(reason.seconds)
                return claim.judgement().failed(claim.failure)
            reason.spent = claim.spent
            raise
        except UmpireError as error:
            return claim.judgement().failed(error)
        except Exception as error:  # noqa: BLE001 - our own fault would recur, and the call might be paid again: the request ends here
            self.observer(Note("error.unexpected", "error", labels={"where": "judge"}, fields=fault(error)))
            if claim.called:
                claim.spent = claim.spent.paid(TokenUsage(), None)  # an answer may have come, and be billed
            return claim.judgement().failed(InternalError("the comparison failed by a fault of the service"))
        else:
            # Only now: the time that Redis takes must not count as the call's.
            await self._health.answered(claim)
            return judgement
        finally:
            await self._permit.release(claim)

    async def _enter(self, claim: ClaimState) -> None:
        await self._permit.acquire(claim, await self._info(claim))

    async def _info(self, claim: ClaimState) -> ModelInfo:
        if claim.info is None:
            claim.info = await self.provider.model_info(claim.stored.model)
        return claim.info

    async def _attempt(self, claim: ClaimState) -> Judgement:
        info = await self._info(claim)
        stored = claim.stored
        claim.called = claim.came = False
        number = claim.spent.attempts + 1
        call, ignored = build_call(stored.request, info, attempt_id=f"{stored.queue_id}.{number}")
        claim.spent = claim.spent.attempted()
        claim.ignored = ignored
        reservation, claim.reservation = claim.reservation, None
        started = time.monotonic()
        used = 0
        refused = False
        claim.called = True
        try:
            completion = await self.provider.complete(call)
            claim.came = True
            used = completion.usage.input_tokens + completion.usage.output_tokens
        except UmpireError as error:
            refused = _sent_away(error)
            if isinstance(error.usage, Usage):
                # The error came inside an answer, which may have been billed.
                used = error.usage.input_tokens + error.usage.output_tokens
                self._paid(claim, error.usage, None, claim.model, time.monotonic() - started)
            raise
        finally:
            claim.spent = claim.spent.called(time.monotonic() - started)
            permit, claim.permit = claim.permit, None
            if permit is not None:
                claim.probing = permit.probing
                self.permits.release(permit, refused=refused)
            if reservation is not None:
                await self.limiter.settle(reservation, used or reservation.tokens)
        seconds = time.monotonic() - started
        self.permits.answered(completion, seconds)
        self._paid(claim, completion.usage, cost(info, completion.usage), completion.model, seconds)
        verdict = parse_verdict(completion)
        labels = {"provider": stored.provider.value, "outcome": "ok"}
        self.observer(Note("call.finished", labels=labels, value=seconds))
        self._health.succeeded(claim, seconds)
        return replace(
            claim.judgement(),
            winner=verdict.winner,
            justification=verdict.justification,
            confidence=verdict.confidence,
            normalised=verdict.normalised,
        )

    def _paid(self, claim: ClaimState, tokens: Usage, price: float | None, model: str, seconds: float) -> None:
        """Count and publish what an answer cost. `price`: USD; None: not known."""
        stored, usage = claim.stored, tokens.as_token_usage()
        claim.spent = claim.spent.paid(usage, price)
        claim.model = model or claim.model
        provider = stored.provider.value
        for kind, count in (("input", usage.prompt_tokens), ("output", usage.completion_tokens)):
            self.observer(Note("call.tokens", labels={"provider": provider, "kind": kind}, value=count))
        if price is not None:
            self.observer(Note("call.cost", labels={"provider": provider}, value=price))
        event = LLMCostTrackingV1(
            correlation_id=stored.correlation_id,
            provider=stored.provider,
            model=claim.model,
            cost_estimate_usd=price or 0.0,
            token_usage=token_counts(usage),
            user_id=stored.request.user_id,
            service_name=stored.caller_name or UNKNOWN_CALLER,
            request_timestamp=utcnow(),
            response_time_ms=round(seconds * 1000),
            metadata={"cost_known": price is not None, **stored.request.metadata},
        )
        self.lifecycle.send(event, stored)

    async def _failed(self, claim: ClaimState, error: UmpireError, seconds: float) -> None:
        stored, began = claim.stored, time.monotonic() - seconds
        answered = isinstance(error, AnswerError)
        claim.spent = claim.spent.failed(error.code, answered=answered)
        if not answered:
            claim.failure = error
        labels = {"provider": stored.provider.value, "outcome": error.code.value}
        fields = {"error": type(error).__name__, **error.details}
        try:
            transition, release = await self._health.failed(claim, error, seconds)
            self.gatekeeper.announce(transition)
        finally:
            # Only now is it known whether the breaker is open.
            self.gatekeeper.note(Note("call.finished", "warning", labels, seconds, fields=fields))
        self._permit.back_off(claim, backing_off=True)
        if _sent_away(error) and not claim.probing:
            # A refusal of a call that probed a higher limit was to be expected, and must not slow down other calls.
            self.pace.refused(began, min(error.retry_after or 0.0, MAX_PAUSE_SECONDS))
        if isinstance(error, ProviderError):
            event = LLMProviderFailureV1(
                provider=stored.provider,
                failure_type=error.failure_type,
                correlation_id=stored.correlation_id,
                error_details=error.message,
                circuit_breaker_opened=transition is not None and transition.retry_after is not None,
                metadata=stored.request.metadata,
            )
            self.lifecycle.send(event, stored)
        if release is not None:
            raise release


def _sent_away(error: UmpireError) -> bool:
    return isinstance(error, ProviderRateLimited) or error.retry_after is not None
