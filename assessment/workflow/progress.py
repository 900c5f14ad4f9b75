"""How far an assessment is, and whether a decision can be needed: both from counts, without its comparisons.

The store counts comparisons by round and status (one short query), and reads all of them only when
`decision_is_due`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from assessment.workflow.planning import rounds_ahead
from assessment.workflow.state import (
    ENDED,
    IN_FLIGHT,
    AssessmentRow,
    ComparisonRow,
    ComparisonStatus,
    RoundRow,
)
from assessment.workflow.submitting import free_room
from contracts.enums import CJBatchStateEnum

_UNSENT_OR_OPEN = IN_FLIGHT | {ComparisonStatus.PLANNED}
#: Comparisons by round and status.
Counts = Mapping[tuple[int, ComparisonStatus], int]


@dataclass(frozen=True, slots=True)
class WorkflowProgress:
    """Numbers of comparisons, and what is known so far.

    Attributes
    ----------
    round : int
        The newest one, from 0.
    planned, submitted, completed, failed : int
        Planned so far; of these sent to the comparison service, or about to be; with a verdict; failed for good.
    reliability : float or None
        Of the newest score.
    """

    round: int
    planned: int
    submitted: int
    completed: int
    failed: int
    reliability: float | None


def count_comparisons(comparisons: Iterable[ComparisonRow]) -> dict[tuple[int, ComparisonStatus], int]:
    """By round and status."""
    counts: dict[tuple[int, ComparisonStatus], int] = {}
    for one in comparisons:
        key = (one.round, one.status)
        counts[key] = counts.get(key, 0) + 1
    return counts


def progress_of(rounds: Sequence[RoundRow], counts: Counts) -> WorkflowProgress:
    """From the rounds and the counts of their comparisons."""
    status = _by_status(counts)
    planned = sum(status.values())
    claims = [one.reliability for one in rounds if one.reliability is not None]
    return WorkflowProgress(
        round=max(len(rounds) - 1, 0),
        planned=planned,
        submitted=planned - status.get(ComparisonStatus.PLANNED, 0),
        completed=status.get(ComparisonStatus.SUCCEEDED, 0),
        failed=status.get(ComparisonStatus.FAILED, 0),
        reliability=claims[-1] if claims else None,
    )


def decision_is_due(assessment: AssessmentRow, rounds: Sequence[RoundRow], counts: Counts, now: float) -> bool:
    """Whether `decide` may have commands; if False, it has none.

    Parameters
    ----------
    assessment : AssessmentRow
        With the callbacks recorded.
    rounds : sequence of RoundRow
        All of them.
    counts : mapping
        Of all comparisons.
    now : float
        Wall time.
    """
    if assessment.state in ENDED:
        return False
    waiting = assessment.state is CJBatchStateEnum.WAITING_CALLBACKS
    awake = assessment.wake_at is not None and now >= assessment.wake_at
    if not waiting or awake or assessment.cancel_requested:
        return True
    status = _by_status(counts)
    in_flight = sum(status.get(one, 0) for one in IN_FLIGHT)
    if not in_flight or assessment.stop_reason is not None:
        return not in_flight
    options = assessment.options
    planned, pooled = status.get(ComparisonStatus.PLANNED, 0), status.get(ComparisonStatus.POOLED, 0)
    has_room = planned > 0 and free_room(options, in_flight) >= min(options.batch_size, planned)
    unfinished = {number for (number, one), count in counts.items() if count and one in _UNSENT_OR_OPEN}
    unscored = [one.number for one in rounds if one.scored_at is None]
    # A failure may make place for one more round: it gives back money, or a pair.
    plannable = len(unscored) < rounds_ahead(options)
    scorable = any(number not in unfinished for number in unscored)
    return has_room or plannable or scorable or pooled >= options.failed_pool_threshold


def _by_status(counts: Counts) -> dict[ComparisonStatus, int]:
    status: dict[ComparisonStatus, int] = {}
    for (_, one), count in counts.items():
        status[one] = status.get(one, 0) + count
    return status
