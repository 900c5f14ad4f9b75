"""Reliability: how much of the variance of the strengths is not estimation error."""

import numpy as np

from assessment.posterior import Array


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
    spread = float(np.var(strengths, ddof=1))
    return spread / (spread + float(np.mean(standard_errors**2)))
