"""Runs one claimed request: judge → decide → finish, or release. `tasks/intake.py` has claimed it before."""

import random
from collections.abc import Callable

from completion.finisher import Finisher
from completion.judgement import Judgement, Spent
from contracts.errors import InternalError
from contracts.trace import trace_id
from guard.deferral import DeferralPolicy
from ledger.claims import Claimed
from ledger.request import StoredRequest
from tasks.call.claim_start import ClaimStart
from tasks.call.claim_state import NotNow, Probe
from tasks.call.judge import Judge
from tasks.decide import Action, Decision, decide, decide_not_now
from tasks.gate.gatekeeper import Gatekeeper
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
        start: ClaimStart,
        deferral: DeferralPolicy,
        observer: Observer,
    ) -> None:
        self._judge = judge
        self._finisher = finisher
        self._releaser = releaser
        self._gatekeeper = gatekeeper
        self._start = start
        self._deferral = deferral
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
                await self._run(claimed, probe, holds)
        except Exception as error:  # noqa: BLE001 - outermost of one claim: before its call, or when even its error event could not be written; the lease lapses
            self._report(claimed, error)
            self._releaser.abandon(claimed)

    async def _run(self, claimed: Claimed, probe: Probe | None, holds: Callable[[], bool]) -> None:
        stored, spent = claimed.stored, Spent.read(claimed.spent)
        key = self._start.begin(claimed)
        if key.refusal is not None:
            refused = Judgement(model=stored.model, spent=spent, error=key.refusal)
            await self._finisher.finish(claimed, refused, forbidden=not key.publishes)
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
                await self._finisher.finish(claimed, judgement)
            case Action.DEFER:
                await self._releaser.defer(claimed, judgement, decision.delay)
            case Action.PARK:
                await self._releaser.park(claimed, judgement.spent)
            case Action.RELEASE:
                await self._releaser.release(claimed, decision.reason, front=decision.front, spent=judgement.spent)

    async def _fail_by_fault(self, claimed: Claimed, judgement: Judgement) -> None:
        """Fail the request with an error event that can be built, whatever is wrong with its verdict or figures."""
        fault_of_ours = InternalError("the comparison failed by a fault of the service")
        try:
            await self._finisher.finish(claimed, judgement.failed(fault_of_ours))
        except Exception as error:  # noqa: BLE001 - without an event that can be built, its calls would be paid again and again
            self._report(claimed, error)
            await self._finisher.finish(claimed, judgement.without_sums(fault_of_ours))

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
