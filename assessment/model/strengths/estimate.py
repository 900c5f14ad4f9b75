"""From a posterior to an estimate: τ, the mode, the claimed reliability, and the evidence."""

from dataclasses import dataclass, field
from functools import cached_property
from math import log, pi

import numpy as np

from assessment.model.arrays import Array
from assessment.model.strengths.matrix import DENSE_LIMIT, Matrix
from assessment.model.strengths.mode import find_mode
from assessment.model.strengths.posterior import ORDER_PRIOR_SD, Posterior
from assessment.model.strengths.prior import PSEUDO_ITEMS, PSEUDO_SD, PriorSd, estimate_prior_sd
from assessment.model.strengths.reliability import share_known

#: Sign vectors that estimate the mean posterior variance of more than DENSE_LIMIT items; its error is below 1 %.
_PROBES = 16


@dataclass(frozen=True, eq=False)
class PosteriorEstimate:
    """The mode of a posterior.

    Attributes
    ----------
    parameters : array, shape (n + q,)
        Strengths (not centred), order effects, thresholds.
    curvature : Matrix
        The negative Hessian there.
    prior_sd : float
        τ in logits.
    log_error : float
        Standard error of log τ; 0 when τ was given.
    """

    parameters: Array
    curvature: Matrix
    prior_sd: float
    log_error: float
    iterations: int
    posterior: Posterior = field(repr=False)
    given: bool
    limit: int

    @cached_property
    def reliability(self) -> float:
        """See BradleyTerryFit.reliability."""
        n = self.posterior.n
        claim = share_known(self.parameters[:n], mean_variance(self.curvature, n))
        if self.given or self.prior_sd >= PSEUDO_SD:
            # Without its own prior, which pulls it towards PSEUDO_SD, τ would be larger still, and so would the claim.
            return claim
        start = PriorSd(self.prior_sd, self.log_error, self.parameters)
        second = estimate_prior_sd(self.posterior, pseudo_items=0.0, start=start, limit=self.limit)
        mode = find_mode(
            self.posterior,
            self.posterior.precision(second.sd),
            second.parameters,
            tolerance=1e-4,
            limit=self.limit,
            near=1e-2,
        )
        return min(claim, share_known(mode.parameters[:n], mean_variance(mode.curvature, n)))

    @cached_property
    def log_evidence(self) -> float:
        """Laplace's approximation to the log probability of the answers, maximised over τ; without τ's prior.

        For graded judges the probability of winner and level; for plain ones of the winner. Takes n³ time.
        """
        posterior, x = self.posterior, self.parameters
        precision = posterior.precision(self.prior_sd)
        thresholds = sum(cuts.stop - cuts.start for cuts in posterior.rows.cuts)
        value = posterior.value(x, precision) - posterior.n * log(self.prior_sd)
        value -= posterior.rows.n_orders * log(ORDER_PRIOR_SD)
        value += 0.5 * thresholds * log(2 * pi) - 0.5 * self.curvature.log_determinant()
        return value - PSEUDO_ITEMS * (log(self.prior_sd) + PSEUDO_SD**2 / (2 * self.prior_sd**2))


def estimate(posterior: Posterior, *, prior_sd: float | None, tolerance: float, limit: int) -> PosteriorEstimate:
    """Find the mode, with τ given or estimated. Raises ScoreConvergenceFailed."""
    found = None if prior_sd is not None else estimate_prior_sd(posterior, limit=limit)
    sd = prior_sd if prior_sd is not None else (found.sd if found else 1.0)
    start = found.parameters if found else posterior.start()
    mode = find_mode(posterior, posterior.precision(sd), start, tolerance=tolerance, limit=limit)
    return PosteriorEstimate(
        parameters=mode.parameters,
        curvature=mode.curvature,
        prior_sd=sd,
        log_error=found.log_error if found else 0.0,
        iterations=mode.iterations,
        posterior=posterior,
        given=found is None,
        limit=limit,
    )


def mean_variance(curvature: Matrix, n: int) -> float:
    """Mean posterior variance of the n centred strengths; estimated from sign vectors for large n."""
    if n <= DENSE_LIMIT:
        inverse = curvature.inverse()[:n, :n]
        return float(np.trace(inverse) / n - inverse.mean())
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(n, _PROBES))
    # Centred probes: their mean product with the inverse is the trace of the centred covariance.
    right = np.zeros((curvature.size, _PROBES))
    right[:n] = signs - signs.mean(axis=0)
    return float(np.sum(right * curvature.solve(right, tolerance=1e-3)) / (n * _PROBES))
