"""Runs one claimed request: judge → decide → finish, or release. `tasks/intake.py` has claimed it before."""

import random
from collections.abc import Callable

from completion.finisher import Finisher
from completion.judgement import Judgement, Spent
from completion.lifecycle_events import status_of
from contracts.enums import QueueEvent, QueueStatus
from contracts.errors import InternalError
from contracts.trace import trace_id
from events.lifecycle import Lifecycle
from guard.deferral import DeferralPolicy
from ledger.claims import Claimed
from ledger.request import StoredRequest
from tasks.call.claim_state import NotNow, Probe
from tasks.call.judge import Judge
from tasks.decide import Action, Decision, decide, decide_not_now
from tasks.gate.gatekeeper import Gatekeeper
from tasks.key_policy import KeyPolicy
from tasks.releaser import Releaser
from telemetry.fault import fault
from telemetry.logging import Bound
from telemetry.observer import Note, Observer


class Runner:
    def __init__(
        self,
        *,
        judge: Judge,
        finisher: Finisher,
        releaser: Releaser,
        gatekeeper: Gatekeeper,
        key_policy: KeyPolicy,
        deferral: DeferralPolicy,
        lifecycle: Lifecycle,
        observer: Observer,
    ) -> None:
        self._judge = judge
        self._finisher = finisher
        self._releaser = releaser
        self._gatekeeper = gatekeeper
        self._key_policy = key_policy
        self._deferral = deferral
        self._lifecycle = lifecycle
        self._observer = observer
        self._random = random.Random()

    def stop(self) -> None:
        """End all waits of calls at once, and start no further attempt."""
        self._judge.stop()

    async def run(self, claimed: Claimed, probe: Probe | None, *, holds: Callable[[], bool]) -> None:
        """The outermost function of one claim: an error in it must not affect other claims.

        `holds`: whether the request is still leased to this process, as far as it knows.
        """
        try:
            with _log_ids(claimed.stored):
                self._announce(claimed)
                await self._run(claimed, probe, holds)
        except Exception as error:  # noqa: BLE001 - outermost of one claim: before its call, or when even its error event could not be written; the lease lapses
            self._report(claimed, error)
            self._releaser.abandon(claimed)

    def _announce(self, claimed: Claimed) -> None:
        stored = claimed.stored
        self._observer(Note("comparison.claimed", labels={"provider": stored.provider.value}, value=claimed.waited))
        event = status_of(stored, QueueStatus.PROCESSING, QueueEvent.PROCESSING, claimed.tries)
        self._lifecycle.tell(event, queue_id=stored.queue_id, traceparent=stored.traceparent)

    async def _run(self, claimed: Claimed, probe: Probe | None, holds: Callable[[], bool]) -> None:
        stored, spent = claimed.stored, Spent.read(claimed.spent)
        refused = self._key_policy.refusal(claimed)
        if refused is not None:
            await self._finish(claimed, Judgement(model=stored.model, spent=spent, error=refused))
            return
        try:
            judgement = await self._judge.judge(stored, spent, probe=probe, holds=holds)
        except NotNow as reason:
            unfinished = Judgement(model=stored.model, spent=reason.spent)
            await self._carry_out(decide_not_now(reason, spent), claimed, unfinished)
            return
        try:
            decision = decide(
                judgement,
                tries=claimed.tries,
                stopping=self._judge.stopping.is_set(),
                shut=self._gatekeeper.shut,
                deferral=self._deferral,
                retry_after_max=self._judge.retry_after_max,
                random=self._random,
            )
            await self._carry_out(decision, claimed, judgement)
        except Exception as error:  # noqa: BLE001 - what was paid must not be paid again, whatever is wrong with it
            self._report(claimed, error)
            await self._fail_by_fault(claimed, judgement)

    async def _carry_out(self, decision: Decision, claimed: Claimed, judgement: Judgement) -> None:
        if decision.pause:
            await self._gatekeeper.pause(decision.pause)
        match decision.action:
            case Action.COMPLETE | Action.FAIL:
                await self._finish(claimed, judgement)
            case Action.DEFER:
                await self._releaser.defer(claimed, judgement, decision.delay)
            case Action.PARK:
                await self._releaser.park(claimed, judgement.spent)
            case Action.RELEASE:
                await self._releaser.release(claimed, decision.reason, front=decision.front, spent=judgement.spent)

    async def _finish(self, claimed: Claimed, judgement: Judgement) -> None:
        await self._finisher.finish(claimed, judgement, forbidden=not self._key_policy.publishes(claimed))

    async def _fail_by_fault(self, claimed: Claimed, judgement: Judgement) -> None:
        """Fail the request with an error event that can be built, whatever is wrong with its verdict or figures."""
        fault_of_ours = InternalError("the comparison failed by a fault of the service")
        try:
            await self._finish(claimed, judgement.failed(fault_of_ours))
        except Exception as error:  # noqa: BLE001 - without an event that can be built, its calls would be paid again and again
            self._report(claimed, error)
            await self._finish(claimed, judgement.without_sums(fault_of_ours))

    def _report(self, claimed: Claimed, error: Exception) -> None:
        fields = {**fault(error), "queue_id": str(claimed.stored.queue_id)}
        self._observer(Note("error.unexpected", "error", labels={"where": "runner"}, fields=fields))


def _log_ids(stored: StoredRequest) -> Bound:
    """A context whose log lines carry the ids of the request."""
    return Bound(
        queue_id=str(stored.queue_id),
        correlation_id=str(stored.correlation_id),
        trace_id=trace_id(stored.traceparent),
    )
