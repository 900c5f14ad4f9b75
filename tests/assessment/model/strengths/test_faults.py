"""Each known fault of the fit or of its use has a test: what is mended stays mended, what cannot be is reported."""

import itertools

import numpy as np
import pytest
from umpire_assessment import simulate

from assessment.errors import AssessmentError, InvalidComparisons
from assessment.model.diagnostics.design import describe_design
from assessment.model.pairing.history import read_history
from assessment.model.pairing.plan import RANDOM_ROUNDS, plan_round
from assessment.model.pairing.repeats import counts_once
from assessment.model.stop import MIN_PER_ITEM
from assessment.model.strengths.fit import fit_bradley_terry
from assessment.model.strengths.verdicts import read_verdicts


def judged(strengths, rounds, seed, random_rounds=None):
    """(verdicts as winner, loser; first) of rounds that plan_round chose, by a judge without order effect."""
    n, rng = len(strengths), np.random.default_rng(seed)
    shown, wins, fit = np.empty((0, 2), dtype=int), np.empty(0, dtype=bool), None
    for number in range(rounds):
        if random_rounds is not None and random_rounds <= number < RANDOM_ROUNDS:
            order = np.argsort(-fit.strengths)
            pairs = order.reshape(-1, 2)
        else:
            pairs = plan_round(read_history(n, shown), None if fit is None else fit.strengths, seed=seed)
        odds = strengths[pairs[:, 0]] - strengths[pairs[:, 1]]
        wins = np.concatenate([wins, rng.random(len(pairs)) < 1 / (1 + np.exp(-odds))])
        shown = np.concatenate([shown, pairs])
        fit = fit_bradley_terry(n, np.where(wins[:, None], shown, shown[:, ::-1]), shown[:, 0])
    return fit, shown


def test_f1_three_random_rounds_avoid_the_low_trap_of_the_prior() -> None:
    """From then on, no fit at eight comparisons an item puts τ below half the truth."""
    strengths = np.random.default_rng(1).normal(0, 2, 100)
    assert RANDOM_ROUNDS == 3
    assert MIN_PER_ITEM == 8
    for seed in range(3):
        fit, shown = judged(strengths, 8, seed)
        assert fit.prior_sd > 1.0
        first_rounds = np.abs(strengths[shown[:150, 0]] - strengths[shown[:150, 1]])
        later = np.abs(strengths[shown[300:, 0]] - strengths[shown[300:, 1]])
        assert later.mean() < 0.7 * first_rounds.mean()


def test_f2_pairs_chosen_by_outside_knowledge_ruin_the_ranking() -> None:
    """The reason why plan_round knows no grades: only true neighbours compared, and the estimated prior hides all."""
    strengths = np.linspace(-4, 4, 30)
    rng = np.random.default_rng(0)
    pairs = []
    for one in range(29):
        for _ in range(10):
            wins = rng.random() < 1 / (1 + np.exp(strengths[one + 1] - strengths[one]))
            pairs.append((one, one + 1) if wins else (one + 1, one))
    estimated, given = fit_bradley_terry(30, pairs), fit_bradley_terry(30, pairs, prior_sd=5.0)
    assert estimated.prior_sd < 1.0
    assert np.corrcoef(given.strengths, strengths)[0, 1] > np.corrcoef(estimated.strengths, strengths)[0, 1]


def test_f3_coin_flips_claim_next_to_nothing() -> None:
    """A round robin of 20 items by coin: .33 with the prior of τ alone, now the smaller of two claims."""
    rng = np.random.default_rng(0)
    claims = []
    for _ in range(20):
        pairs = [pair if rng.random() < 0.5 else pair[::-1] for pair in itertools.combinations(range(20), 2)]
        claims.append(fit_bradley_terry(20, pairs).reliability)
    assert np.mean(claims) < 0.15


def test_f3_real_differences_are_claimed_as_before() -> None:
    """From τ = 1 logit on, the claim with τ's prior is the smaller one."""
    _, pairs, first = simulate(100, 12, sd=2.0, order=0.0, seed=1)
    fit = fit_bradley_terry(100, pairs, first)
    assert fit.prior_sd > 1
    spread = np.var(fit.strengths, ddof=1)
    assert fit.reliability == pytest.approx(spread / (spread + np.mean(fit.standard_errors**2)), abs=1e-9)


def test_f4_groups_that_were_never_compared_are_counted() -> None:
    pairs = [(0, 1), (1, 0), (2, 3), (4, 3)]
    report = describe_design(read_verdicts(6, pairs))
    assert report.components == 3
    assert report.component.tolist() == [0, 0, 1, 1, 1, 2]
    assert describe_design(read_verdicts(5, [*pairs, (1, 4)])).components == 1


def test_f5_a_verdict_that_came_twice_is_the_callers_to_remove() -> None:
    """Twice the same rows claim more; of one judge the first verdict on each ordered pair is what counts."""
    _, pairs, first = simulate(30, 8, sd=1.0, order=0.0, seed=3)
    once = fit_bradley_terry(30, pairs, first)
    twice = fit_bradley_terry(30, np.tile(pairs, (2, 1)), np.tile(first, 2))
    assert twice.reliability > once.reliability + 0.1
    shown = np.column_stack([first, np.where(first == pairs[:, 0], pairs[:, 1], pairs[:, 0])])
    kept = counts_once(30, np.tile(shown, (2, 1)))
    again = fit_bradley_terry(30, np.tile(pairs, (2, 1))[kept], np.tile(first, 2)[kept])
    assert again.reliability <= once.reliability + 1e-6


@pytest.mark.parametrize(
    "options",
    [
        {"tolerance": float("inf")},
        {"tolerance": 0.0},
        {"tolerance": "small"},
        {"prior_sd": 1e-200},
        {"prior_sd": 1e200},
        {"max_iterations": 0},
        {"max_iterations": 2.5},
    ],
)
def test_f6_odd_options_are_refused(options) -> None:
    with pytest.raises(AssessmentError):
        fit_bradley_terry(3, [(0, 1), (1, 2)], **options)


@pytest.mark.parametrize("n", [3.0, "3", None, -1])
def test_f6_an_odd_number_of_items_is_refused(n) -> None:
    with pytest.raises(InvalidComparisons):
        fit_bradley_terry(n, [(0, 1)])


def test_f7_fixed_orientation_is_reported_and_planning_avoids_it() -> None:
    """With the lower number always first, order and strength are confounded: the skew says so."""
    pairs = list(itertools.combinations(range(10), 2))
    report = describe_design(read_verdicts(10, pairs, [low for low, _ in pairs]))
    assert report.worst_skew == 9
    assert report.skew.tolist() == list(range(9, -10, -2))
    _, shown = judged(np.linspace(-2, 2, 10), 9, 0)
    verdicts = read_verdicts(10, shown, shown[:, 0])
    assert describe_design(verdicts).worst_skew <= 4


def test_f8_the_order_effect_is_described_as_too_small() -> None:
    """At 12 comparisons an item γ comes out some 15 % low: within one standard error of that, on average."""
    found = []
    for seed in range(20):
        _, pairs, first = simulate(50, 12, sd=2.0, order=1.0, seed=seed)
        fit = fit_bradley_terry(50, pairs, first)
        found.append(fit.order_effect)
    assert 0.7 < np.mean(found) < 1.0


def test_f9_without_its_prior_tau_ends_at_its_bound_on_perfect_ties() -> None:
    fit = fit_bradley_terry(4, [pair for pair in itertools.permutations(range(4), 2) for _ in range(20)])
    assert fit.reliability < 0.01
    assert np.all(np.abs(fit.strengths) < 1e-6)
