"""Estimates the standard deviation τ of the strengths' prior from the verdicts (empirical Bayes).

The estimate holds for pairs that were chosen at random, or by earlier verdicts **after three rounds at random**. With
nearest-strength pairing after a single random round the marginal likelihood peaks far too low while each essay has few
verdicts, nearly all on even pairs (300 items: τ .55 instead of 2). It does not hold for pairs that were chosen by what
is known from elsewhere, such as grades.
"""

from dataclasses import dataclass
from math import exp, log

import numpy as np

from assessment.model.arrays import Array
from assessment.model.strengths.matrix import DENSE_LIMIT, Matrix
from assessment.model.strengths.mode import find_mode
from assessment.model.strengths.posterior import Posterior

#: In logits. Below them items are practically equal; above them the weaker item practically never wins.
BOUNDS = (0.05, 10.0)
#: The estimate is pulled towards 1 logit with the weight of this many items. With few comparisons the likelihood of τ
#: is nearly flat, and this keeps τ away from 0 and infinity (Chung et al. 2013, Psychometrika 78).
PSEUDO_ITEMS = 1.0
PSEUDO_SD = 1.0
#: Sign vectors of Hutchinson's trace estimate (1990), above DENSE_LIMIT items. The error of a trace, relative to it, is
#: below √(2 / (n · probes)): some two per cent at most.
_PROBES = 16
#: Tolerance of log τ. Within it, strengths change by far less than their standard errors.
_TOLERANCE = 3e-4
#: While τ is sought: of the gradient (in comparisons), of the mode's place (in logits), and of iterative solutions.
_LOOSE, _NEAR, _SOLVE = 1e-4, 0.002, 1e-3
#: A first guess of the second derivative of the log marginal likelihood in log τ, for each item, with its sign changed.
_BEND = 0.5
_MAX_EVALUATIONS = 60
_MAX_JUMP = 1.5


@dataclass(frozen=True, eq=False)
class PriorSd:
    """An estimate of τ.

    Attributes
    ----------
    sd : float
        τ in logits, within BOUNDS.
    log_error : float
        Standard error of log τ, from the curvature of the marginal likelihood; infinite at a bound.
    parameters : array, shape (n + q,)
        The mode at τ, nearly: a start for find_mode.
    """

    sd: float
    log_error: float
    parameters: Array


@dataclass(eq=False)
class _Point:
    log_sd: float
    slope: float
    parameters: Array
    #: Derivative of the mode with respect to log τ.
    drift: Array


def estimate_prior_sd(
    posterior: Posterior, *, pseudo_items: float = PSEUDO_ITEMS, start: PriorSd | None = None, limit: int = 50
) -> PriorSd:
    """The τ that maximises the marginal likelihood in Laplace's approximation.

    Parameters
    ----------
    posterior : Posterior
        Of the verdicts.
    pseudo_items : float
        Weight of the prior of τ; 0 for none.
    start : PriorSd, optional
        An estimate to begin with; the result does not depend on it beyond the tolerance.
    limit : int
        Maximum number of Newton steps of each mode.

    Raises
    ------
    ScoreConvergenceFailed
        A mode was not found.

    Notes
    -----
    The marginal likelihood is log p(y|θ̂) + log p(θ̂|τ) − ½ log |H|, H being the curvature at the mode θ̂(τ)
    (Breslow & Clayton 1993, J. Am. Stat. Assoc. 88). They then neglect the change of the weights in H with τ; this
    function does not: neglecting it, as EM on modes does, makes τ a quarter too small at 10 comparisons per item.
    τ² has a scaled inverse χ² prior, worth `pseudo_items` items of standard deviation PSEUDO_SD. The root of the
    derivative is found by the secant method within a shrinking bracket.
    """
    marginal = _Marginal(posterior, pseudo_items, limit)
    floor, ceiling = log(BOUNDS[0]), log(BOUNDS[1])
    low, high = floor, ceiling
    bend, jump = -_BEND * posterior.n, 1.0
    point = marginal.at(log(start.sd) if start else 0.0, start.parameters if start else posterior.start())
    guess = point.log_sd
    for _ in range(_MAX_EVALUATIONS):
        if (point.log_sd <= floor and point.slope <= 0) or (point.log_sd >= ceiling and point.slope >= 0):
            return PriorSd(exp(point.log_sd), np.inf, point.parameters)
        low, high = (point.log_sd, high) if point.slope > 0 else (low, point.log_sd)
        step = -point.slope / bend if bend < 0 else np.sign(point.slope) * _MAX_JUMP
        guess = float(np.clip(point.log_sd + np.clip(step, -_MAX_JUMP, _MAX_JUMP), floor, ceiling))
        if not (low < guess < high or guess in {floor, ceiling}):
            guess = 0.5 * (low + high)
        # The error of a secant step is proportional to the product of this step and the last one.
        if abs(guess - point.log_sd) * min(abs(jump), 1.0) < _TOLERANCE:
            break
        jump = guess - point.log_sd
        last, point = point, marginal.at(guess, point.parameters + point.drift * jump)
        bend = (point.slope - last.slope) / jump
    parameters = point.parameters + point.drift * (guess - point.log_sd)
    return PriorSd(exp(guess), 1 / np.sqrt(-bend) if bend < 0 else np.inf, parameters)


class _Marginal:
    """The derivative of the log marginal likelihood plus the log prior of τ, with respect to log τ."""

    def __init__(self, posterior: Posterior, pseudo_items: float, limit: int) -> None:
        self._posterior, self._pseudo_items, self._limit = posterior, pseudo_items, limit
        self._solved: Array | None = None
        self._drift: Array | None = None
        self._probes = None if posterior.n <= DENSE_LIMIT else _signs(posterior.n + posterior.q)

    def at(self, log_sd: float, start: Array) -> _Point:
        posterior, n, sd = self._posterior, self._posterior.n, exp(log_sd)
        precision = posterior.precision(sd)
        mode = find_mode(posterior, precision, start, tolerance=_LOOSE, limit=self._limit, near=_NEAR)
        right = np.zeros(len(mode.parameters))
        right[:n] = 2 / sd**2 * mode.parameters[:n]
        errors, drift, reweighting = self._traces(mode.curvature, mode.parameters, right)
        explained = float(np.sum(mode.parameters[:n] ** 2)) + errors + self._pseudo_items * PSEUDO_SD**2
        slope = explained / sd**2 - (n + self._pseudo_items) - 0.5 * reweighting
        return _Point(log_sd, slope, mode.parameters, drift)

    def _traces(self, curvature: Matrix, x: Array, right: Array) -> tuple[float, Array, float]:
        """(tr Σ of the strengths, Σ · right, tr Σ H′), where H′ is the change of H with log τ by the mode's drift."""
        n = self._posterior.n
        if self._probes is None:
            inverse = curvature.inverse()
            drift = np.asarray(inverse @ right)
            change = self._posterior.curvature_slope(x, drift).whole()
            return float(np.trace(inverse[:n, :n])), drift, float(np.sum(change * inverse))
        self._drift = drift = curvature.solve(right, tolerance=_SOLVE, start=self._drift)
        self._solved = solved = curvature.solve(self._probes, tolerance=_SOLVE, start=self._solved)
        changed = self._posterior.curvature_slope(x, drift).times(self._probes)
        return float(np.sum(self._probes[:n] * solved[:n])), drift, float(np.sum(changed * solved))


def _signs(size: int) -> Array:
    """Columns z with E[z zᵀ] = I, divided by √columns."""
    # A fixed seed: the same data give the same fit.
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(size, _PROBES))
    return np.asarray(signs / np.sqrt(_PROBES))
