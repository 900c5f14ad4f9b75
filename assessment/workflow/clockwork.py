"""What becomes due by time alone: redelivery, giving up, stragglers, the monitor, and when to look again.

All of it is in clock time, so nothing becomes due in a hold or an outage.
"""

from assessment.workflow.state import AssessmentRow, WorkflowOptions
from assessment.workflow.stopping import quiet_seconds
from assessment.workflow.tally import Tally
from contracts.enums import LLMBatchingMode

#: A comparison that is unanswered for this long is overdue, and so it is again after each request for redelivery.
OVERDUE_SECONDS = 600.0
#: The monitor leaves an assessment alone until this long after the last time to live.
MONITOR_GRACE_SECONDS = 3600.0


def overdue(tally: Tally, options: WorkflowOptions, clock: float) -> list[int]:
    """Comparisons whose redelivery is to be asked for."""
    patience = _overdue_seconds(options)
    return [number for since, number in tally.unanswered if clock - since >= patience]


def _overdue_seconds(options: WorkflowOptions) -> float:
    batches = options.batching_mode is LLMBatchingMode.PROVIDER_BATCH_API
    return OVERDUE_SECONDS + (options.provider_batch_seconds if batches else 0.0)


def stuck_clock(assessment: AssessmentRow, tally: Tally) -> float:
    """When the monitor takes the assessment for stuck, if nothing comes."""
    since = max(assessment.progress_clock, assessment.created_at)
    without_progress = since + assessment.options.stuck_seconds
    return (
        without_progress
        if tally.last_expiry is None
        else max(without_progress, tally.last_expiry + MONITOR_GRACE_SECONDS)
    )


def next_wake(assessment: AssessmentRow, tally: Tally, clock: float, *, drain: bool, acted: bool) -> float | None:
    """Wall time at which something becomes due.

    Parameters
    ----------
    assessment : AssessmentRow
        Before the decision.
    tally : Tally
        After it.
    clock : float
        Now.
    drain : bool
        The assessment waits for the last verdicts only.
    acted : bool
        The decision has commands; they may set clocks that are not known here, so it is looked at again soon enough.
    """
    options = assessment.options
    if assessment.paused_at is not None:
        return assessment.paused_at + options.straggler_seconds if drain else None
    arrival = clock if acted else assessment.arrival_clock
    times = [stuck_clock(assessment, tally)]
    if tally.in_flight:
        times.append(arrival + quiet_seconds(options))
    if tally.next_loss is not None:
        times.append(tally.next_loss)
    patience = _overdue_seconds(options)
    times += [(clock if since + patience <= clock else since) + patience for since, _ in tally.unanswered]
    later = [time for time in times if time > clock]
    return assessment.wall(min(later)) if later else None
