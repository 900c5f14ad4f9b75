"""Symmetric matrices over n strengths and q nuisance parameters: a graph Laplacian with a diagonal and a border."""

from functools import cached_property
from typing import Protocol

import numpy as np

from assessment.errors import ScoreConvergenceFailed
from assessment.model.arrays import Array, Indices

#: Up to this many items a dense inverse is faster than conjugate gradients.
DENSE_LIMIT = 300
_MAX_STEPS = 2000


class Pattern:
    """Which items are compared with which: the places of a matrix that are not 0.

    Parameters
    ----------
    n : int
        Number of items.
    low, high : array of int, shape (P,)
        The P different pairs.
    """

    def __init__(self, n: int, low: Indices, high: Indices) -> None:
        self.n, self.low, self.high = n, low, high

    @cached_property
    def neighbours(self) -> tuple[Indices, Indices, Indices]:
        """(column, pair, start): by items, first the item (pair = P, its diagonal), then those it is compared with."""
        items = np.arange(self.n)
        row = np.concatenate([items, self.low, self.high])
        column = np.concatenate([items, self.high, self.low])
        pairs = np.arange(len(self.low))
        pair = np.concatenate([len(pairs) + items, pairs, pairs])
        order = np.argsort(row, kind="stable")
        start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=self.n))[:-1]])
        return column[order], pair[order], start


class Matrix(Protocol):
    """A symmetric matrix, shape (size, size) with size = n + q."""

    @property
    def size(self) -> int: ...

    def times(self, vectors: Array) -> Array:
        """The product with `vectors`, shape (n + q,) or (n + q, k)."""

    def solve(self, right: Array, *, tolerance: float = 1e-10, start: Array | None = None) -> Array:
        """X in matrix · x = right, for a positive definite matrix; `right` has shape (n + q,) or (n + q, k).

        Raises
        ------
        ScoreConvergenceFailed
            The matrix is singular, or the relative `tolerance` was not reached.
        """

    def inverse(self) -> Array:
        """The inverse; raises ScoreConvergenceFailed when the matrix is singular."""

    def log_determinant(self) -> float:
        """Log |matrix|, for a positive definite matrix."""

    def whole(self) -> Array:
        """The matrix as an array."""


class DenseMatrix:
    """Stored as an array; solved by its inverse once that is there.

    Parameters
    ----------
    pattern : Pattern
    pairs : array, shape (P,)
        Weight of each pair: the Laplacian has its negative off the diagonal.
    diagonal : array, shape (n,)
        The whole diagonal of the upper left part, the Laplacian's included.
    border : array, shape (n, q)
    corner : array, shape (q, q)
    """

    def __init__(self, pattern: Pattern, pairs: Array, diagonal: Array, border: Array, corner: Array) -> None:
        n, q = border.shape
        low, high = pattern.low, pattern.high
        self._whole = np.zeros((n + q, n + q))
        self._whole[low, high] = -pairs
        self._whole[high, low] = -pairs
        items = np.arange(n)
        self._whole[items, items] = diagonal
        self._whole[:n, n:] = border
        self._whole[n:, :n] = border.T
        self._whole[n:, n:] = corner
        self._inverse: Array | None = None

    @property
    def size(self) -> int:
        return len(self._whole)

    def whole(self) -> Array:
        return self._whole

    def times(self, vectors: Array) -> Array:
        return np.asarray(self._whole @ vectors)

    def solve(self, right: Array, *, tolerance: float = 1e-10, start: Array | None = None) -> Array:  # noqa: ARG002 - exact
        if self._inverse is not None:
            return np.asarray(self._inverse @ right)
        try:
            return np.asarray(np.linalg.solve(self._whole, right), dtype=np.float64)
        except np.linalg.LinAlgError:
            raise _singular() from None

    def inverse(self) -> Array:
        if self._inverse is None:
            self._inverse = invert(self._whole)
        return self._inverse

    def log_determinant(self) -> float:
        return float(np.linalg.slogdet(self._whole)[1])


class BorderedMatrix:
    """Stored by its places that are not 0; solved by conjugate gradients. Parameters as DenseMatrix."""

    def __init__(self, pattern: Pattern, pairs: Array, diagonal: Array, border: Array, corner: Array) -> None:
        n, q = border.shape
        column, pair, start = pattern.neighbours
        self._column, self._start = column, start
        self._entries = np.concatenate([-pairs, diagonal])[pair]
        self._border, self._corner = border, corner
        self._n: int = n
        self._q: int = q
        self._jacobi = np.concatenate([diagonal, np.diag(corner)])
        self._buffer = np.empty(0)

    @property
    def size(self) -> int:
        return self._n + self._q

    def times(self, vectors: Array) -> Array:
        upper, lower = vectors[: self._n], vectors[self._n :]
        entries = self._entries if vectors.ndim == 1 else self._entries[:, None]
        shape = (len(self._column), *vectors.shape[1:])
        if self._buffer.shape != shape:
            # Kept: a new large array at each step would cost more than the arithmetic.
            self._buffer = np.empty(shape)
        # `clip` needs no check of the indices, and so no copy.
        np.take(upper, self._column, axis=0, out=self._buffer, mode="clip")
        self._buffer *= entries
        product = np.add.reduceat(self._buffer, self._start, axis=0)
        if not self._q:
            return product
        return np.concatenate([product + self._border @ lower, self._border.T @ upper + self._corner @ lower])

    def solve(self, right: Array, *, tolerance: float = 1e-10, start: Array | None = None) -> Array:
        """Conjugate gradients (Hestenes & Stiefel 1952) with Jacobi's preconditioner, all columns at once."""
        flat = right.ndim == 1
        target = right[:, None] if flat else right
        scale = 1 / self._jacobi[:, None]
        goal = tolerance * np.sqrt(np.sum(target**2, axis=0))
        if start is None:
            x, rest = np.zeros_like(target), target.copy()
        else:
            x = start[:, None].copy() if flat else start.copy()
            rest = target - self.times(x)
        eased = scale * rest
        direction, energy = eased, np.sum(rest * eased, axis=0)
        for _ in range(_MAX_STEPS):
            if np.all(np.sqrt(np.sum(rest**2, axis=0)) <= goal):
                return np.asarray(x[:, 0] if flat else x)
            image = self.times(direction)
            bend = np.sum(direction * image, axis=0)
            length = np.divide(energy, bend, out=np.zeros_like(energy), where=bend > 0)
            x += length * direction
            rest -= length * image
            eased = scale * rest
            before, energy = energy, np.sum(rest * eased, axis=0)
            direction = eased + np.divide(energy, before, out=np.zeros_like(energy), where=before > 0) * direction
        raise ScoreConvergenceFailed(f"a Newton step's linear system of {len(right)} unknowns did not converge")

    def whole(self) -> Array:
        n, size = self._n, self._n + self._q
        whole = np.zeros((size, size))
        row = np.repeat(np.arange(n), np.diff(np.append(self._start, len(self._column))))
        whole[row, self._column] = self._entries
        whole[:n, n:] = self._border
        whole[n:, :n] = self._border.T
        whole[n:, n:] = self._corner
        return whole

    def inverse(self) -> Array:
        return invert(self.whole())

    def log_determinant(self) -> float:
        return float(np.linalg.slogdet(self.whole())[1])


def invert(matrix: Array) -> Array:
    """The inverse of an array; raises ScoreConvergenceFailed when it is singular."""
    try:
        return np.asarray(np.linalg.inv(matrix), dtype=np.float64)
    except np.linalg.LinAlgError:
        raise _singular() from None


def _singular() -> ScoreConvergenceFailed:
    return ScoreConvergenceFailed("the curvature of the posterior is singular in floating-point numbers")
