"""Reliability: how much of the variance of the strengths is not estimation error."""

import numpy as np

from assessment.model.arrays import Array


def empirical_bayes_reliability(strengths: Array, standard_errors: Array) -> float:
    """var(θ̂) / (var(θ̂) + mean posterior variance): the share of the items' variance that is known, 0–1.

    It is low when verdicts are coin flips, even where pairs were chosen adaptively and the customary scale separation
    reliability (1 − mean SE² / var θ̂) gives 0.84, because shrinkage removes from θ̂ the spread that is only noise.

    Parameters
    ----------
    strengths : array, shape (n,)
        Posterior modes under an estimated prior, in logits; n at least 2.
    standard_errors : array, shape (n,)
        Standard errors of the strengths, in logits.
    """
    return share_known(strengths, float(np.mean(standard_errors**2)))


def share_known(strengths: Array, error_variance: float) -> float:
    """empirical_bayes_reliability for a mean posterior variance, in squared logits."""
    spread = float(np.var(strengths, ddof=1))
    return spread / (spread + error_variance)


def reliability_error(reliability: float, log_error: float) -> float:
    """Standard error of a reliability, from the standard error of log τ.

    r = τ² / (τ² + error) nearly, so logit r moves by 2 for each unit of log τ while the errors stay as they are.
    """
    return float(min(2 * reliability * (1 - reliability) * log_error, 0.5))
