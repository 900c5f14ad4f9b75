"""When a pair counts again.

A judge that answers nearly the same each time gives no new evidence when it sees the same pair in the same order again.
So per judge a pair counts once in each orientation, unless repeats are allowed.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from assessment.model.arrays import Flags
from assessment.model.pairing.history import PairHistory, read_history


def counts_once(
    n_items: int, shown: Sequence[tuple[int, int]] | ArrayLike, judges: Sequence[int] | ArrayLike | None = None
) -> Flags:
    """Which verdicts to fit: of each judge the first one on each ordered pair.

    Parameters
    ----------
    n_items : int
        n, at least 2.
    shown : array of int, shape (m, 2)
        (shown first, shown second).
    judges : array of int, shape (m,), optional
        The judge of each.

    Returns
    -------
    array of bool, shape (m,)

    Raises
    ------
    InvalidComparisons
        As read_history.
    """
    history = read_history(n_items, shown, judges)
    mask = np.zeros(len(history.shown), dtype=np.bool_)
    mask[np.unique(_codes(history), return_index=True)[1]] = True
    return mask


def pairs_exhausted(history: PairHistory, *, n_judges: int = 1) -> bool:
    """Whether each judge was shown each pair in both orders, so that nothing new is left to ask."""
    everything = n_judges * history.n_items * (history.n_items - 1)
    return len(history.shown) >= everything and len(np.unique(_codes(history))) >= everything


def _codes(history: PairHistory) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    n = history.n_items
    return np.asarray((history.judge * n + history.shown[:, 0]) * n + history.shown[:, 1])
