"""How much of the differences between strengths is real."""

import numpy as np

from assessment.posterior import Array


def empirical_bayes_reliability(strengths: Array, standard_errors: Array) -> float:
    """var(θ̂) / (var(θ̂) + mean posterior variance): the share of the items' variance that is known, 0–1.

    Low on coin flips, even where pairs were chosen adaptively and the customary scale separation reliability
    (1 − mean SE² / var θ̂) claims 0.84: shrinkage takes the spread that noise alone makes out of θ̂.

    Parameters
    ----------
    strengths : array, shape (n,)
        Posterior modes under an estimated prior, in logits; n at least 2.
    standard_errors : array, shape (n,)
        Of the strengths, in logits.
    """
    spread = float(np.var(strengths, ddof=1))
    return spread / (spread + float(np.mean(standard_errors**2)))
