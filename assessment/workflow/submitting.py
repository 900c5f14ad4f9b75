"""What is submitted now: the failed pool first, then planned comparisons, in chunks, within what may be in flight.

At most batch_size times max_concurrent_batches comparisons are in flight, and a chunk goes when there is room for all
of it. So a few comparisons that do not come back take away their own room, not that of a whole batch. When nothing has
come back for straggler_seconds, the missing ones are no longer counted. Provider batches take a day: there, a wave is
submitted whole.
"""

from math import inf

from assessment.workflow.commands import Submit
from assessment.workflow.state import ComparisonRow, WorkflowOptions, WorkflowState
from assessment.workflow.tally import Tally
from contracts.enums import LLMBatchingMode


def choose_submissions(state: WorkflowState, tally: Tally, unscored: list[int], *, quiet: bool) -> list[Submit]:
    """Choose chunks, and move their comparisons in the tally.

    Parameters
    ----------
    state : WorkflowState
        Before the decision.
    tally : Tally
        With the comparisons that this decision planned.
    unscored : list of int
        Rounds that are not scored after this decision.
    quiet : bool
        Nothing has come back for straggler_seconds.
    """
    options = state.assessment.options
    room = free_room(options, 0 if quiet else tally.in_flight)
    due = pool_is_due(tally, unscored, options, quiet=quiet)
    chunks: list[Submit] = []
    for rows, retry in ((tally.pooled if due else [], True), (tally.planned, False)):
        while rows and room >= min(options.batch_size, len(rows)):
            chosen = _affordable(rows[: options.batch_size], tally, options)
            if not chosen:
                break
            del rows[: len(chosen)]
            room -= len(chosen)
            numbers = tuple(one.number for one in chosen)
            chunks.append(Submit(state.assessment.chunks + len(chunks), numbers, retry))
            _move(chosen, tally, retry=retry)
    return chunks


def free_room(options: WorkflowOptions, in_flight: int) -> float:
    """How many more comparisons may be in flight."""
    if options.batching_mode is LLMBatchingMode.PROVIDER_BATCH_API:
        return inf
    return options.batch_size * options.max_concurrent_batches - in_flight


def pool_is_due(tally: Tally, unscored: list[int], options: WorkflowOptions, *, quiet: bool) -> bool:
    """Whether the failed pool is submitted again.

    It is when it is large enough, when an unscored round lacks nothing else (stragglers aside, when nothing comes), or
    when nothing else is left to do.
    """
    if not tally.pooled:
        return False
    if len(tally.pooled) >= options.failed_pool_threshold or (not unscored and not tally.planned):
        return True
    rounds = [tally.rounds[number] for number in unscored]
    return any(one.pooled and not one.planned and (quiet or not one.in_flight) for one in rounds) or not (
        tally.planned or tally.in_flight
    )


def _affordable(rows: list[ComparisonRow], tally: Tally, options: WorkflowOptions) -> list[ComparisonRow]:
    """As many of the rows as the rest of the money pays for, what is in flight reserved."""
    if options.max_cost_usd is None:
        return rows
    paid = tally.spent + tally.at_stake
    for place, one in enumerate(rows):
        paid += tally.costs[one.judge]
        if paid > options.max_cost_usd:
            return rows[:place]
    return rows


def _move(rows: list[ComparisonRow], tally: Tally, *, retry: bool) -> None:
    tally.in_flight += len(rows)
    for one in rows:
        place = tally.rounds[one.round]
        place.in_flight += 1
        place.pooled -= retry
        place.planned -= not retry
        tally.at_stake += tally.costs[one.judge]
