"""Medians and shares with their noise: the standard error over the runs."""

import numpy as np

_RESAMPLES = 400


def spread(values, statistic=np.median, seed=0):
    """(statistic, its bootstrap standard error) over the runs, along the first axis."""
    values = np.asarray(values, dtype=float)
    rng = np.random.default_rng(seed)
    found = [statistic(values[rng.integers(0, len(values), len(values))]) for _ in range(_RESAMPLES)]
    return float(statistic(values)), float(np.nanstd(found))


def reaches(curves, ks, level=0.95):
    """The k, interpolated, at which the median of `curves`, shape (runs, rounds), reaches `level`; nan if never."""
    median = np.median(curves, axis=0)
    above = np.flatnonzero(median >= level)
    if not len(above):
        return np.nan
    place = above[0]
    if place == 0:
        return float(ks[0])
    part = (level - median[place - 1]) / (median[place] - median[place - 1])
    return float(ks[place - 1] + part * (ks[place] - ks[place - 1]))
