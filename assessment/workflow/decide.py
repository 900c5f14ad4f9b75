"""The next step of an assessment: a pure function of what is stored and of the time.

Any process may decide at any time; a decision that finds nothing to do has no commands. The store reads the state,
calls `decide`, and carries out the commands in one transaction under the assessment's row lock.
"""

from dataclasses import replace

from assessment.errors import ScoreConvergenceFailed
from assessment.workflow.clockwork import next_wake, overdue, stuck_clock
from assessment.workflow.commands import (
    AskRedelivery,
    Command,
    Complete,
    Fail,
    GiveUp,
    PlanRound,
    Score,
    Stop,
    WorkflowDecision,
)
from assessment.workflow.planning import Planner, RoundPlan, round_row, rounds_ahead
from assessment.workflow.result import build_outcome, single_essay_outcome
from assessment.workflow.scoring import EssayFit, fit_essays, largest_change
from assessment.workflow.state import ENDED, ComparisonStatus, TextStatus, WorkflowState, WorkflowStopReason
from assessment.workflow.stopping import may_be_scored, quiet_seconds, stop_by_rule
from assessment.workflow.submitting import choose_submissions
from assessment.workflow.tally import take_tally
from contracts.enums import CJAssessmentErrorCode, CJBatchStateEnum

#: With fewer anchors a single student essay has nothing to be compared with.
ANCHORS_OF_A_SINGLE_ESSAY = 3
_UNSENT = frozenset({ComparisonStatus.PLANNED, ComparisonStatus.ASSIGNED})


def decide(state: WorkflowState, now: float) -> WorkflowDecision:
    """Decide what to do next.

    Parameters
    ----------
    state : WorkflowState
        As stored.
    now : float
        Wall time, in seconds since 1970.

    Returns
    -------
    WorkflowDecision
        Carrying out its commands and calling again gives no command that would do the same twice.

    Raises
    ------
    InvalidComparisons
        Rows that contradict each other: an error in the store or at intake.

    Notes
    -----
    Takes about 1 µs for each comparison; and, when a round is scored or the assessment completes, the time of the fits.
    """
    assessment = state.assessment
    if assessment.state in ENDED:
        return WorkflowDecision()
    return _Step(state, now).run()


class _Step:
    """One decision. `run` goes through the rules in their order; each adds commands."""

    def __init__(self, state: WorkflowState, now: float) -> None:
        self.state, self.now = state, now
        self.assessment, self.options = state.assessment, state.assessment.options
        self.clock = self.assessment.clock(now)
        self.tally = take_tally(state, self.clock)
        self.rounds = list(state.rounds)
        self.strengths = self.assessment.strengths
        self.fitted: EssayFit | None = None
        self.commands: list[Command] = []
        self.path: list[CJBatchStateEnum] = []
        since_arrival = self.clock - self.assessment.arrival_clock
        self.quiet = self.tally.in_flight > 0 and since_arrival >= quiet_seconds(self.options)

    def run(self) -> WorkflowDecision:
        if self.assessment.cancel_requested:
            return self._fail(CJAssessmentErrorCode.CANCELLED, "The assessment was cancelled.")
        stuck = self.clock >= stuck_clock(self.assessment, self.tally)
        if any(one.text_status is TextStatus.PENDING for one in self.state.essays):
            return self._fail_stuck() if stuck else self._wait()
        return self._without_comparisons() or self._with_comparisons(stuck=stuck)

    def _without_comparisons(self) -> WorkflowDecision | None:
        """Ends an assessment that has nothing to compare."""
        students = [one for one in self.state.essays if not one.is_anchor]
        ready = sum(one.text_status is TextStatus.READY for one in students)
        anchors = sum(one.is_anchor and one.text_status is TextStatus.READY for one in self.state.essays)
        if not students:
            return self._fail(CJAssessmentErrorCode.INVALID_REQUEST, "The request has no essay.")
        if not ready:
            return self._fail(CJAssessmentErrorCode.CONTENT_UNAVAILABLE, "No essay's text could be read.")
        if ready == 1 and anchors < ANCHORS_OF_A_SINGLE_ESSAY:
            return self._complete_single()
        return None

    def _with_comparisons(self, *, stuck: bool) -> WorkflowDecision:
        if self.tally.lost:
            self.commands.append(GiveUp(tuple(self.tally.lost)))
        if self.assessment.stop_reason is not None:
            return self._drain(self.assessment.stop_reason)
        return self._end_stuck() if stuck else self._go_on()

    def _go_on(self) -> WorkflowDecision:
        """Score, stop or plan, submit."""
        try:
            reason = self._score()
        except ScoreConvergenceFailed as error:
            return self._fail(CJAssessmentErrorCode.SCORE_CONVERGENCE_FAILED, str(error))
        if reason is not None:
            return self._stop(reason)
        last = self._plan()
        unscored = [one.number for one in self.rounds if one.scored_at is None]
        chunks = choose_submissions(self.state, self.tally, unscored, quiet=self.quiet)
        self.commands += chunks
        if not chunks and (not self.tally.in_flight or (self.quiet and not unscored)):
            # Nothing is to come: what still waits is more than the money pays for.
            waits = bool(self.tally.planned or self.tally.pooled)
            if last is not None or waits:
                exhausted = last is not None and last.exhausted and not waits
                found = stop_by_rule(self.state, self.tally, self.rounds, exhausted=exhausted)
                return self._stop(found or WorkflowStopReason.BUDGET)
        unanswered = overdue(self.tally, self.options, self.clock)
        if unanswered:
            self.commands.append(AskRedelivery(tuple(unanswered), self.clock))
        return self._wait()

    def _score(self) -> WorkflowStopReason | None:
        """Score the rounds that may be, oldest first, with one fit; and ask whether to stop."""
        scored = []
        for one in self.rounds:
            if one.scored_at is None:
                if not may_be_scored(self.tally.rounds[one.number], self.options, quiet=self.quiet):
                    break
                ended = self.tally.rounds[one.number].ended
                scored.append(replace(one, scored_at=self.now, partial=not ended))
        if not scored:
            return None
        self.path.append(CJBatchStateEnum.SCORING)
        self.fitted = fitted = fit_essays(self.state)
        before, graded = self.strengths, self.assessment.graded
        if fitted is not None:
            self.strengths, graded = fitted.strengths(len(self.state.essays)), fitted.graded_indexes
            change = largest_change(before, self.strengths)
            scored[-1] = replace(scored[-1], reliability=fitted.fit.reliability, score_change=change)
        self.commands.append(Score(tuple(scored), self.strengths, graded))
        for one in scored:
            self.rounds[one.number] = one
        reason = stop_by_rule(self.state, self.tally, self.rounds, exhausted=False)
        # The budget ends it only after the rounds that are still to come.
        return reason if reason is not WorkflowStopReason.BUDGET else None

    def _plan(self) -> RoundPlan | None:
        """Plan as many rounds as may be ahead of their scores. Returns why no more can be planned, if so."""
        ahead = rounds_ahead(self.options) - sum(one.scored_at is None for one in self.rounds)
        if ahead <= 0:
            return None
        planner = Planner(self.state, self.tally, self.strengths)
        for _ in range(ahead):
            plan = planner.next_round()
            if not plan.comparisons:
                return plan
            row = round_row(plan.comparisons)
            self.rounds.append(row)
            self.tally.add_round(plan.comparisons)
            self.commands.append(PlanRound(row, plan.comparisons))
            self._pass(CJBatchStateEnum.GENERATING_PAIRS)
        return None

    def _stop(self, reason: WorkflowStopReason) -> WorkflowDecision:
        self.commands.append(Stop(reason))
        return self._drain(reason)

    def _drain(self, reason: WorkflowStopReason) -> WorkflowDecision:
        """What is in flight is paid for, so it is waited for, as long as it comes; a hold is not waited for."""
        paused_at = self.assessment.paused_at
        held = paused_at is not None and self.now - paused_at >= self.options.straggler_seconds
        if self.tally.in_flight and not self.quiet and not held:
            return self._wait(drain=True)
        return self._complete(reason)

    def _complete(self, reason: WorkflowStopReason) -> WorkflowDecision:
        essays = self.state.essays
        ready = [one.index for one in essays if not one.is_anchor and one.text_status is TextStatus.READY]
        ranked = sum(self.tally.verdicts[index] > 0 for index in ready)
        if 2 * ranked < len(ready) or not ranked:
            text = f"Only {ranked} of {len(ready)} essays have a comparison that was judged."
            return self._fail(CJAssessmentErrorCode.INSUFFICIENT_COMPARISONS, text)
        try:
            fitted = self.fitted or fit_essays(self.state)
            assert fitted is not None  # noqa: S101 - an essay is ranked, so there is a verdict
            outcome = build_outcome(self.state, self.rounds, fitted, reason, self.now)
        except ScoreConvergenceFailed as error:
            return self._fail(CJAssessmentErrorCode.SCORE_CONVERGENCE_FAILED, str(error))
        self._pass(CJBatchStateEnum.SCORING)
        self.path.append(CJBatchStateEnum.COMPLETED)
        self.commands.append(Complete(reason, self.assessment.version, outcome, self._unbilled()))
        return self._decision()

    def _complete_single(self) -> WorkflowDecision:
        outcome = single_essay_outcome(self.state, self.now)
        reason = WorkflowStopReason.SINGLE_ESSAY
        self.path.append(CJBatchStateEnum.COMPLETED)
        self.commands.append(Complete(reason, self.assessment.version, outcome, self._unbilled()))
        return self._decision()

    def _end_stuck(self) -> WorkflowDecision:
        """The monitor: with enough verdicts the assessment is completed with what it has, else it fails."""
        submitted = sum(one.status not in _UNSENT for one in self.state.comparisons)
        enough = self.options.partial_completion_threshold * submitted
        if submitted and self.tally.succeeded >= enough:
            return self._complete(WorkflowStopReason.STUCK)
        return self._fail_stuck()

    def _fail_stuck(self) -> WorkflowDecision:
        return self._fail(CJAssessmentErrorCode.STUCK, "The assessment made no progress for too long.")

    def _fail(self, code: CJAssessmentErrorCode, message: str) -> WorkflowDecision:
        cancelled = code is CJAssessmentErrorCode.CANCELLED
        end = CJBatchStateEnum.CANCELLED if cancelled else CJBatchStateEnum.FAILED
        self.commands.append(Fail(end, code, message, self._unbilled()))
        self.path.append(end)
        return self._decision()

    def _unbilled(self) -> int:
        return self.tally.judged - self.assessment.billed

    def _pass(self, through: CJBatchStateEnum) -> None:
        if not self.path or self.path[-1] is not through:
            self.path.append(through)

    def _wait(self, *, drain: bool = False) -> WorkflowDecision:
        waiting = CJBatchStateEnum.WAITING_CALLBACKS
        if self.rounds and (self.path or self.assessment.state is not waiting):
            self.path.append(waiting)
        wake = next_wake(self.assessment, self.tally, self.clock, drain=drain, acted=bool(self.commands))
        return replace(self._decision(), wake_at=wake)

    def _decision(self) -> WorkflowDecision:
        return WorkflowDecision(tuple(self.commands), tuple(self.path))
