"""Newton's method for the posterior mode."""

from dataclasses import dataclass

import numpy as np

from assessment.errors import ScoreConvergenceFailed
from assessment.model.arrays import Array
from assessment.model.strengths.matrix import Matrix
from assessment.model.strengths.posterior import Posterior

_MAX_HALVINGS = 60
#: Relative tolerance of a step's linear system, where that is solved iteratively: the next step mends the rest.
_SOLVE_TOLERANCE = 1e-4
#: A curvature is used for the next step, too, while its steps reduce the gradient by this factor.
_GOOD_STEP = 0.1
#: In logits. The curvature counts as that of the mode when no parameter has moved further since it was computed.
_NEAR = 1e-7


@dataclass(frozen=True, eq=False)
class Mode:
    """The most probable parameters, shape (n + q,), the curvature there, and the number of Newton steps."""

    parameters: Array
    curvature: Matrix
    iterations: int


def find_mode(
    posterior: Posterior, precision: Array, start: Array, *, tolerance: float, limit: int, near: float = _NEAR
) -> Mode:
    """Maximise the posterior.

    Parameters
    ----------
    posterior : Posterior
        What is maximised.
    precision : array, shape (n + q,)
        See Posterior.precision.
    start : array, shape (n + q,)
        Initial parameters.
    tolerance : float
        Largest allowed absolute component of the gradient (in comparisons) at the mode.
    limit : int
        Maximum number of steps.
    near : float
        How far, in logits, the mode may be from where the returned curvature was computed.

    Raises
    ------
    ScoreConvergenceFailed
        The gradient was still above the tolerance after `limit` steps, or a linear system could not be solved.

    Notes
    -----
    A step is halved until the posterior does not decrease. A curvature is used again while its steps are good (chord
    method): assembling and factoring it is the expensive part.
    """
    x, moved, curvature, before = start, np.inf, None, np.inf
    z = posterior.log_odds(x)
    value = posterior.value(x, precision, z)
    if not np.isfinite(value):
        # Thresholds that were extrapolated past each other.
        x = posterior.start()
        z = posterior.log_odds(x)
        value = posterior.value(x, precision, z)
    for iteration in range(limit + 1):
        gradient = posterior.gradient(x, precision, z)
        size = float(np.max(np.abs(gradient)))
        if size <= tolerance:
            if curvature is None or moved > near:
                curvature = posterior.curvature(x, precision)
            return Mode(x, curvature, iteration)
        if iteration == limit:
            break
        if curvature is None or size > _GOOD_STEP * before:
            curvature, moved = posterior.curvature(x, precision), 0.0
        before = size
        step = curvature.solve(gradient, tolerance=_SOLVE_TOLERANCE)
        slack = 1e-12 * (1 + abs(value))
        for _ in range(_MAX_HALVINGS):
            there = x + step
            z = posterior.log_odds(there)
            its_value = posterior.value(there, precision, z)
            if its_value >= value - slack:
                break
            step = step / 2
        else:
            break
        x, value = there, its_value
        moved += float(np.max(np.abs(step)))
    raise ScoreConvergenceFailed(f"gradient still above {tolerance:g} after {limit} Newton steps")
