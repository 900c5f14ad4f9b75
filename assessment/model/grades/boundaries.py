"""Where grades begin on the scale of the strengths: an ordinal model of the anchors' grades.

Boundary k is at c_k = a + b (z_k + δ_k), z_k being the normal quantile of the share of essays below it. An essay with
strength θ, known with variance v, has grade g with probability

    Φ((c_{g+1} − θ) / √(σ² + v)) − Φ((c_g − θ) / √(σ² + v)),

where σ is the disagreement of the graders with this judge. An anchor's own grade is wrong with probability MISLABELLED,
and then any. (Ordinal probit: McCullagh 1980, J. R. Stat. Soc. B 42.)
"""

from dataclasses import dataclass

import numpy as np

from assessment.errors import ScoreConvergenceFailed
from assessment.model.arrays import Array, Indices
from assessment.model.grades.normal import normal_between, normal_quantiles

#: Share of anchors whose grade is not what the essay shows.
MISLABELLED = 0.05
#: Prior standard deviations, in units of τ, of a; and of log b and δ when the distribution of grades is known, or not.
_SHIFT, _KNOWN, _UNKNOWN = 0.5, (0.25, 0.12), (0.5, 0.25)
#: σ is about this share of τ, give or take _SIGMA_LOG_SD in its logarithm.
_SIGMA, _SIGMA_LOG_SD = 0.2, 0.5
_STEP, _TOLERANCE, _MAX_STEPS, _MAX_HALVINGS = 1e-3, 1e-3, 50, 20
#: The prior alone gives a curvature of 1 in the standardised parameters.
_LEAST_CURVATURE = 0.2


@dataclass(frozen=True, eq=False)
class BoundaryModel:
    """The model for G grades; its d = G + 2 parameters are standardised, with independent N(0, 1) priors.

    Attributes
    ----------
    quantiles : array, shape (G − 1,)
        z.
    prior_sd : float
        τ of the strengths, in logits.
    known : bool
        Whether the distribution of grades is known.
    """

    quantiles: Array
    prior_sd: float
    known: bool

    @classmethod
    def of_distribution(cls, distribution: Array, prior_sd: float, *, known: bool) -> "BoundaryModel":
        """`distribution`: the share of essays of each grade, shape (G,), all positive."""
        shares = np.cumsum(distribution / distribution.sum())[:-1]
        return cls(normal_quantiles(shares), prior_sd, known)

    @property
    def n_grades(self) -> int:
        return len(self.quantiles) + 1

    @property
    def size(self) -> int:
        """D."""
        return self.n_grades + 2

    def boundaries(self, parameters: Array) -> tuple[Array, Array]:
        """(c with shape (B, G − 1), σ with shape (B,)), in logits, of B parameter vectors, shape (B, d)."""
        scale_sd, shift_sd = _KNOWN if self.known else _UNKNOWN
        a = parameters[:, :1] * _SHIFT * self.prior_sd
        b = self.prior_sd * np.exp(parameters[:, 1:2] * scale_sd)
        sigma = _SIGMA * self.prior_sd * np.exp(parameters[:, 2] * _SIGMA_LOG_SD)
        return a + b * (self.quantiles + parameters[:, 3:] * shift_sd), sigma

    def probabilities(self, parameters: Array, strengths: Array, variances: Array) -> Array:
        """P(grade) of m essays under each of B parameter vectors, shape (B, m, G)."""
        c, sigma = self.boundaries(parameters)
        edges = np.concatenate([np.full((len(c), 1), -np.inf), c, np.full((len(c), 1), np.inf)], axis=1)
        width = np.sqrt(sigma[:, None] ** 2 + variances)[:, :, None]
        x = np.clip((edges[:, None, :] - strengths[:, None]) / width, -37.0, 37.0)
        return normal_between(x[:, :, :-1], x[:, :, 1:])

    def log_posterior(self, parameters: Array, strengths: Array, variances: Array, grades: Indices) -> Array:
        """Of B parameter vectors, given the grades of m anchors, without constants; shape (B,)."""
        c, sigma = self.boundaries(parameters)
        edges = np.concatenate([np.full((len(c), 1), -np.inf), c, np.full((len(c), 1), np.inf)], axis=1)
        width = np.sqrt(sigma[:, None] ** 2 + variances)
        low = np.clip((edges[:, grades] - strengths) / width, -37.0, 37.0)
        high = np.clip((edges[:, grades + 1] - strengths) / width, -37.0, 37.0)
        labelled = MISLABELLED / self.n_grades + (1 - MISLABELLED) * normal_between(low, high)
        return np.asarray(np.log(labelled).sum(axis=1) - 0.5 * np.sum(parameters**2, axis=1))


@dataclass(frozen=True, eq=False)
class BoundaryPosterior:
    """Laplace's approximation: a normal distribution at the mode of the standardised parameters.

    Attributes
    ----------
    mode : array, shape (d,)
    root : array, shape (d, d)
        A square root of the covariance.
    """

    mode: Array
    root: Array

    def draws(self, count: int) -> tuple[Array, Array]:
        """(parameters, log density without constants), shapes (count, d) and (count,); the same at each call."""
        noise = np.random.default_rng(0).normal(size=(count, len(self.mode)))
        return self.mode + noise @ self.root.T, -0.5 * np.sum(noise**2, axis=1)


def fit_boundaries(model: BoundaryModel, strengths: Array, variances: Array, grades: Indices) -> BoundaryPosterior:
    """Find the posterior of the boundaries from m anchors.

    Parameters
    ----------
    model : BoundaryModel
        Of all grades.
    strengths, variances : array, shape (m,)
        Of the anchors, in logits and squared logits.
    grades : array of int, shape (m,)
        0 … G − 1.

    Raises
    ------
    ScoreConvergenceFailed
        The mode was not found.
    """
    x = np.zeros(model.size)
    for _ in range(_MAX_STEPS):
        value, gradient, hessian = _derivatives(model, x, strengths, variances, grades)
        roots, axes = np.linalg.eigh(-hessian)
        roots = np.maximum(roots, _LEAST_CURVATURE)
        step = axes @ ((axes.T @ gradient) / roots)
        if np.max(np.abs(step)) < _TOLERANCE:
            return BoundaryPosterior(x, axes / np.sqrt(roots))
        shrunk = step * 0.5 ** np.arange(_MAX_HALVINGS)[:, None]
        values = model.log_posterior(x + shrunk, strengths, variances, grades)
        better = np.flatnonzero(values > value)
        if not len(better):
            return BoundaryPosterior(x, axes / np.sqrt(roots))
        x = x + shrunk[better[0]]
    raise ScoreConvergenceFailed(f"the grade boundaries did not converge in {_MAX_STEPS} steps")


def _derivatives(
    model: BoundaryModel, x: Array, strengths: Array, variances: Array, grades: Indices
) -> tuple[float, Array, Array]:
    """(value, gradient, Hessian) of the log posterior by central differences, all points in one call."""
    d = len(x)
    one, other = np.triu_indices(d, 1)
    steps = _STEP * np.eye(d)
    corners = [s * steps[one] + t * steps[other] for s, t in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
    points = x + np.concatenate([np.zeros((1, d)), steps, -steps, *corners])
    values = model.log_posterior(points, strengths, variances, grades)
    centre, plus, minus = float(values[0]), values[1 : d + 1], values[d + 1 : 2 * d + 1]
    mixed = values[2 * d + 1 :].reshape(4, -1)
    hessian = np.diag((plus - 2 * centre + minus) / _STEP**2)
    hessian[one, other] = hessian[other, one] = (mixed[0] - mixed[1] - mixed[2] + mixed[3]) / (4 * _STEP**2)
    return centre, (plus - minus) / (2 * _STEP), hessian
