"""The log posterior of strengths and nuisance parameters, with its derivatives."""

import numpy as np

from assessment.model.arrays import Array, Indices
from assessment.model.strengths.logistic import curvature, curvature_slope, log_sigmoid, sigmoid
from assessment.model.strengths.matrix import DENSE_LIMIT, BorderedMatrix, DenseMatrix, Matrix, Pattern
from assessment.model.strengths.rows import AnswerRows

#: In logits. An order effect is rarely above 1 (GPT-3.5 picks the first of two in 69.5 %, which is 0.8).
ORDER_PRIOR_SD = 1.0


class Posterior:
    """Σ count · log σ(z) + terms of the thresholds − ½ Σ precision · x², x = (θ, γ, t).

    Parameters
    ----------
    rows : AnswerRows

    Notes
    -----
    θ has the prior N(0, τ²), γ has N(0, ORDER_PRIOR_SD²), for the prior of the thresholds see
    assessment.model.strengths.cuts. The function is strictly concave: it has one maximum, and that is finite.
    """

    def __init__(self, rows: AnswerRows) -> None:
        self.rows = rows
        self.n = rows.n_items
        self.q = rows.n_nuisance
        low, high = np.minimum(rows.i, rows.j), np.maximum(rows.i, rows.j)
        pairs, self._pair_of_row = np.unique(low * self.n + high, return_inverse=True)
        self._pairs = len(pairs)
        self._pattern = Pattern(self.n, *(np.divmod(pairs, self.n)))
        width = self.q + 1
        self._width = width
        self._border: tuple[Indices, ...] = (
            rows.i * width + rows.slot_column,
            rows.j * width + rows.slot_column,
            rows.i * width + rows.cut_column,
            rows.j * width + rows.cut_column,
        )
        self._corner: tuple[Indices, ...] = (
            rows.slot_column * width + rows.slot_column,
            rows.slot_column * width + rows.cut_column,
            rows.cut_column * width + rows.slot_column,
            rows.cut_column * width + rows.cut_column,
        )

    def start(self) -> Array:
        """Where to begin: all strengths and order effects 0."""
        x = np.zeros(self.n + self.q)
        for cuts in self.rows.cuts:
            x[self.n + cuts.start : self.n + cuts.stop] = cuts.initial()
        return x

    def precision(self, prior_sd: float) -> Array:
        """1 / variance of each parameter's normal prior, shape (n + q,); 0 for thresholds, whose prior is another."""
        precision = np.zeros(self.n + self.q)
        precision[: self.n] = 1 / prior_sd**2
        precision[self.n : self.n + self.rows.n_orders] = 1 / ORDER_PRIOR_SD**2
        return precision

    def log_odds(self, x: Array) -> Array:
        """Z of each row, shape (R,)."""
        rows, nuisance = self.rows, np.append(x[self.n :], 0.0)
        z = rows.slope * (x[rows.i] - x[rows.j])
        if self.q:
            z += rows.slot * nuisance[rows.slot_column]
        if rows.cuts:
            z += rows.cut * nuisance[rows.cut_column]
        return z

    def value(self, x: Array, precision: Array, z: Array | None = None) -> float:
        """The log posterior at x, without the constants of the normal priors."""
        z = self.log_odds(x) if z is None else z
        total = float(self.rows.count @ log_sigmoid(z)) - 0.5 * float(precision @ (x * x))
        return total + sum(cuts.value(x[self.n :]) for cuts in self.rows.cuts)

    def gradient(self, x: Array, precision: Array, z: Array | None = None) -> Array:
        """Shape (n + q,)."""
        rows = self.rows
        miss = rows.count * sigmoid(-(self.log_odds(x) if z is None else z))
        pull = rows.slope * miss
        gradient = -precision * x
        gradient[: self.n] += np.bincount(rows.i, pull, self.n) - np.bincount(rows.j, pull, self.n)
        if self.q:
            nuisance = gradient[self.n :]
            nuisance += np.bincount(rows.slot_column, rows.slot * miss, self._width)[: self.q]
            if rows.cuts:
                nuisance += np.bincount(rows.cut_column, rows.cut * miss, self._width)[: self.q]
            for cuts in rows.cuts:
                cuts.add_gradient(x[self.n :], nuisance)
        return gradient

    def curvature(self, x: Array, precision: Array) -> Matrix:
        """The negative Hessian at x."""
        weights = self.rows.count * curvature(self.log_odds(x))
        corner = np.zeros((self.q, self.q))
        for cuts in self.rows.cuts:
            cuts.add_curvature(x[self.n :], corner)
        return self._assemble(weights, precision, corner)

    def curvature_slope(self, x: Array, change: Array) -> Matrix:
        """The derivative of the curvature as x moves in the direction `change`, shape (n + q,)."""
        moved = self.log_odds(change)
        weights = self.rows.count * curvature_slope(self.log_odds(x)) * moved
        corner = np.zeros((self.q, self.q))
        for cuts in self.rows.cuts:
            cuts.add_curvature_slope(x[self.n :], change[self.n :], corner)
        return self._assemble(weights, np.zeros(self.n + self.q), corner)

    def _assemble(self, weights: Array, diagonal: Array, corner: Array) -> Matrix:
        """Σ weight · a aᵀ over the rows' coefficients a, plus a diagonal, plus `corner` for the nuisance parameters."""
        rows, width = self.rows, self._width
        steep = weights * rows.slope
        pairs = np.asarray(np.bincount(self._pair_of_row, steep * rows.slope, self._pairs), dtype=np.float64)
        border = np.zeros((self.n, self.q))
        if self.q:
            slot, cut = steep * rows.slot, steep * rows.cut
            borders = [(self._border[0], slot), (self._border[1], -slot)]
            borders += [(self._border[2], cut), (self._border[3], -cut)] if rows.cuts else []
            border = _scatter(borders, self.n, width)[:, : self.q]
            slot, cut = weights * rows.slot, weights * rows.cut
            corners = [(self._corner[0], slot * rows.slot)]
            if rows.cuts:
                corners += [(self._corner[1], slot * rows.cut), (self._corner[2], slot * rows.cut)]
                corners += [(self._corner[3], cut * rows.cut)]
            corner = corner + _scatter(corners, width, width)[: self.q, : self.q]
        corner = corner + np.diag(diagonal[self.n :])
        low, high, n = self._pattern.low, self._pattern.high, self.n
        whole = np.bincount(low, pairs, n) + np.bincount(high, pairs, n) + diagonal[:n]
        kind = DenseMatrix if n <= DENSE_LIMIT else BorderedMatrix
        return kind(self._pattern, pairs, whole, border, corner)


def _scatter(parts: list[tuple[Indices, Array]], height: int, width: int) -> Array:
    """The sum of values at flat places, as an array of shape (height, width)."""
    total = np.zeros(height * width)
    for places, values in parts:
        total += np.bincount(places, values, height * width)
    return total.reshape(height, width)
