"""When a round is scored, and when the assessment stops."""

from collections.abc import Sequence

from assessment.model.stop import FEW, HIGHEST_TARGET_OF_FEW, MIN_PER_ITEM, AssessmentStopReason, stop_reason
from assessment.workflow.planning import budget
from assessment.workflow.state import RoundRow, WorkflowOptions, WorkflowState, WorkflowStopReason
from assessment.workflow.tally import RoundTally, Tally
from contracts.enums import LLMBatchingMode

_JUST_BELOW = 1e-6


def quiet_seconds(options: WorkflowOptions) -> float:
    """After this time without a callback, what is missing is a straggler."""
    if options.batching_mode is LLMBatchingMode.PROVIDER_BATCH_API:
        return options.provider_batch_seconds
    return options.straggler_seconds


def may_be_scored(one: RoundTally, options: WorkflowOptions, *, quiet: bool) -> bool:
    """Whether a round is complete, or complete enough while nothing comes any more."""
    if one.ended:
        return True
    in_share = (one.succeeded + one.failed) / one.total
    waiting = one.planned + one.pooled
    return quiet and not waiting and in_share >= options.partial_completion_threshold


def stop_by_rule(
    state: WorkflowState, tally: Tally, rounds: Sequence[RoundRow], *, exhausted: bool
) -> WorkflowStopReason | None:
    """Ask assessment.model.stop.

    Parameters
    ----------
    state : WorkflowState
        Before the decision.
    tally : Tally
        Of it.
    rounds : sequence of RoundRow
        As scored by this decision. Rounds that were scored together make one claim.
    exhausted : bool
        Nothing new is left to ask.
    """
    essays, judges, options = tally.playing(state.essays), tally.working_judges(), state.assessment.options
    if not essays or not judges:
        return WorkflowStopReason.FAILURES
    n = len(essays)
    counts = [tally.verdicts[essay] for essay in essays]
    # Texts that could not be fetched may leave fewer essays than the request had.
    highest = HIGHEST_TARGET_OF_FEW - _JUST_BELOW if n < FEW else 1.0
    reason = stop_reason(
        [one.reliability for one in rounds if one.reliability is not None],
        counts,
        exhausted=exhausted,
        target=min(options.target_reliability, highest),
        budget_per_item=2 * budget(options, n) / n,
        n_judges=len(judges),
    )
    if reason is AssessmentStopReason.TARGET and not _enough(counts, options, n, len(judges)):
        return None
    return None if reason is None else WorkflowStopReason(reason.value)


def _enough(counts: list[int], options: WorkflowOptions, n: int, n_judges: int) -> bool:
    """More than assessment.model.stop asks for, if the operator wants more."""
    if options.min_comparisons_per_essay <= MIN_PER_ITEM:
        return True
    return min(counts) >= min(options.min_comparisons_per_essay, 2 * n_judges * (n - 1))
