"""How well each judge agrees with the others: cross-fitted discrimination.

A judge's own verdicts pull the strengths towards themselves, so a judge that answers at random fits them nearly as well
as any other, and discriminations that are fitted together with the strengths run away. So each judge is held against
strengths from the *other* judges' verdicts. With two judges nobody can tell which of them is wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

import numpy as np

from assessment.model.arrays import Array
from assessment.model.strengths.fit import fit_verdicts
from assessment.model.strengths.logistic import curvature, log_sigmoid, sigmoid
from assessment.model.strengths.verdicts import Verdicts

#: Judges from which on discriminations mean something.
MIN_JUDGES = 3
#: Prior standard deviation of the log of a discrimination that becomes a weight.
WEIGHT_PRIOR_SD = 0.3
#: A judge is weak if its slope lies this many of its standard errors below this share of the best judge's slope.
WEAK_SHARE, WEAK_ERRORS = 0.5, 2.0
_LOG_SLOPES: Array = np.linspace(-3.0, 1.5, 181)
_ORDERS: Array = np.linspace(-2.0, 2.0, 41)
_STEPS = 30
#: Precision of slope and order effect: keeps them finite where a judge agrees with the others in everything.
_RIDGE = 0.04
#: A logistic curve that is averaged over a normal distribution of variance v is one of slope 1 / √(1 + π v / 8).
_LOGISTIC_NORMAL = np.pi / 8


@dataclass(frozen=True, eq=False)
class Discrimination:
    """Of J judges.

    Attributes
    ----------
    slopes, errors : array, shape (J,)
        Log odds of the judge for each logit between two essays by the others' strengths, and their standard errors: 1
        where it judges like the others, 0 where it answers at random. They are corrected for the errors of strengths.
    weights : array, shape (J,)
        exp of the shrunken log slope, relative to the median judge's: the `discrimination` argument of a fit.
    weak : tuple of int
        Judges to name in the result.
    """

    slopes: Array
    errors: Array
    weights: Array
    weak: tuple[int, ...]


def cross_fitted_discrimination(verdicts: Verdicts, graded: Sequence[int] = ()) -> Discrimination | None:
    """Compare each judge with the others.

    Parameters
    ----------
    verdicts : Verdicts
        Of all judges.
    graded : sequence of int
        The judges whose confidences are fitted.

    Returns
    -------
    Discrimination or None
        None with fewer than MIN_JUDGES judges that have verdicts.

    Raises
    ------
    ScoreConvergenceFailed
        A fit did not converge.
    """
    counts = np.bincount(verdicts.judge, minlength=verdicts.n_judges)
    if np.sum(counts > 0) < MIN_JUDGES:
        return None
    slopes, errors, weights = (np.ones(verdicts.n_judges) for _ in range(3))
    errors[:] = np.inf
    present = np.flatnonzero(counts).tolist()
    # Twice: a judge that answers at random also spoils the strengths that the others are held against.
    for _ in range(2):
        expected = {judge: _expected(verdicts, judge, graded, weights) for judge in present}
        for judge, (odds, slot) in expected.items():
            slopes[judge], errors[judge] = _slope(odds, slot)
        # Shrunken strengths make all slopes too large alike, which is no matter of any judge.
        common = max(float(np.median(slopes[present])), _RIDGE)
        for judge, (odds, slot) in expected.items():
            weights[judge] = _weight(common * odds, slot)
    best = int(np.argmax(np.where(counts > 0, slopes - errors, -np.inf)))
    weak = (counts > 0) & (slopes + WEAK_ERRORS * errors < WEAK_SHARE * slopes[best])
    return Discrimination(slopes, errors, weights, tuple(int(judge) for judge in np.flatnonzero(weak)))


def _expected(verdicts: Verdicts, judge: int, graded: Sequence[int], weights: Array) -> tuple[Array, Array]:
    """(log odds of the judge's winners by the strengths of the others, slots), each of shape (its verdicts,)."""
    others = verdicts.select(verdicts.judge != judge)
    chosen = [other for other in graded if other != judge]
    fit = fit_verdicts(others, graded=chosen, discrimination=weights)
    mine = verdicts.of_judge(judge)
    spread, covariance = np.diag(fit.covariance), fit.covariance
    variance = spread[mine.winner] + spread[mine.loser] - 2 * covariance[mine.winner, mine.loser]
    difference = fit.strengths[mine.winner] - fit.strengths[mine.loser]
    # The correction is that of a judge like the others: with its own slope, large slopes would all look alike.
    return difference / np.sqrt(1 + _LOGISTIC_NORMAL * variance), mine.slot


def _slope(expected: Array, slot: Array) -> tuple[float, float]:
    """(slope, standard error) of a logistic regression on the expected log odds and the order."""
    design = np.column_stack([expected, slot])
    x, information = np.array([1.0, 0.0]), np.eye(2)
    for _ in range(_STEPS):
        odds = design @ x
        information = design.T @ (design * curvature(odds)[:, None]) + _RIDGE * np.eye(2)
        step = np.linalg.solve(information, design.T @ sigmoid(-odds) - _RIDGE * (x - [1.0, 0.0]))
        x = x + step / max(1.0, float(np.max(np.abs(step))))
    return float(x[0]), float(np.sqrt(np.linalg.inv(information)[0, 0]))


def _weight(expected: Array, slot: Array) -> float:
    """Exp of the log slope that is most probable under its prior, at the best of a grid of order effects."""
    odds = np.exp(_LOG_SLOPES)[:, None] * expected
    orders = _ORDERS if np.any(slot) else np.zeros(1)
    profile = np.max([log_sigmoid(odds + order * slot).sum(axis=1) for order in orders], axis=0)
    return exp(float(_LOG_SLOPES[int(np.argmax(profile - 0.5 * (_LOG_SLOPES / WEIGHT_PRIOR_SD) ** 2))]))
