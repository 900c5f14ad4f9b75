"""Plans rounds: which pairs, by which judges, within the budgets of comparisons and of money.

With provider batches a round is a **wave**: half, a quarter and a quarter of the budget, each planned after the results
of the one before, since such a batch may take a day. With UMPIRE_CJ_ITERATIVE=false the first wave is the whole budget,
planned without a verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

import numpy as np

from assessment.model.arrays import Indices
from assessment.model.pairing.deal import deal
from assessment.model.pairing.history import read_history
from assessment.model.pairing.plan import MAX_ROUNDS_AHEAD, plan_round, round_size
from assessment.model.stop import MOST_PER_ITEM
from assessment.workflow.state import (
    ComparisonRow,
    ComparisonStatus,
    JudgeRow,
    RoundRow,
    WorkflowOptions,
    WorkflowState,
)
from assessment.workflow.tally import Tally
from contracts.enums import LLMBatchingMode

#: Share of the budget that is planned after each wave of provider batches.
WAVES = (0.5, 0.75, 1.0)


def in_waves(options: WorkflowOptions) -> bool:
    return not options.iterative or options.batching_mode is LLMBatchingMode.PROVIDER_BATCH_API


def rounds_ahead(options: WorkflowOptions) -> int:
    """Rounds that may be planned and not scored yet."""
    return 1 if in_waves(options) else MAX_ROUNDS_AHEAD


def budget(options: WorkflowOptions, n_items: int) -> int:
    """Comparisons of n_items essays, at most; those that fail for good are part of it."""
    per_essay = floor(min(options.max_comparisons_per_essay, MOST_PER_ITEM) * n_items / 2)
    return per_essay if options.max_comparisons is None else min(per_essay, options.max_comparisons)


@dataclass(frozen=True, slots=True)
class AssessmentEstimate:
    """What an assessment takes at most, failures aside. cost_usd: None if a price is unknown."""

    comparisons: int
    cost_usd: float | None


def estimate(options: WorkflowOptions, judges: Sequence[JudgeRow], n_items: int) -> AssessmentEstimate:
    """Before the first call: comparisons within the budgets, and their cost by the judges' shares and prices."""
    comparisons = budget(options, n_items)
    shares = sum(judge.share for judge in judges)
    prices = [judge.estimated_cost_usd for judge in judges]
    if None in prices:
        return AssessmentEstimate(comparisons, None)
    each = sum(judge.share * (judge.estimated_cost_usd or 0.0) for judge in judges) / shares
    if options.max_cost_usd is not None and each:
        comparisons = min(comparisons, floor(options.max_cost_usd / each))
    return AssessmentEstimate(comparisons, comparisons * each)


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """Attributes: the rows to insert, and why there are no more of them (at most one of the flags)."""

    comparisons: tuple[ComparisonRow, ...] = ()
    exhausted: bool = False
    over_budget: bool = False
    over_cost: bool = False


class Planner:
    """Plans the next rounds of a state, one after the other.

    Parameters
    ----------
    state : WorkflowState
        Before the decision.
    tally : Tally
        Of it. Comparisons that failed for good are left out of the history, so that their essays come first; so are
        broken essays. Broken judges get nothing.
    strengths : tuple of float
        Of the newest fit, one for each essay; empty before there is one.
    """

    def __init__(self, state: WorkflowState, tally: Tally, strengths: tuple[float, ...]) -> None:
        self._options = state.assessment.options
        self._items = tally.playing(state.essays)
        self._costs, self._reserved = tally.costs, tally.reserved
        self._money = None if self._options.max_cost_usd is None else self._options.max_cost_usd - tally.spent
        self._dealt_to = tally.working_judges()
        self._shares = [state.judges[judge].share for judge in self._dealt_to]
        # Judges that get nothing any more are numbered behind the others.
        idle = [judge.index for judge in state.judges if judge.index not in self._dealt_to]
        seat = {judge: number for number, judge in enumerate([*self._dealt_to, *idle])}
        place = {essay: item for item, essay in enumerate(self._items)}
        self._strengths = None if not strengths else [strengths[essay] for essay in self._items]
        kept = [
            (place[one.first], place[one.second], seat[one.judge])
            for one in state.comparisons
            if one.first in place
            and one.second in place
            and one.status is not ComparisonStatus.FAILED
            and one.number not in tally.failing
        ]
        self._shown = np.array([row[:2] for row in kept], dtype=np.intp).reshape(-1, 2)
        self._judges = np.array([row[2] for row in kept], dtype=np.intp)
        self._next_number = len(state.comparisons)
        self._next_round = len(state.rounds)

    def next_round(self) -> RoundPlan:
        """Plan one more round, or wave."""
        limit = budget(self._options, len(self._items))
        wave = in_waves(self._options)
        goal = limit
        if wave and self._options.iterative:
            goals = [floor(limit * share) for share in WAVES[self._next_round :]]
            goal = next((one for one in goals if one >= self._next_number + round_size(len(self._items))), limit)
        rows: list[ComparisonRow] = []
        while True:
            plan = self._matching(goal)
            rows += plan.comparisons
            if not wave or not plan.comparisons:
                break
        if not rows:
            return plan
        self._next_round += 1
        return RoundPlan(tuple(rows))

    def _matching(self, goal: int) -> RoundPlan:
        """Each essay once."""
        n = len(self._items)
        if n < 2 or not self._dealt_to:  # noqa: PLR2004 - a comparison needs two
            return RoundPlan(exhausted=True)
        free = goal - self._next_number
        # Less than a round is planned only where the budget holds no whole one.
        if free < round_size(n) and (self._next_number or free < 1):
            return RoundPlan(over_budget=True)
        pairs, dealt = self._choose(n)
        pairs, dealt = pairs[:free], dealt[:free]
        if not len(pairs):
            return RoundPlan(exhausted=True)
        costs = np.cumsum([self._costs[self._dealt_to[seat]] for seat in dealt.tolist()])
        if self._money is not None:
            paid = int(np.sum(self._reserved + costs <= self._money))
            if paid < len(pairs) and (self._next_number or not paid):
                return RoundPlan(over_cost=True)
            pairs, dealt, costs = pairs[:paid], dealt[:paid], costs[:paid]
        self._reserved += float(costs[-1])
        self._shown, self._judges = np.concatenate([self._shown, pairs]), np.concatenate([self._judges, dealt])
        rows = tuple(
            ComparisonRow(
                number=self._next_number + offset,
                round=self._next_round,
                first=self._items[one],
                second=self._items[other],
                judge=self._dealt_to[seat],
            )
            for offset, ((one, other), seat) in enumerate(zip(pairs.tolist(), dealt.tolist(), strict=True))
        )
        self._next_number += len(rows)
        return RoundPlan(rows)

    def _choose(self, n: int) -> tuple[Indices, Indices]:
        """(pairs, judge of each); empty when nothing new is left to ask."""
        options = self._options
        history = read_history(n, self._shown, self._judges)
        pairs = plan_round(
            history,
            self._strengths,
            seed=options.seed,
            n_judges=len(self._shares),
            allow_repeats=options.allow_repeats,
        )
        dealt = deal(pairs, history, self._shares, seed=options.seed, allow_repeats=options.allow_repeats)
        return pairs[dealt >= 0], dealt[dealt >= 0]


def round_row(comparisons: tuple[ComparisonRow, ...]) -> RoundRow:
    return RoundRow(number=comparisons[0].round, planned=len(comparisons))
