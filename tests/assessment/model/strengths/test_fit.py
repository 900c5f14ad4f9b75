"""The fit against published numbers, against a brute-force optimum, and in simulation."""

import time

import numpy as np
import pytest
from scipy.optimize import minimize
from umpire_assessment import log_marginal, log_posterior, round_robin, simulate

from assessment.errors import AssessmentError, InsufficientComparisons, InvalidComparisons, ScoreConvergenceFailed
from assessment.model.strengths.fit import fit_bradley_terry
from assessment.model.strengths.posterior import ORDER_PRIOR_SD
from contracts.enums import CJAssessmentErrorCode

#: American League 1987, wins of row over column: Agresti, Categorical Data Analysis (1990), table 10.10.
BASEBALL = [
    [0, 7, 9, 7, 7, 9, 11],
    [6, 0, 7, 5, 11, 9, 9],
    [4, 6, 0, 7, 7, 8, 12],
    [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12],
    [4, 4, 5, 6, 6, 0, 6],
    [2, 4, 1, 3, 1, 7, 0],
]


def test_agrees_with_agrestis_baseball_table() -> None:
    """With a prior too wide to matter, the estimates are the published maximum likelihood ones (Baltimore = 0)."""
    pairs = [(w, k) for w, row in enumerate(BASEBALL) for k, wins in enumerate(row) for _ in range(wins)]
    fit = fit_bradley_terry(7, pairs, prior_sd=1000.0)
    assert fit.strengths - fit.strengths[6] == pytest.approx([1.58, 1.44, 1.29, 1.25, 1.11, 0.68, 0.0], abs=0.006)
    # R's BradleyTerry2 documents 0.342 for the difference of Milwaukee (or New York, 0.336) and Baltimore.
    c = fit.covariance
    assert np.sqrt(c[0, 0] + c[6, 6] - 2 * c[0, 6]) == pytest.approx(0.343, abs=0.002)


def test_two_items_have_a_closed_form() -> None:
    """w wins of m: the mode solves w − m σ(2θ) = θ / τ², and the error follows from the curvature there."""
    fit = fit_bradley_terry(2, [(0, 1)] * 7 + [(1, 0)] * 3, prior_sd=2.0)
    theta = fit.strengths[0]
    win = 1 / (1 + np.exp(-2 * theta))
    assert 7 - 10 * win == pytest.approx(theta / 4, abs=1e-8)
    assert fit.standard_errors[0] ** 2 == pytest.approx(0.5 / (2 * 10 * win * (1 - win) + 1 / 4))


@pytest.mark.parametrize("with_order", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_is_the_brute_force_optimum(seed: int, with_order: bool) -> None:
    """Strengths, order effect and centred covariance equal those of a general optimiser on a dense posterior."""
    _, pairs, first = simulate(6, 8, sd=1.5, order=0.5, seed=seed)
    shown = first if with_order else None
    fit = fit_bradley_terry(6, pairs, shown, prior_sd=1.3)
    precision = np.array([1 / 1.3**2] * 6 + [1 / ORDER_PRIOR_SD**2] * with_order)

    def cost(x: np.ndarray) -> float:
        return -log_posterior(x, pairs, shown, precision)

    best = minimize(cost, np.zeros(len(precision)), method="BFGS", options={"gtol": 1e-7})
    assert fit.strengths == pytest.approx(best.x[:6], abs=1e-4)
    if with_order:
        assert fit.order_effect == pytest.approx(best.x[6], abs=1e-4)
    else:
        assert fit.order_effect is None
        assert fit.order_effect_error is None
    step, eye = 1e-4, np.eye(len(precision))
    hessian = np.array(
        [
            [
                sum(a * b * cost(best.x + step * (a * eye[i] + b * eye[j])) for a in (1, -1) for b in (1, -1))
                / (4 * step**2)
                for j in range(len(precision))
            ]
            for i in range(len(precision))
        ]
    )
    inverse, centre = np.linalg.inv(hessian), np.eye(6) - 1 / 6
    assert fit.covariance == pytest.approx(centre @ inverse[:6, :6] @ centre, abs=1e-4)
    if with_order:
        assert fit.order_effect_error == pytest.approx(np.sqrt(inverse[6, 6]), abs=1e-4)
    assert fit.covariance.sum(axis=0) == pytest.approx(np.zeros(6), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_prior_sd_maximises_the_marginal_likelihood(seed: int) -> None:
    """The estimated τ is where a brute-force Laplace marginal likelihood peaks."""
    _, pairs, first = simulate(10, 12, sd=1.5, order=0.3, seed=seed)
    found = fit_bradley_terry(10, pairs, first).prior_sd
    grid = found * np.exp([-0.05, 0.0, 0.05])
    left, middle, right = (log_marginal(10, pairs, first, float(sd)) for sd in grid)
    assert middle > left
    assert middle > right


def test_large_sets_estimate_the_same_prior_as_small_ones() -> None:
    """Above the limit of exact traces, the estimate agrees with the truth of the simulation."""
    strengths, pairs, first = simulate(1500, 12, sd=1.5, order=0.3, seed=4)
    fit = fit_bradley_terry(1500, pairs, first)
    assert fit.prior_sd == pytest.approx(np.std(strengths), rel=0.08)
    assert fit.order_effect == pytest.approx(0.3, abs=0.1)
    assert np.corrcoef(fit.strengths, strengths)[0, 1] > 0.85


def test_five_thousand_items_are_fitted_in_seconds() -> None:
    """Ten comparisons an item, sparse: strengths in well under a second on a free machine."""
    _, pairs, first = simulate(5000, 10, sd=1.5, order=0.0, seed=5)
    started = time.monotonic()
    fit = fit_bradley_terry(5000, pairs, first, prior_sd=1.5)
    assert time.monotonic() - started < 2.0
    assert np.all(np.isfinite(fit.strengths))


@pytest.mark.parametrize(("n", "each", "sd"), [(12, 20, 1.0), (30, 12, 1.5), (30, 30, 2.0)])
def test_intervals_cover_what_they_say(n: int, each: int, sd: float) -> None:
    """95 % intervals hold the true (centred) strength in 90–98 % of seeded runs, order effect and all."""
    inside, order_inside = [], []
    for seed in range(50):
        strengths, pairs, first = simulate(n, each, sd=sd, order=0.4, seed=seed)
        fit = fit_bradley_terry(n, pairs, first)
        inside.append(np.abs(fit.strengths - strengths) < 1.96 * fit.standard_errors)
        order_inside.append(abs(fit.order_effect - 0.4) < 1.96 * fit.order_effect_error)
    assert 0.90 <= np.mean(inside) <= 0.98
    assert 0.88 <= np.mean(order_inside) <= 1.0


def test_reliability_tells_skill_from_coin_flips() -> None:
    skill = [fit_bradley_terry(30, *simulate(30, 20, sd=2.0, order=0, seed=s)[1:]).reliability for s in range(10)]
    luck = [fit_bradley_terry(30, *simulate(30, 20, sd=0.0, order=0, seed=s)[1:]).reliability for s in range(10)]
    assert np.mean(skill) > 0.8
    assert np.mean(luck) < 0.35


def test_winners_and_losers_of_everything_stay_finite() -> None:
    """A total order, where maximum likelihood is infinite: ranked right, with a finite strength and error."""
    fit = fit_bradley_terry(5, [pair for pair in round_robin(5) for _ in range(4)])
    assert fit.ranking() == [0, 1, 2, 3, 4]
    assert np.all(np.abs(fit.strengths) < 10)
    assert np.all(np.isfinite(fit.standard_errors))


def test_unconnected_groups_are_uncertain_towards_each_other() -> None:
    """Two groups that never met: each is centred on 0, and a difference across them is surer known than nothing."""
    fit = fit_bradley_terry(4, [(0, 1), (1, 0), (2, 3), (2, 3)] * 10, prior_sd=1.0)
    assert fit.strengths[:2].sum() == pytest.approx(0, abs=1e-7)
    assert fit.strengths[2:].sum() == pytest.approx(0, abs=1e-7)
    c = fit.covariance
    across, within = c[0, 0] + c[2, 2] - 2 * c[0, 2], c[0, 0] + c[1, 1] - 2 * c[0, 1]
    assert across > 2 * within


def test_an_item_without_a_comparison_has_the_priors_uncertainty() -> None:
    fit = fit_bradley_terry(3, [(0, 1), (1, 0)] * 20, prior_sd=1.5)
    assert fit.strengths[2] == pytest.approx(0, abs=1e-9)
    assert fit.standard_errors[2] == pytest.approx(1.5 * np.sqrt(2 / 3))


@pytest.mark.parametrize(
    ("n", "pairs", "first", "prior_sd", "error"),
    [
        (1, [(0, 0)], None, None, InsufficientComparisons),
        (3, [], None, None, InsufficientComparisons),
        (3, [(0, 3)], None, None, InvalidComparisons),
        (3, [(-1, 1)], None, None, InvalidComparisons),
        (3, [(1, 1)], None, None, InvalidComparisons),
        (3, [(0, 1, 2)], None, None, InvalidComparisons),
        (3, [(0, 1), (2,)], None, None, InvalidComparisons),
        (3, [(0.0, 1.0)], None, None, InvalidComparisons),
        (3, [("0", "1")], None, None, InvalidComparisons),
        (3, [(0, 1)], [2], None, InvalidComparisons),
        (3, [(0, 1)], [0, 1], None, InvalidComparisons),
        (3, [(0, 1)], None, 0.0, InvalidComparisons),
        (3, [(0, 1)], None, float("nan"), InvalidComparisons),
    ],
)
def test_bad_input_is_refused(n, pairs, first, prior_sd, error) -> None:
    with pytest.raises(error):
        fit_bradley_terry(n, pairs, first, prior_sd=prior_sd)


def test_not_converging_is_an_error() -> None:
    """Too few steps raise, with the code for the wire; a caller's bug has none, and is a ValueError."""
    with pytest.raises(ScoreConvergenceFailed) as caught:
        fit_bradley_terry(3, [(0, 1), (1, 2)], prior_sd=1.0, max_iterations=1)
    assert caught.value.code is CJAssessmentErrorCode.SCORE_CONVERGENCE_FAILED
    assert isinstance(caught.value, AssessmentError)
    assert issubclass(InvalidComparisons, ValueError)
    assert InsufficientComparisons.code is CJAssessmentErrorCode.INSUFFICIENT_COMPARISONS
