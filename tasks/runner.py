"""Runs one claimed request: judge → decide → finish, or release. `tasks/intake.py` has claimed it before."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from completion.finisher import Finisher
from completion.judgement import Judgement, Spent
from completion.lifecycle_events import status_of
from contracts.enums import QueueEvent, QueueStatus
from contracts.errors import InternalError
from contracts.settings import RetrySettings
from contracts.trace import trace_id
from events.lifecycle import Lifecycle
from ledger.claims import Claimed
from tasks.call.claim_state import NotNow, Probe
from tasks.call.judge import Judge
from tasks.decide import Action, Decision, decide, decide_not_now
from tasks.gate.gatekeeper import Gatekeeper
from tasks.key_policy import check_key
from tasks.releaser import Releaser
from telemetry.fault import fault
from telemetry.logging import Bound
from telemetry.observer import Note, Observer


@dataclass(eq=False, kw_only=True)
class Runner:
    judge: Judge
    finisher: Finisher
    releaser: Releaser
    gatekeeper: Gatekeeper
    own_topic: str
    lifecycle: Lifecycle
    settings: RetrySettings
    observer: Observer

    def __post_init__(self) -> None:
        self._random = random.Random()

    def stop(self) -> None:
        """End all waits of calls at once, and start no further attempt."""
        self.judge.stop()

    async def run(self, claimed: Claimed, probe: Probe | None, *, holds: Callable[[], bool]) -> None:
        """The outermost function of one claim: an error in it must not affect other claims.

        `holds`: whether the request is still leased to this process, as far as it knows.
        """
        try:
            stored = claimed.stored
            # The log lines of this claim carry the ids of the request.
            with Bound(
                queue_id=str(stored.queue_id),
                correlation_id=str(stored.correlation_id),
                trace_id=trace_id(stored.traceparent),
            ):
                await self._run(claimed, probe, holds)
        except Exception as error:  # noqa: BLE001 - outermost of one claim: before its call, or when even its error event could not be written; the lease lapses
            self._report(claimed, error)
            self.releaser.abandon(claimed)

    async def _run(self, claimed: Claimed, probe: Probe | None, holds: Callable[[], bool]) -> None:
        stored, spent = claimed.stored, Spent.read(claimed.spent)
        self.observer(Note("comparison.claimed", labels={"provider": stored.provider.value}, value=claimed.waited))
        self.lifecycle.send(status_of(stored, QueueStatus.PROCESSING, QueueEvent.PROCESSING, claimed.tries), stored)
        key = check_key(claimed, self.own_topic)
        if key.refusal is not None:
            refused = Judgement(model=stored.model, spent=spent, error=key.refusal)
            await self.finisher.finish(claimed, refused, forbidden=not key.publishes)
            return
        try:
            judgement = await self.judge.judge(stored, spent, probe=probe, holds=holds)
        except NotNow as reason:
            unfinished = Judgement(model=stored.model, spent=reason.spent)
            await self._carry_out(decide_not_now(reason, spent), claimed, unfinished)
            return
        try:
            decision = decide(
                judgement,
                tries=claimed.tries,
                stopping=self.judge.stopping.is_set(),
                shut=self.gatekeeper.shut,
                settings=self.settings,
                random=self._random,
            )
            await self._carry_out(decision, claimed, judgement)
        except Exception as error:  # noqa: BLE001 - what was paid must not be paid again, whatever is wrong with it
            self._report(claimed, error)
            await self._fail_by_fault(claimed, judgement)

    async def _carry_out(self, decision: Decision, claimed: Claimed, judgement: Judgement) -> None:
        if decision.pause:
            await self.gatekeeper.pause(decision.pause)
        match decision.action:
            case Action.COMPLETE | Action.FAIL:
                await self.finisher.finish(claimed, judgement)
            case Action.DEFER:
                await self.releaser.defer(claimed, judgement, decision.delay)
            case Action.PARK:
                await self.releaser.park(claimed, judgement.spent)
            case Action.RELEASE:
                await self.releaser.release(claimed, decision.reason, front=decision.front, spent=judgement.spent)

    async def _fail_by_fault(self, claimed: Claimed, judgement: Judgement) -> None:
        """Fail the request with an error event that can be built, whatever is wrong with its verdict or figures."""
        fault_of_ours = InternalError("the comparison failed by a fault of the service")
        try:
            await self.finisher.finish(claimed, judgement.failed(fault_of_ours))
        except Exception as error:  # noqa: BLE001 - without an event that can be built, its calls would be paid again and again
            self._report(claimed, error)
            await self.finisher.finish(claimed, judgement.without_sums(fault_of_ours))

    def _report(self, claimed: Claimed, error: Exception) -> None:
        fields = {**fault(error), "queue_id": str(claimed.stored.queue_id)}
        self.observer(Note("error.unexpected", "error", labels={"where": "runner"}, fields=fields))
