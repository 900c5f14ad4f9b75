"""When to stop asking for comparisons."""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from assessment.errors import InvalidComparisons
from assessment.model.arrays import indices, numbers, positive, whole_number

DEFAULT_TARGET = 0.90
#: A target above this needs more comparisons than any budget allows in a small set.
HIGHEST_TARGET_OF_FEW, FEW = 0.95, 50
#: Below it the claimed reliability is too high too often, and the estimate of the prior may be trapped far too low.
MIN_PER_ITEM = 8
#: Scored rounds in a row that must claim the target: one alone is lucky more often than it says.
ROUNDS_IN_A_ROW = 2
#: Comparisons an item. Beyond it a reliability of .90 is out of reach: the judge sees differences too small for it.
MOST_PER_ITEM = 24


class AssessmentStopReason(StrEnum):
    """Why an assessment stopped."""

    TARGET = "target"
    BUDGET = "budget"
    PAIRS_EXHAUSTED = "pairs_exhausted"


def check_target(target: float, n_items: int) -> float:
    """A target reliability that can be reached.

    Raises
    ------
    InvalidComparisons
        Not between 0 and 1, or .95 and above for fewer than 50 items.
    """
    target = positive(target, "target reliability", low=0.0, high=1.0)
    if target >= HIGHEST_TARGET_OF_FEW and n_items < FEW:
        raise InvalidComparisons(f"a target reliability of {target:g} is out of reach with fewer than {FEW} essays")
    return target


def stop_reason(
    reliabilities: Sequence[float] | ArrayLike,
    counts: Sequence[int] | ArrayLike,
    *,
    exhausted: bool,
    target: float = DEFAULT_TARGET,
    budget_per_item: float = MOST_PER_ITEM,
    n_judges: int = 1,
) -> AssessmentStopReason | None:
    """Decide after a scored round.

    Parameters
    ----------
    reliabilities : array, shape (r,)
        Claimed reliability after each scored round, the newest last. Rounds that are scored without some of their
        verdicts count when these have come or are given up.
    counts : array of int, shape (n,)
        Verdicts on each item.
    exhausted : bool
        Nothing new is left to ask (assessment.model.pairing.repeats.pairs_exhausted).
    target : float
        See check_target.
    budget_per_item : float
        Comparisons an item, at most; MOST_PER_ITEM is the bound of every budget.
    n_judges : int
        J: each item has 2 J (n − 1) ordered pairs, which may be fewer than MIN_PER_ITEM.

    Returns
    -------
    AssessmentStopReason or None
        None: go on. The budget is used up when one more round would exceed it.

    Raises
    ------
    InvalidComparisons
        An argument out of its bounds.
    """
    claims = numbers(reliabilities, "reliabilities")
    verdicts = indices(counts, "counts")
    if verdicts.ndim != 1 or not len(verdicts):
        raise InvalidComparisons("counts: want one for each item")
    n = len(verdicts)
    target = check_target(target, n)
    budget = min(positive(budget_per_item, "budget_per_item", low=0.0, high=float("inf")), MOST_PER_ITEM)
    enough = min(MIN_PER_ITEM, 2 * whole_number(n_judges, "n_judges", least=1) * (n - 1))
    latest = claims[-ROUNDS_IN_A_ROW:]
    if len(latest) == ROUNDS_IN_A_ROW and np.all(latest >= target) and verdicts.min() >= enough:
        return AssessmentStopReason.TARGET
    if exhausted:
        return AssessmentStopReason.PAIRS_EXHAUSTED
    return AssessmentStopReason.BUDGET if verdicts.sum() + 2 * (n // 2) > budget * n else None


def reason_shares(reasons: Iterable[AssessmentStopReason]) -> dict[AssessmentStopReason, float]:
    """The share of each reason among assessments that stopped, adding up to 1; all 0 without an assessment."""
    counts = Counter(reasons)
    return {reason: counts[reason] / max(counts.total(), 1) for reason in AssessmentStopReason}
