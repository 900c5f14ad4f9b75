"""The posterior of a regularised Bradley–Terry model: its mode by Newton's method, and its curvature there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import expit, log_expit

from assessment.errors import ScoreConvergenceFailed

Array = NDArray[np.float64]

#: Up to this many parameters a dense Cholesky factor is faster than conjugate gradients (2 ms).
_DENSE_LIMIT = 250
#: Relative tolerance of each linear system. With it, Newton's last steps end far below the fit's tolerance.
_SOLVE_TOLERANCE = 1e-10
_MAX_HALVINGS = 40


class Curvature:
    """The negative Hessian of the log posterior: symmetric, positive definite, sparse.

    Parameters
    ----------
    matrix : sparse array, shape (p, p)
    """

    def __init__(self, matrix: sparse.csr_array) -> None:
        self._matrix = matrix
        self._size: int = matrix.shape[0]
        self._factor = linalg.cho_factor(matrix.toarray(), lower=True) if self._size <= _DENSE_LIMIT else None

    def solve(self, right: Array) -> Array:
        """The inverse of the curvature times `right`, which has the shape (p,) or (p, k).

        Raises
        ------
        ScoreConvergenceFailed
            Conjugate gradients did not reach their tolerance.
        """
        if self._factor is not None:
            return np.asarray(linalg.cho_solve(self._factor, right))
        if right.ndim == 1:
            return self._conjugate_gradients(right)
        return np.column_stack([self._conjugate_gradients(column) for column in right.T])

    def inverse(self) -> Array:
        """The inverse matrix, shape (p, p): the posterior covariance in Laplace's approximation."""
        return np.asarray(linalg.inv(self._matrix.toarray(), assume_a="pos", overwrite_a=True))

    def _conjugate_gradients(self, right: Array) -> Array:
        diagonal = self._matrix.diagonal()
        jacobi = LinearOperator((self._size, self._size), matvec=lambda v: v / diagonal)
        solution, status = cg(self._matrix, right, rtol=_SOLVE_TOLERANCE, M=jacobi)
        if status != 0:
            raise ScoreConvergenceFailed(f"a Newton step's linear system of {self._size} unknowns did not converge")
        return np.asarray(solution)


@dataclass(frozen=True)
class Mode:
    """The most probable parameters, shape (p,), the curvature there, and the number of Newton steps."""

    parameters: Array
    curvature: Curvature
    iterations: int


def find_mode(design: sparse.csr_array, precision: Array, start: Array, *, tolerance: float, limit: int) -> Mode:
    """Maximise Σ log σ(design · x) − ½ Σ precision · x², which is strictly concave: one maximum, always finite.

    Parameters
    ----------
    design : sparse array, shape (m, p)
        One row per comparison; design · x is the log odds (logits) that its winner wins.
    precision : array, shape (p,)
        1 / variance of each parameter's normal prior (mean 0), all positive.
    start : array, shape (p,)
        Initial parameters.
    tolerance : float
        Largest allowed absolute component of the gradient at the mode.
    limit : int
        Maximum number of Newton steps.

    Raises
    ------
    ScoreConvergenceFailed
        The gradient was still above the tolerance after `limit` steps.
    """
    x = start
    value = _log_posterior(design, precision, x)
    for iteration in range(limit + 1):
        miss = expit(-(design @ x))
        gradient = design.T @ miss - precision * x
        weights = sparse.diags_array(miss * (1 - miss))
        curvature = Curvature(sparse.csr_array(design.T @ weights @ design + sparse.diags_array(precision)))
        if np.max(np.abs(gradient)) <= tolerance:
            return Mode(x, curvature, iteration)
        if iteration < limit:
            x, value = _step(design, precision, x, value, curvature.solve(gradient))
    raise ScoreConvergenceFailed(f"gradient still above {tolerance:g} after {limit} Newton steps")


def _log_posterior(design: sparse.csr_array, precision: Array, x: Array) -> float:
    return float(np.sum(log_expit(design @ x)) - 0.5 * np.sum(precision * x * x))


def _step(design: sparse.csr_array, precision: Array, x: Array, value: float, step: Array) -> tuple[Array, float]:
    """The full Newton step, halved until the log posterior does not decrease by more than rounding error."""
    slack = 1e-12 * (1 + abs(value))
    for _ in range(_MAX_HALVINGS):
        there = _log_posterior(design, precision, x + step)
        if there >= value - slack:
            break
        step = step / 2
    return x + step, there
