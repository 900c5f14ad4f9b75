"""Bradley–Terry model: estimates the strengths of items from pairwise comparisons, with standard errors.

The model (Bradley & Terry 1952; with an order effect, Davidson & Beaver 1977): the item shown first beats the other
with probability σ(θ_first − θ_second + γ), σ(x) = 1 / (1 + e^−x). Strengths θ and the order effect γ are in logits.
Each judge has its own γ. Confidences can be fitted too (assessment.model.strengths.graded says when).

Plain maximum likelihood does not exist when an item won or lost everything, or when the comparisons do not connect all
items, which is common in practice. So strengths have a normal prior N(0, τ²), γ has N(0, 1), and the estimate is the
posterior mode, which always exists and is unique. τ is estimated from the data (empirical Bayes), unless given.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from assessment.errors import InvalidComparisons
from assessment.model.arrays import Array, numbers, positive, whole_number
from assessment.model.strengths.estimate import PosteriorEstimate, estimate
from assessment.model.strengths.posterior import Posterior
from assessment.model.strengths.reliability import reliability_error
from assessment.model.strengths.rows import make_rows
from assessment.model.strengths.verdicts import Verdicts, read_verdicts

#: In logits: far beyond what any data support, near enough for floating-point numbers.
PRIOR_SD_LIMITS = (1e-4, 1e4)
TOLERANCE_LIMITS = (1e-12, 1e-2)
DISCRIMINATION_LIMITS = (1e-3, 1e3)


@dataclass(frozen=True, eq=False)
class BradleyTerryFit:
    """Estimates for n items and J judges.

    Attributes
    ----------
    strengths : array, shape (n,)
        Posterior mode of θ, in logits, mean 0.
    order_effects : array, shape (J,), or None
        γ of each judge in logits, positive when it favours the item shown first; None when not fitted. At 12
        comparisons an item they are some 15 % too small, since the strengths beside them are shrunken.
    thresholds : tuple of arrays
        For each judge whose answers are graded: the perceived margins, in logits, that separate its levels.
    prior_sd : float
        τ, the standard deviation of the strengths' prior, in logits: given, or estimated.
    iterations : int
        Newton steps of the last maximisation.
    comparisons : int
        Number of comparisons that were fitted.
    """

    strengths: Array
    order_effects: Array | None
    thresholds: tuple[Array, ...]
    prior_sd: float
    iterations: int
    comparisons: int
    estimate: PosteriorEstimate = field(repr=False)

    @property
    def order_effect(self) -> float | None:
        """γ of the first judge, in logits; None when it was not fitted."""
        return None if self.order_effects is None else float(self.order_effects[0])

    @cached_property
    def covariance(self) -> Array:
        """Posterior covariance of the centred strengths, shape (n, n), in squared logits; its rows sum to 0.

        It is C Σ Cᵀ with C = I − 11ᵀ/n, where Σ is the covariance of the uncentred strengths: errors are relative to
        the mean of all items. Relative to a reference item, errors would be nearly half too large, and 0 for the
        reference. Computed on first use, since it takes n² memory and n³ time.
        """
        n = len(self.strengths)
        whole = self.estimate.curvature.inverse()[:n, :n]
        return np.asarray(whole - whole.mean(axis=0) - whole.mean(axis=1)[:, None] + whole.mean())

    @cached_property
    def standard_errors(self) -> Array:
        """Standard error of each strength, shape (n,), in logits."""
        return np.sqrt(np.diag(self.covariance))

    @cached_property
    def order_effect_errors(self) -> Array | None:
        """Standard error of each γ, shape (J,), in logits."""
        if self.order_effects is None:
            return None
        n, count = len(self.strengths), len(self.order_effects)
        units = np.zeros((n + self.estimate.posterior.q, count))
        units[n : n + count] = np.eye(count)
        return np.sqrt(np.diag(self.estimate.curvature.solve(units)[n : n + count]))

    @property
    def order_effect_error(self) -> float | None:
        """Standard error of γ of the first judge, in logits."""
        return None if self.order_effect_errors is None else float(self.order_effect_errors[0])

    @cached_property
    def reliability(self) -> float:
        """Share of the strengths' variance that is not estimation error, 0–1: agreement of the judges with themselves.

        The smaller of two claims: with τ as estimated (or given), and with τ estimated without its own prior, which
        on pure noise claims too much (see assessment.model.strengths.reliability, docs/judging.md).
        """
        return self.estimate.reliability

    @property
    def reliability_error(self) -> float:
        """Standard error of the reliability, from that of log τ."""
        return reliability_error(self.reliability, self.estimate.log_error)

    def ranking(self) -> list[int]:
        """Items, strongest first. Groups that were never compared stand in one list: see diagnostics.design."""
        return [int(item) for item in np.argsort(-self.strengths, kind="stable")]


def fit_bradley_terry(
    n_items: int,
    comparisons: Sequence[tuple[int, int]] | ArrayLike,
    first: Sequence[int] | ArrayLike | None = None,
    *,
    judges: Sequence[int] | ArrayLike | None = None,
    confidence: Sequence[float] | ArrayLike | None = None,
    prior_sd: float | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 50,
) -> BradleyTerryFit:
    """Fit strengths to comparisons.

    Parameters
    ----------
    n_items : int
        n, at least 2. Items are 0 … n − 1; an item in no comparison gets strength 0 and the prior's uncertainty.
    comparisons : array of int, shape (m, 2)
        (winner, loser) of each comparison, m at least 1. The same pair may occur many times, and each row counts:
        deliver each verdict once.
    first : array of int, shape (m,), optional
        The item of each comparison that was shown first. When given, the order effect γ is fitted too.
    judges : array of int, shape (m,), optional
        The judge of each comparison, 0 … J − 1.
    confidence : array of numbers, shape (m,), optional
        1 to 5. When given, the answers of all judges are fitted as graded ones (see `fit_verdicts` for a choice).
    prior_sd : float, optional
        τ in logits. When not given, estimated from the data (see assessment.model.strengths.prior).
    tolerance : float
        The fit has converged when no component of the log posterior's gradient (in comparisons) is larger than this.
    max_iterations : int
        Maximum number of Newton steps.

    Raises
    ------
    InsufficientComparisons
        Fewer than two items, or no comparison.
    InvalidComparisons
        What read_verdicts refuses, or a prior_sd, tolerance or max_iterations out of bounds.
    ScoreConvergenceFailed
        The mode was not reached within max_iterations.

    Notes
    -----
    Comparisons that do not connect all items are fitted too. Only the prior then relates the groups, each of which gets
    a mean of 0, and the standard errors are large accordingly. Standard errors are Laplace's approximation to the
    posterior; they do not include the uncertainty of τ.
    """
    verdicts = read_verdicts(n_items, comparisons, first, judges, confidence)
    return fit_verdicts(
        verdicts,
        with_order=first is not None,
        graded=() if confidence is None else range(verdicts.n_judges),
        prior_sd=prior_sd,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )


def fit_verdicts(
    verdicts: Verdicts,
    *,
    with_order: bool = True,
    graded: Sequence[int] = (),
    discrimination: Sequence[float] | ArrayLike | None = None,
    prior_sd: float | None = None,
    tolerance: float = 1e-8,
    max_iterations: int = 50,
) -> BradleyTerryFit:
    """Fit strengths to checked verdicts.

    Parameters
    ----------
    verdicts : Verdicts
        Of all judges.
    with_order : bool
        Fit an order effect for each judge.
    graded : sequence of int
        The judges whose confidences are fitted (assessment.model.strengths.graded chooses them).
    discrimination : array, shape (J,), optional
        Weight of the strengths' difference in each judge's log odds (assessment.model.diagnostics.discrimination).
    prior_sd, tolerance, max_iterations
        As of fit_bradley_terry, which also lists the errors.
    """
    if prior_sd is not None:
        prior_sd = positive(prior_sd, "prior_sd", low=PRIOR_SD_LIMITS[0], high=PRIOR_SD_LIMITS[1])
    tolerance = positive(tolerance, "tolerance", low=TOLERANCE_LIMITS[0], high=TOLERANCE_LIMITS[1])
    max_iterations = whole_number(max_iterations, "max_iterations", least=1)
    slopes = None
    if discrimination is not None:
        slopes = numbers(discrimination, "discrimination", length=verdicts.n_judges)
        low, high = DISCRIMINATION_LIMITS
        if np.any((slopes < low) | (slopes > high)):
            raise InvalidComparisons(f"discrimination: must be from {low:g} to {high:g}")
    rows = make_rows(verdicts, with_order=with_order, graded=graded, discrimination=slopes)
    found = estimate(Posterior(rows), prior_sd=prior_sd, tolerance=tolerance, limit=max_iterations)
    strengths, nuisance = found.parameters[: verdicts.n_items], found.parameters[verdicts.n_items :]
    return BradleyTerryFit(
        strengths=strengths - strengths.mean(),
        order_effects=nuisance[: rows.n_orders] if with_order else None,
        thresholds=tuple(nuisance[cuts.start : cuts.stop] for cuts in rows.cuts),
        prior_sd=found.prior_sd,
        iterations=found.iterations,
        comparisons=len(verdicts),
        estimate=found,
    )
