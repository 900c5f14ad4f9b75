"""The checked input of a fit: verdicts on pairs of items, by one or more judges."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from assessment.errors import InsufficientComparisons, InvalidComparisons
from assessment.model.arrays import Array, Indices, indices, numbers, pairs_of, whole_number

#: Confidences are 1 (a guess) to 5 (certain).
LEVELS = 5


@dataclass(frozen=True, eq=False)
class Verdicts:
    """m verdicts on n items by J judges.

    Attributes
    ----------
    n_items : int
        n.
    winner, loser : array of int, shape (m,)
    slot : array, shape (m,)
        +1 where the winner was shown first, −1 where it was shown second, 0 where this is unknown.
    judge : array of int, shape (m,)
        0 … J − 1.
    n_judges : int
        J.
    confidence : array of int, shape (m,), or None
        1 … LEVELS.
    """

    n_items: int
    winner: Indices
    loser: Indices
    slot: Array
    judge: Indices
    n_judges: int
    confidence: Indices | None

    def __len__(self) -> int:
        return len(self.winner)

    @property
    def per_item(self) -> Indices:
        """Verdicts on each item, shape (n,)."""
        return np.bincount(np.concatenate([self.winner, self.loser]), minlength=self.n_items)

    def of_judge(self, judge: int) -> "Verdicts":
        """The verdicts of one judge, who becomes judge 0."""
        return self.select(self.judge == judge, one_judge=True)

    def select(self, mask: ArrayLike, *, one_judge: bool = False) -> "Verdicts":
        """The verdicts where `mask`, shape (m,), is true."""
        chosen = np.flatnonzero(mask)
        return Verdicts(
            self.n_items,
            self.winner[chosen],
            self.loser[chosen],
            self.slot[chosen],
            np.zeros(len(chosen), dtype=np.intp) if one_judge else self.judge[chosen],
            1 if one_judge else self.n_judges,
            None if self.confidence is None else self.confidence[chosen],
        )


def read_verdicts(
    n_items: int,
    comparisons: Sequence[tuple[int, int]] | ArrayLike,
    first: Sequence[int] | ArrayLike | None = None,
    judges: Sequence[int] | ArrayLike | None = None,
    confidence: Sequence[float] | ArrayLike | None = None,
) -> Verdicts:
    """Check verdicts.

    Parameters
    ----------
    n_items : int
        n, at least 2.
    comparisons : array of int, shape (m, 2)
        (winner, loser) of each comparison, m at least 1.
    first : array of int, shape (m,), optional
        The item of each comparison that was shown first.
    judges : array of int, shape (m,), optional
        The judge of each comparison, 0 … J − 1; one judge when not given.
    confidence : array of numbers, shape (m,), optional
        The confidence of each verdict, 1 to LEVELS. Fractions are rounded to the nearest whole number, halves up.

    Raises
    ------
    InsufficientComparisons
        Fewer than two items, or no comparison.
    InvalidComparisons
        Wrong shapes, not whole numbers, an item out of range, an item compared with itself, a `first` that is neither
        of the two, or a confidence outside 1 … LEVELS.

    Notes
    -----
    Each row counts as one verdict. The caller removes verdicts that were delivered twice: the same row twice makes the
    claimed reliability too high (assessment.model.pairing.repeats helps).
    """
    n = whole_number(n_items, "n_items", least=0)
    if n < 2:  # noqa: PLR2004 - a comparison needs two
        raise InsufficientComparisons(f"need at least two items, got {n}")
    pairs = pairs_of(comparisons, "comparisons", n_items=n)
    m = len(pairs)
    if m == 0:
        raise InsufficientComparisons("no comparison to fit")
    slot = np.zeros(m)
    if first is not None:
        shown = indices(first, "first", below=n, length=m)
        if np.any((shown != pairs[:, 0]) & (shown != pairs[:, 1])):
            raise InvalidComparisons("first: neither winner nor loser of its comparison")
        slot = np.where(shown == pairs[:, 0], 1.0, -1.0)
    judge = np.zeros(m, dtype=np.intp) if judges is None else indices(judges, "judges", length=m)
    if judge.max() > m:
        raise InvalidComparisons("judges: must be numbered from 0 without large gaps")
    levels = None if confidence is None else read_confidence(confidence, length=m)
    return Verdicts(n, pairs[:, 0], pairs[:, 1], slot, judge, int(judge.max()) + 1, levels)


def read_confidence(confidence: Sequence[float] | ArrayLike, *, length: int | None = None) -> Indices:
    """Confidences as whole numbers; halves are rounded up. Raises InvalidComparisons when one is not 1 … LEVELS."""
    levels = np.floor(numbers(confidence, "confidence", length=length) + 0.5)
    if levels.size and (levels.min() < 1 or levels.max() > LEVELS):
        raise InvalidComparisons(f"confidence: must be 1 to {LEVELS}")
    return levels.astype(np.intp)
