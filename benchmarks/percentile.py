"""Percentiles, the same way everywhere."""

from collections.abc import Iterable


def percentile(values: Iterable[float], share: int) -> float:
    """The smallest value that at least `share` per cent of all do not exceed. Raises ValueError when there is none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return ordered[max(-(-len(ordered) * share // 100), 1) - 1]
