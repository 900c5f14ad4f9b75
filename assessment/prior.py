"""Estimates the standard deviation τ of the strengths' prior from the comparisons (empirical Bayes)."""

import numpy as np
from scipy import sparse
from scipy.optimize import brentq
from scipy.special import expit

from assessment.posterior import Array, Mode, find_mode

#: In logits. Below them items are practically equal; above them the weaker item practically never wins.
BOUNDS = (0.05, 10.0)
#: The estimate is pulled towards 1 logit with the weight of this many items. With few comparisons the likelihood of τ
#: is nearly flat, and this keeps τ away from 0 and infinity (Chung et al. 2013, Psychometrika 78).
PSEUDO_ITEMS = 1.0
PSEUDO_SD = 1.0
#: Up to this many items traces are exact. Above, they are Hutchinson's estimate (1990) from _PROBES sign vectors, with
#: a relative error below √(2 / (n · _PROBES)), some two per cent.
_EXACT_LIMIT = 250
_PROBES = 16
#: Tolerance of log τ. Within it, strengths change by far less than their standard errors.
_TOLERANCE = 1e-3


def estimate_prior_sd(design: sparse.csr_array, n_items: int, ridge: Array, *, tolerance: float, limit: int) -> float:
    """The τ that maximises the marginal likelihood in Laplace's approximation: a root of the derivative.

    Parameters
    ----------
    design : sparse array, shape (m, p)
        The comparisons, in the form that assessment.posterior.find_mode expects.
    n_items : int
        n, the number of strengths; parameters from index n on are not strengths and keep their precision in `ridge`.
    ridge : array, shape (p,)
        Prior precisions; the first n are replaced.
    tolerance : float
        Passed to find_mode.
    limit : int
        Maximum number of Newton steps of each call of find_mode.

    Returns
    -------
    float
        τ in logits, within BOUNDS.

    Raises
    ------
    ScoreConvergenceFailed
        find_mode did not converge.

    Notes
    -----
    The marginal likelihood is log p(y|θ̂) + log p(θ̂|τ) − ½ log |H|, H being the curvature at the mode θ̂(τ)
    (Breslow & Clayton 1993, J. Am. Stat. Assoc. 88). They then neglect the change of the weights in H with τ; this
    function does not: neglecting it, as EM on modes does, makes τ a quarter too small at 10 comparisons per item.
    τ² has a scaled inverse χ² prior, worth PSEUDO_ITEMS items of standard deviation PSEUDO_SD.
    """
    probes = _probes(n_items, len(ridge))
    warm = np.zeros(len(ridge))

    def slope(log_sd: float) -> float:
        nonlocal warm
        variance = float(np.exp(2 * log_sd))
        precision = np.concatenate([np.full(n_items, 1 / variance), ridge[n_items:]])
        mode = find_mode(design, precision, warm, tolerance=tolerance, limit=limit)
        warm = mode.parameters
        return _slope(design, mode, n_items, variance, probes)

    low, high = np.log(BOUNDS)
    if slope(low) <= 0:
        return BOUNDS[0]
    if slope(high) >= 0:
        return BOUNDS[1]
    return float(np.exp(brentq(slope, low, high, xtol=_TOLERANCE)))


def _probes(n_items: int, size: int) -> Array:
    """Columns z with E[z zᵀ] = I, divided by √columns; with unit vectors, Σ zᵀ A z is the exact trace."""
    if n_items <= _EXACT_LIMIT:
        return np.eye(size)
    # A fixed seed: the same data give the same fit.
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(size, _PROBES))
    return np.asarray(signs / np.sqrt(_PROBES))


def _slope(design: sparse.csr_array, mode: Mode, n_items: int, variance: float, probes: Array) -> float:
    """Derivative of the log marginal likelihood plus the log prior of τ, with respect to log τ."""
    strengths = mode.parameters.copy()
    strengths[n_items:] = 0
    win = expit(design @ mode.parameters)
    moved = design @ mode.curvature.solve(2 * strengths / variance)
    weights_moved = win * (1 - win) * (1 - 2 * win) * moved
    solved = mode.curvature.solve(probes)
    errors = float(np.sum(probes[:n_items] * solved[:n_items]))
    reweighting = float(np.sum((design @ probes) * (weights_moved[:, None] * (design @ solved))))
    explained = float(np.sum(strengths**2)) + errors + PSEUDO_ITEMS * PSEUDO_SD**2
    return explained / variance - (n_items + PSEUDO_ITEMS) - 0.5 * reweighting
