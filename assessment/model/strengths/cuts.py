"""The terms of the log posterior that hold only the thresholds of graded answers (see assessment.model.strengths.rows).

A judge's answer of level c means that the margin it perceived lies between its thresholds t_{c−1} and t_c, where
t_0 = 0 and the highest level has no upper threshold. The probability of a margin y between l and h, for log odds η of
the winner, is σ(h − η) − σ(l − η) = σ(h − η) σ(η − l) (1 − e^−(h − l)). The first two factors are rows like those of a
plain verdict; the third holds only thresholds, and is here.
"""

from dataclasses import dataclass
from math import lgamma, log

import numpy as np

from assessment.model.arrays import Array, Indices
from assessment.model.strengths.logistic import curvature, curvature_slope, log_sigmoid, sigmoid


@dataclass(frozen=True, eq=False)
class Cuts:
    """The thresholds of one judge.

    Attributes
    ----------
    start : int
        Where they begin among the nuisance parameters.
    counts : array, shape (K,)
        Answers of each of the K levels that the judge used, all positive; there are K − 1 thresholds.

    Notes
    -----
    The prior of the thresholds: the probabilities of the K levels, between two equal essays, have a uniform Dirichlet
    distribution. Its density in t is Γ(K) Π 2 σ′(t_c), which is log-concave.
    """

    start: int
    counts: Array

    @property
    def stop(self) -> int:
        return self.start + len(self.counts) - 1

    def initial(self) -> Array:
        """The thresholds that make the observed shares of the levels those between two equal essays."""
        below = np.cumsum(self.counts)[:-1] / self.counts.sum()
        return np.asarray(np.log1p(below) - np.log1p(-below))

    def value(self, nuisance: Array) -> float:
        """The terms' value, with the normalised prior; −∞ unless the thresholds are positive and ascending."""
        t = nuisance[self.start : self.stop]
        gaps = np.diff(t, prepend=0.0)
        if np.any(gaps <= 0):
            return -np.inf
        between = float(self.counts[:-1] @ np.log(-np.expm1(-gaps)))
        prior = lgamma(len(self.counts)) + len(t) * log(2) + float(np.sum(log_sigmoid(t) + log_sigmoid(-t)))
        return between + prior

    def add_gradient(self, nuisance: Array, gradient: Array) -> None:
        t = nuisance[self.start : self.stop]
        pull = self.counts[:-1] / np.expm1(np.diff(t, prepend=0.0))
        gradient[self.start : self.stop] += pull - np.append(pull[1:], 0.0) + 1.0 - 2.0 * sigmoid(t)

    def add_curvature(self, nuisance: Array, matrix: Array) -> None:
        t = nuisance[self.start : self.stop]
        gaps = np.diff(t, prepend=0.0)
        # −g″ of g(d) = log(1 − e^−d) is e^d / (e^d − 1)² = 1 / (4 sinh²(d / 2)).
        self._add(matrix, self.counts[:-1] / (4 * np.sinh(gaps / 2) ** 2), 2 * curvature(t))

    def add_curvature_slope(self, nuisance: Array, change: Array, matrix: Array) -> None:
        """The derivative of the curvature in the direction `change`, shape (q,)."""
        t, moved = nuisance[self.start : self.stop], change[self.start : self.stop]
        gaps = np.diff(t, prepend=0.0)
        steepness = -self.counts[:-1] / (4 * np.sinh(gaps / 2) ** 2 * np.tanh(gaps / 2))
        self._add(matrix, steepness * np.diff(moved, prepend=0.0), 2 * curvature_slope(t) * moved)

    def _add(self, matrix: Array, gaps: Array, own: Array) -> None:
        """Add `gaps` for each difference of neighbouring thresholds (the first from 0), `own` for each threshold."""
        at: Indices = np.arange(self.start, self.stop)
        matrix[at, at] += gaps + np.append(gaps[1:], 0.0) + own
        matrix[at[1:], at[:-1]] -= gaps[1:]
        matrix[at[:-1], at[1:]] -= gaps[1:]
