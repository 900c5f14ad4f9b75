"""Which pairs were shown so far, including those whose verdict is still to come."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from assessment.model.arrays import Indices, indices, pairs_of, whole_number


@dataclass(frozen=True, eq=False)
class PairHistory:
    """m pairs of n items that were shown, in the order of showing.

    Attributes
    ----------
    n_items : int
        n.
    shown : array of int, shape (m, 2)
        (shown first, shown second).
    judge : array of int, shape (m,)
        Who judged, or judges, each of them.
    """

    n_items: int
    shown: Indices
    judge: Indices

    @cached_property
    def counts(self) -> Indices:
        """Comparisons of each item, shape (n,)."""
        return np.bincount(self.shown.ravel(), minlength=self.n_items)

    @cached_property
    def skew(self) -> Indices:
        """How much more often each item was shown first than second, shape (n,)."""
        first = np.bincount(self.shown[:, 0], minlength=self.n_items)
        return first - np.bincount(self.shown[:, 1], minlength=self.n_items)

    @cached_property
    def _meetings(self) -> tuple[Indices, Indices, Indices]:
        """(code of each different pair, ascending; how often it was shown; firsts of the lower item minus seconds)."""
        low, high = self.shown.min(axis=1), self.shown.max(axis=1)
        codes, where, counts = np.unique(low * self.n_items + high, return_inverse=True, return_counts=True)
        lead = np.bincount(where, np.where(self.shown[:, 0] == low, 1, -1), len(codes))
        return codes, counts, lead.astype(np.intp)

    @cached_property
    def level(self) -> int:
        """How often each pair was shown at least."""
        codes, counts, _ = self._meetings
        return int(counts.min()) if len(codes) == self.n_items * (self.n_items - 1) // 2 else 0

    def met(self, one: Indices, other: Indices) -> Indices:
        """How often each of the pairs (one, other) was shown; same shape as both."""
        codes, counts, _ = self._meetings
        at, known = self._find(codes, one, other)
        return np.where(known, np.append(counts, 0)[at], 0)

    def lead(self, one: Indices, other: Indices) -> Indices:
        """For each of the pairs: how much more often `one` was shown first than `other`."""
        codes, _, lead = self._meetings
        at, known = self._find(codes, one, other)
        return np.where(known, np.where(one < other, 1, -1) * np.append(lead, 0)[at], 0)

    def _find(self, codes: Indices, one: Indices, other: Indices) -> tuple[Indices, Indices]:
        code = np.minimum(one, other) * self.n_items + np.maximum(one, other)
        at = np.searchsorted(codes, code)
        return at, np.append(codes, -1)[at] == code


def read_history(
    n_items: int,
    shown: Sequence[tuple[int, int]] | ArrayLike = (),
    judges: Sequence[int] | ArrayLike | None = None,
) -> PairHistory:
    """Check a history.

    Parameters
    ----------
    n_items : int
        n, at least 2.
    shown : array of int, shape (m, 2)
        (shown first, shown second) of each pair, in the order of showing.
    judges : array of int, shape (m,), optional
        The judge of each; one judge when not given.

    Raises
    ------
    InvalidComparisons
        Wrong shapes, not whole numbers, an item out of range, or an item paired with itself.
    """
    n = whole_number(n_items, "n_items", least=2)
    pairs = pairs_of(shown, "shown", n_items=n)
    judge = np.zeros(len(pairs), dtype=np.intp) if judges is None else indices(judges, "judges", length=len(pairs))
    return PairHistory(n, pairs, judge)
