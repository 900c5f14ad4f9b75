"""Predicts the grades of essays from anchors, whose grades are known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from assessment.errors import InsufficientComparisons, InvalidComparisons
from assessment.model.arrays import Array, Flags, Indices, indices, numbers, positive, whole_number
from assessment.model.grades.boundaries import BoundaryModel, BoundaryPosterior, fit_boundaries

#: Anchors in all that the tables of docs/judging.md advise, with a known distribution of grades and without.
ADVISED_KNOWN, ADVISED_UNKNOWN = 12, 18
#: An anchor whose grade is in a tail smaller than this, by what the others show, is to be looked at by a person.
FLAG_TAIL = 0.05
#: Only an anchor with a tail below this under all anchors, its own grade included, can have a small one without it.
_SCREEN = 0.3
_DRAWS = 300
_LEAST_GRADES = 2
_LEAST_SHARE = 1e-6


@dataclass(frozen=True, eq=False)
class GradePrediction:
    """Predicted grades of n essays, G grades, m anchors.

    Attributes
    ----------
    probabilities : array, shape (n, G)
        Of each grade, lowest first; rows sum to 1.
    grade : array of int, shape (n,)
        The median grade: the lowest whose cumulative probability is at least ½. It agrees with graders better than
        the most probable one.
    boundaries : array, shape (G − 1,)
        Posterior mean of where each grade above the lowest begins, in logits.
    tail : array, shape (m,)
        For each anchor, how unusual its grade is by what the others show: twice the smaller of P(grade or lower) and
        P(grade or higher), at most 1.
    flagged : array of bool, shape (m,)
        tail < FLAG_TAIL. Show them to a person; they are not left out.
    missing : tuple of int
        Grades without an anchor. The prior places their boundaries: say so.
    """

    probabilities: Array
    grade: Indices
    boundaries: Array
    tail: Array
    flagged: Flags
    missing: tuple[int, ...]


def predict_grades(
    strengths: Sequence[float] | ArrayLike,
    variances: Sequence[float] | ArrayLike,
    anchors: Sequence[int] | ArrayLike,
    anchor_grades: Sequence[int] | ArrayLike,
    *,
    n_grades: int,
    prior_sd: float,
    distribution: Sequence[float] | ArrayLike | None = None,
) -> GradePrediction:
    """Predict grades.

    Parameters
    ----------
    strengths : array, shape (n,)
        Of all essays, anchors among them, centred, in logits.
    variances : array, shape (n,)
        Their posterior variances (squared standard errors).
    anchors : array of int, shape (m,)
        Which essays are anchors; m at least 1.
    anchor_grades : array of int, shape (m,)
        Their grades, 0 (lowest) … G − 1.
    n_grades : int
        G, at least 2.
    prior_sd : float
        τ of the fit, in logits.
    distribution : array, shape (G,), optional
        The known share of essays of each grade. When not given, grades are taken as equally frequent, and the
        boundaries' priors are wider.

    Raises
    ------
    InsufficientComparisons
        No anchor.
    InvalidComparisons
        Wrong shapes, numbers that are not finite, a negative variance, an unknown essay, an essay that is an anchor
        twice, a grade off the scale, or shares that are not positive.
    ScoreConvergenceFailed
        The boundaries did not converge.

    Notes
    -----
    The pairs behind the strengths must not be chosen by the anchors' grades. Probabilities are averages over _DRAWS
    importance-weighted draws from the boundaries' posterior; each essay's own variance is included.
    """
    theta = numbers(strengths, "strengths")
    variance = numbers(variances, "variances", length=len(theta))
    if np.any(variance < 0):
        raise InvalidComparisons("variances: must not be negative")
    g = whole_number(n_grades, "n_grades", least=_LEAST_GRADES)
    which = indices(anchors, "anchors", below=len(theta))
    if which.size == 0:
        raise InsufficientComparisons("no anchor to predict grades from")
    if which.ndim != 1 or len(np.unique(which)) < len(which):
        raise InvalidComparisons("anchors: want each essay at most once")
    grades = indices(anchor_grades, "anchor_grades", below=g, length=len(which))
    shares = np.full(g, 1 / g) if distribution is None else numbers(distribution, "distribution", length=g)
    if np.any(shares <= 0) or not np.all(shares >= _LEAST_SHARE * shares.sum()):
        raise InvalidComparisons(f"distribution: each share must be at least {_LEAST_SHARE:g} of all")
    tau = positive(prior_sd, "prior_sd", low=1e-4, high=1e4)
    model = BoundaryModel.of_distribution(shares, tau, known=distribution is not None)
    known = theta[which], variance[which], grades
    posterior = fit_boundaries(model, *known)
    probabilities, boundaries = _average(model, posterior, known, theta, variance)
    tail = _tails(probabilities[which], grades)
    for place in np.flatnonzero(tail < _SCREEN).tolist():
        tail[place] = _left_out(model, known, place)
    return GradePrediction(
        probabilities=probabilities,
        grade=np.argmax(np.cumsum(probabilities, axis=1) >= 0.5 - 1e-12, axis=1),
        boundaries=boundaries,
        tail=tail,
        flagged=tail < FLAG_TAIL,
        missing=tuple(int(grade) for grade in np.setdiff1d(np.arange(g), grades)),
    )


def _average(
    model: BoundaryModel,
    posterior: BoundaryPosterior,
    known: tuple[Array, Array, Indices],
    theta: Array,
    variance: Array,
) -> tuple[Array, Array]:
    """(probabilities of essays, boundaries), averaged over importance-weighted draws."""
    draws, density = posterior.draws(_DRAWS)
    log_weight = model.log_posterior(draws, *known) - density
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mixed = np.tensordot(weight, model.probabilities(draws, theta, variance), axes=1)
    return mixed / mixed.sum(axis=1, keepdims=True), weight @ model.boundaries(draws)[0]


def _tails(probabilities: Array, grades: Indices) -> Array:
    """Two-sided tail of each essay's grade, shape (m,)."""
    rows = np.arange(len(grades))
    up_to = np.cumsum(probabilities, axis=1)[rows, grades]
    from_here = 1 - up_to + probabilities[rows, grades]
    return np.asarray(np.minimum(2 * np.minimum(up_to, from_here), 1.0))


def _left_out(model: BoundaryModel, known: tuple[Array, Array, Indices], place: int) -> float:
    """The tail of one anchor by what the others show."""
    theta, variance, grades = known
    others = np.arange(len(grades)) != place
    rest = theta[others], variance[others], grades[others]
    probabilities, _ = _average(
        model, fit_boundaries(model, *rest), rest, theta[place : place + 1], variance[place : place + 1]
    )
    return float(_tails(probabilities, grades[place : place + 1])[0])
