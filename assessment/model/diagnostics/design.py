"""What the pairs alone show: groups that were never compared, and how evenly items were compared and shown first."""

from dataclasses import dataclass

import numpy as np

from assessment.model.arrays import Indices
from assessment.model.strengths.verdicts import Verdicts

#: An item with fewer comparisons than this share of the median is to be named in a result.
FEW_SHARE = 0.7


@dataclass(frozen=True, eq=False)
class DesignReport:
    """About n items.

    Attributes
    ----------
    components : int
        Groups of items that are connected by comparisons; an item without a comparison is one group. More
        than 1: the ranking relates the groups by nothing but the prior, so it must not be read as one list.
    component : array of int, shape (n,)
        The group of each item, numbered from 0 in the order of their first items.
    counts : array of int, shape (n,)
        Comparisons of each item.
    few : array of int
        Items with fewer than FEW_SHARE of the median count.
    skew : array of int, shape (n,)
        How much more often each was shown first than second.
    worst_skew : int
        The largest absolute skew. Where it is large, order effect and strengths cannot be separated.
    """

    components: int
    component: Indices
    counts: Indices
    few: Indices
    skew: Indices
    worst_skew: int


def describe_design(verdicts: Verdicts) -> DesignReport:
    """Describe the pairs of verdicts. Skews are 0 where it is not known which item was shown first."""
    n = verdicts.n_items
    component = _components(n, verdicts.winner, verdicts.loser)
    counts = verdicts.per_item
    lean = np.bincount(verdicts.winner, verdicts.slot, n) - np.bincount(verdicts.loser, verdicts.slot, n)
    skew = np.rint(lean).astype(np.intp)
    return DesignReport(
        components=int(component.max()) + 1,
        component=component,
        counts=counts,
        few=np.flatnonzero(counts < FEW_SHARE * np.median(counts)),
        skew=skew,
        worst_skew=int(np.max(np.abs(skew))),
    )


def _components(n: int, one: Indices, other: Indices) -> Indices:
    """Label propagation: each item takes the lowest label of its neighbours, and of the item that has that label."""
    label = np.arange(n)
    while True:
        lowest = np.minimum(label[one], label[other])
        after = label.copy()
        np.minimum.at(after, one, lowest)
        np.minimum.at(after, other, lowest)
        np.minimum.at(after, label[one], lowest)
        np.minimum.at(after, label[other], lowest)
        after = after[after]
        if np.array_equal(after, label):
            return np.unique(label, return_inverse=True)[1].astype(np.intp)
        label = after
