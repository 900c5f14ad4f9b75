"""Deals the pairs of a round to several judges, at random, in the shares that were asked for."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from assessment.errors import InvalidComparisons
from assessment.model.arrays import Indices, numbers, pairs_of
from assessment.model.pairing.history import PairHistory


def deal(
    pairs: Sequence[tuple[int, int]] | ArrayLike,
    history: PairHistory,
    shares: Sequence[float] | ArrayLike,
    *,
    seed: int = 0,
    allow_repeats: bool = False,
) -> Indices:
    """Choose a judge for each pair.

    Parameters
    ----------
    pairs : array of int, shape (p, 2)
        (shown first, shown second), as from plan_round.
    history : PairHistory
        What each judge was shown before.
    shares : array, shape (J,)
        Relative numbers of comparisons, positive.
    seed : int
        Of this assessment. The same arguments give the same judges.
    allow_repeats : bool
        A judge may be shown a pair again in the same order.

    Returns
    -------
    array of int, shape (p,)
        0 … J − 1; −1 for a pair that each judge was shown before in this order.

    Raises
    ------
    InvalidComparisons
        A share that is not positive, or pairs that are not of these items.
    """
    wanted = numbers(shares, "shares")
    if not len(wanted) or np.any(wanted <= 0):
        raise InvalidComparisons("shares: must be positive, one for each judge")
    wanted = wanted / wanted.sum()
    rows = pairs_of(pairs, "pairs", n_items=history.n_items)
    n, n_judges = history.n_items, len(wanted)
    seen = set(((history.judge * n + history.shown[:, 0]) * n + history.shown[:, 1]).tolist())
    given = np.bincount(history.judge, minlength=n_judges)[:n_judges].astype(np.float64)
    rng = np.random.default_rng([seed, len(history.shown), 1])
    dealt = np.full(len(rows), -1, dtype=np.intp)
    for place in rng.permutation(len(rows)).tolist():
        one, other = rows[place]
        owed = wanted * (given.sum() + 1) - given + rng.uniform(0, 1e-6, n_judges)
        for judge in np.argsort(-owed).tolist():
            if allow_repeats or (judge * n + one) * n + other not in seen:
                dealt[place] = judge
                given[judge] += 1
                break
    return dealt
