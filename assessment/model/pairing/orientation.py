"""Which item of a pair is shown first.

An order effect and the strength of an item that is always shown first cannot be separated; an estimate of the effect
mends only part of that. So each item is shown first about as often as second.
"""

import numpy as np

from assessment.model.arrays import Indices
from assessment.model.pairing.history import PairHistory


def orient(pairs: Indices, history: PairHistory, rng: np.random.Generator) -> Indices:
    """Show first the item with the smaller skew; in a pair that was shown before, the one that was shown second.

    Parameters
    ----------
    pairs : array of int, shape (p, 2)
        Each item at most once.
    history : PairHistory
        What was shown before.
    rng : numpy.random.Generator
        Decides between equals.

    Returns
    -------
    array of int, shape (p, 2)
        (shown first, shown second).
    """
    if not len(pairs):
        return pairs
    one, other = pairs[:, 0], pairs[:, 1]
    lead = history.lead(one, other)
    lean = np.where(lead != 0, lead, history.skew[one] - history.skew[other])
    turn = np.where(lean != 0, lean > 0, rng.random(len(pairs)) < 0.5)  # noqa: PLR2004 - a coin
    return np.where(turn[:, None], pairs[:, ::-1], pairs)


def reversed_pairs(history: PairHistory) -> Indices:
    """A round of pairs in the orientation that they lack, those that were shown last first.

    In this order the skew of each item runs back the way that it came; each round of the first pass gives one round.
    """
    first, second = history.shown[:, 0], history.shown[:, 1]
    behind = (history.met(first, second) == history.level) & (history.lead(first, second) > 0)
    taken = np.zeros(history.n_items, dtype=np.bool_)
    pairs = []
    for one, other in history.shown[behind][::-1].tolist():
        if not taken[one] and not taken[other]:
            taken[one] = taken[other] = True
            pairs.append((other, one))
    return np.array(pairs, dtype=np.intp).reshape(-1, 2)
