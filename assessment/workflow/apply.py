"""What carrying out a decision means: the reference for the SQL store, and the store of simulations and tests."""

from dataclasses import replace

from assessment.workflow.commands import (
    AskRedelivery,
    Command,
    Complete,
    Fail,
    GiveUp,
    PlanRound,
    Score,
    Stop,
    Submit,
    WorkflowDecision,
)
from assessment.workflow.record import assigned, given_up
from assessment.workflow.state import AssessmentRow, ComparisonRow, ComparisonStatus, RoundRow, WorkflowState


def apply_decision(state: WorkflowState, decision: WorkflowDecision, now: float) -> WorkflowState:
    """The state after a decision.

    Parameters
    ----------
    state : WorkflowState
        The one that was decided on.
    decision : WorkflowDecision
        Of `decide`.
    now : float
        Wall time of the decision.

    Returns
    -------
    WorkflowState
        `revision` is one higher, unless the decision changes nothing but `wake_at`.
    """
    if not decision.commands and not decision.path:
        return replace(state, assessment=replace(state.assessment, wake_at=decision.wake_at))
    change = _Change(state, now)
    for command in decision.commands:
        change.carry_out(command)
    return change.result(decision)


class _Change:
    def __init__(self, state: WorkflowState, now: float) -> None:
        self._state, self._now = state, now
        self._assessment: AssessmentRow = state.assessment
        self._comparisons: list[ComparisonRow] = list(state.comparisons)
        self._rounds: list[RoundRow] = list(state.rounds)

    def carry_out(self, command: Command) -> None:
        match command:
            case PlanRound():
                self._rounds.append(command.round)
                self._comparisons += command.comparisons
            case Submit():
                self._submit(command)
            case GiveUp():
                for number in command.numbers:
                    self._comparisons[number] = given_up(self._comparisons[number], self._assessment.options)
            case AskRedelivery():
                self._ask(command)
            case Score():
                for one in command.rounds:
                    self._rounds[one.number] = one
                self._set(strengths=command.strengths, graded=command.graded)
            case Stop():
                self._set(stop_reason=command.reason)
            case Complete() | Fail():
                self._end(command)

    def _end(self, command: Complete | Fail) -> None:
        self._set(completed_at=self._now, billed=self._assessment.billed + command.quantity)
        if isinstance(command, Fail):
            self._set(error_code=command.error_code)
        else:
            self._set(stop_reason=command.reason)

    def _submit(self, command: Submit) -> None:
        for number in command.numbers:
            self._comparisons[number] = assigned(self._comparisons[number], command.chunk)
        clock = self._assessment.clock(self._now)
        self._set(chunks=command.chunk + 1, arrival_clock=clock)

    def _ask(self, command: AskRedelivery) -> None:
        for number in command.numbers:
            one = self._comparisons[number]
            if one.status is ComparisonStatus.SUBMITTED:
                self._comparisons[number] = replace(one, asked_clock=command.clock)

    def _set(self, **fields: object) -> None:
        self._assessment = replace(self._assessment, **fields)  # type: ignore[arg-type]

    def result(self, decision: WorkflowDecision) -> WorkflowState:
        if decision.path:
            # A change of state is progress; so is a score, which has a path, too. A retry is none.
            self._set(state=decision.path[-1], progress_clock=self._assessment.clock(self._now))
        self._set(revision=self._assessment.revision + 1, wake_at=decision.wake_at)
        return replace(
            self._state,
            assessment=self._assessment,
            rounds=tuple(self._rounds),
            comparisons=tuple(self._comparisons),
        )
