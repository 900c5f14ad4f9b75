"""Verdicts as the rows of a logistic model, equal rows counted together.

Each row says: with log odds z = a (θ_i − θ_j) + s γ + κ t, its answer has the factor σ(z) in the likelihood. A plain
verdict is one row (i wins, κ = 0). A graded one of level c is one row with κ t = −t_{c−1}, and, unless c is the highest
level, one of the loser against the winner with κ t = +t_c (see assessment.model.strengths.cuts). So both kinds of
answers share one likelihood, which is log-concave (Pratt 1981, J. Am. Stat. Assoc. 76).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assessment.errors import InvalidComparisons
from assessment.model.arrays import Array, Indices
from assessment.model.strengths.cuts import Cuts
from assessment.model.strengths.verdicts import LEVELS, Verdicts


@dataclass(frozen=True, eq=False)
class AnswerRows:
    """R different rows over n strengths and q nuisance parameters (order effects first, then thresholds).

    Attributes
    ----------
    i, j : array of int, shape (R,)
        The items whose strengths enter with +slope and −slope.
    slope : array, shape (R,)
        a, the judge's discrimination.
    count : array, shape (R,)
        How many answers have this row.
    slot_column, cut_column : array of int, shape (R,)
        The nuisance parameters of order effect and threshold; q where there is none.
    slot, cut : array, shape (R,)
        Their coefficients: −1, 0 or 1.
    n_orders : int
        The number of order effects.
    cuts : tuple of Cuts
        Thresholds, one for each judge whose answers are graded.
    """

    n_items: int
    n_nuisance: int
    i: Indices
    j: Indices
    slope: Array
    count: Array
    slot_column: Indices
    slot: Array
    cut_column: Indices
    cut: Array
    n_orders: int
    cuts: tuple[Cuts, ...]


def make_rows(
    verdicts: Verdicts, *, with_order: bool, graded: Sequence[int] = (), discrimination: Array | None = None
) -> AnswerRows:
    """Aggregate verdicts.

    Parameters
    ----------
    verdicts : Verdicts
        Of all judges.
    with_order : bool
        Whether to fit an order effect for each judge.
    graded : sequence of int
        Judges whose confidences are fitted. One who used a single level has no threshold: its answers stay plain.
    discrimination : array, shape (J,), optional
        a of each judge; 1 when not given.

    Raises
    ------
    InvalidComparisons
        A judge is to be graded and there are no confidences.
    """
    n, n_orders = verdicts.n_items, verdicts.n_judges if with_order else 0
    level = np.ones(len(verdicts), dtype=np.intp)
    cuts: list[Cuts] = []
    below = np.full((verdicts.n_judges, LEVELS + 2), -1)
    above = np.full((verdicts.n_judges, LEVELS + 2), -1)
    start = n_orders
    for judge in graded:
        if verdicts.confidence is None:
            raise InvalidComparisons("graded answers need confidences")
        mine = verdicts.judge == judge
        tally = np.bincount(verdicts.confidence[mine], minlength=LEVELS + 1)
        used = np.flatnonzero(tally)
        if len(used) < 2:  # noqa: PLR2004 - one level says nothing
            continue
        level[mine] = verdicts.confidence[mine]
        cuts.append(Cuts(start, tally[used].astype(np.float64)))
        columns = np.arange(start, start + len(used) - 1)
        below[judge, used[1:]] = columns
        above[judge, used[:-1]] = columns
        start += len(columns)
    answers = _count(verdicts, level, n)
    i, j, slot, judge_of, its_level, count = answers
    slope = np.ones(len(i)) if discrimination is None else discrimination[judge_of]
    upper = above[judge_of, its_level]
    more = np.flatnonzero(upper >= 0)
    lower = below[judge_of, its_level]
    slot_column = judge_of if n_orders else np.full(len(i), start)
    return AnswerRows(
        n_items=n,
        n_nuisance=start,
        i=np.concatenate([i, j[more]]),
        j=np.concatenate([j, i[more]]),
        slope=np.concatenate([slope, slope[more]]),
        count=np.concatenate([count, count[more]]),
        slot_column=np.concatenate([slot_column, slot_column[more]]),
        slot=np.concatenate([slot, -slot[more]]) if n_orders else np.zeros(len(i) + len(more)),
        cut_column=np.concatenate([np.where(lower < 0, start, lower), upper[more]]),
        cut=np.concatenate([np.where(lower < 0, 0.0, -1.0), np.ones(len(more))]),
        n_orders=n_orders,
        cuts=tuple(cuts),
    )


def _count(verdicts: Verdicts, level: Indices, n: int) -> tuple[Indices, Indices, Array, Indices, Indices, Array]:
    """(winner, loser, slot, judge, level, count) of each different answer."""
    sides, levels = 3, LEVELS + 1
    code = (verdicts.judge * levels + level) * sides + verdicts.slot.astype(np.intp) + 1
    code = (code * n + verdicts.winner) * n + verdicts.loser
    codes, count = np.unique(code, return_counts=True)
    rest, loser = np.divmod(codes, n)
    rest, winner = np.divmod(rest, n)
    rest, side = np.divmod(rest, sides)
    judge, its_level = np.divmod(rest, levels)
    return winner, loser, side - 1.0, judge, its_level, count.astype(np.float64)
