"""Simulated comparisons, and the Bradley–Terry posterior written out plainly, to hold the fit against."""

import itertools

import numpy as np
from scipy.optimize import minimize

from assessment.model.strengths.posterior import ORDER_PRIOR_SD
from assessment.model.strengths.prior import PSEUDO_ITEMS, PSEUDO_SD


def simulate(n, each, *, sd, order, seed):
    """Strengths (centred), comparisons (winner, loser) and who was shown first: `each` for every item."""
    rng = np.random.default_rng(seed)
    strengths = rng.normal(0, sd, n)
    strengths -= strengths.mean()
    # n is even, so every round of a shuffled list pairs everyone once.
    shown = np.concatenate([rng.permutation(n).reshape(-1, 2) for _ in range(each)])
    odds = strengths[shown[:, 0]] - strengths[shown[:, 1]] + order
    first_wins = rng.random(len(shown)) < 1 / (1 + np.exp(-odds))
    return strengths, np.where(first_wins[:, None], shown, shown[:, ::-1]), shown[:, 0]


def round_robin(n):
    """Each pair once, the lower number winning."""
    return list(itertools.combinations(range(n), 2))


def log_posterior(x, pairs, first, precision):
    """Without the constants: strengths, then (with `first`) the order effect."""
    total = -0.5 * float(np.sum(precision * x**2))
    for row, (winner, loser) in enumerate(pairs):
        odds = x[winner] - x[loser]
        if first is not None:
            odds += x[-1] if first[row] == winner else -x[-1]
        total -= float(np.logaddexp(0, -odds))
    return total


def log_marginal(n, pairs, first, sd):
    """Laplace's approximation to log p(comparisons | τ = sd), plus τ's prior."""
    precision = np.array([1 / sd**2] * n + [1 / ORDER_PRIOR_SD**2])
    x = np.zeros(n + 1)
    rows = np.zeros((len(pairs), n + 1))
    for row, (winner, loser) in enumerate(pairs):
        rows[row, winner], rows[row, loser] = 1, -1
        rows[row, n] = 1 if first[row] == winner else -1
    x = minimize(
        lambda x: float(np.sum(np.logaddexp(0, -rows @ x)) + 0.5 * np.sum(precision * x**2)),
        x,
        jac=lambda x: -rows.T @ (1 / (1 + np.exp(rows @ x))) + precision * x,
        method="BFGS",
        options={"gtol": 1e-9},
    ).x
    win = 1 / (1 + np.exp(-rows @ x))
    hessian = rows.T @ (rows * (win * (1 - win))[:, None]) + np.diag(precision)
    value = log_posterior(x, pairs, first, precision)
    value += -n * np.log(sd) - 0.5 * np.linalg.slogdet(hessian)[1]
    return value - PSEUDO_ITEMS * (np.log(sd) + PSEUDO_SD**2 / (2 * sd**2))
