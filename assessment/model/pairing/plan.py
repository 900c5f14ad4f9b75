"""The next round: each item once, nearest strengths together after three rounds at random.

Of a dozen rules that were simulated, none needs fewer comparisons than this one: pairs of expected information gain,
A- and D-optimal designs, Swiss and progressive pairing, Thompson sampling, and ASAP (docs/judging.md). Nothing but the
strengths of the fit may choose pairs: pairs that are chosen by known grades ruin the estimate of the prior, silently.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from assessment.model.arrays import Array, Indices, numbers, whole_number
from assessment.model.pairing.factors import can_finish, next_factor
from assessment.model.pairing.history import PairHistory
from assessment.model.pairing.matching import match
from assessment.model.pairing.orientation import orient, reversed_pairs

#: The estimate of the prior needs them (assessment.model.strengths.prior).
RANDOM_ROUNDS = 3
#: Rounds that may be planned ahead of their verdicts. Two cost nothing, four cost one comparison an item.
MAX_ROUNDS_AHEAD = 2
#: Up to here the choice of pairs makes no difference, and a round robin meets every pair once.
ROUND_ROBIN_ITEMS = 16


def plan_round(
    history: PairHistory,
    strengths: Sequence[float] | ArrayLike | None,
    *,
    seed: int = 0,
    n_judges: int = 1,
    allow_repeats: bool = False,
) -> Indices:
    """Choose the pairs of the next round.

    Parameters
    ----------
    history : PairHistory
        Everything that was shown or is planned. A pair whose verdict is lost for good may be left out; its items come
        first in the next round.
    strengths : array, shape (n,), or None
        Of the newest fit, in logits; None (pairs at random) before there is one.
    seed : int
        Of this assessment, at least 0. The same arguments give the same round.
    n_judges : int
        J. A pair may be shown 2 J times: to each judge in both orders.
    allow_repeats : bool
        Show pairs again when all were shown to all judges in both orders.

    Returns
    -------
    array of int, shape (p, 2)
        (shown first, shown second). Each item is in one pair, but for one that sits out if n is odd. Counts of
        comparisons differ by at most 1, and no pair is shown again before all pairs were shown as often. Empty when
        there is nothing new to ask.

    Raises
    ------
    InvalidComparisons
        Strengths of another shape or not finite, a negative seed, or no judge.
    """
    n = history.n_items
    key = None if strengths is None else numbers(strengths, "strengths", length=n)
    whole_number(n_judges, "n_judges", least=1)
    done = len(history.shown)
    rng = np.random.default_rng([whole_number(seed, "seed", least=0), done])
    if history.level >= 2 * n_judges and not allow_repeats:
        return np.empty((0, 2), dtype=np.intp)
    if history.level % 2:
        return reversed_pairs(history)
    if n <= ROUND_ROBIN_ITEMS:
        pairs = next_factor(history, np.random.default_rng([seed, history.level]))
        return orient(pairs, history, rng)
    if key is None or round(2 * done / n) < RANDOM_ROUNDS:
        key = rng.permutation(n).astype(np.float64)
    return orient(_fresh_round(history, key, rng), history, rng)


def _fresh_round(history: PairHistory, key: Array, rng: np.random.Generator) -> Indices:
    last = can_finish(history, key, rng)
    return match(history, key, rng) if last is None else last


def round_size(n_items: int) -> int:
    """Pairs in a full round."""
    return n_items // 2
