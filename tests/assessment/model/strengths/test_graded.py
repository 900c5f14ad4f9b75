"""Graded answers: the likelihood written out, its derivatives, and when confidences are used."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessment.errors import InvalidComparisons
from assessment.model.strengths.fit import fit_verdicts
from assessment.model.strengths.graded import confidence_evidence, graded_judges
from assessment.model.strengths.posterior import Posterior
from assessment.model.strengths.rows import make_rows
from assessment.model.strengths.verdicts import read_confidence, read_verdicts
from benchmarks.judging.judges import SimulatedJudge


def verdicts_of(n, each, kind, seed, judges=1):
    rng = np.random.default_rng(seed)
    strengths = rng.normal(0, 2, n)
    shown = np.concatenate([rng.permutation(n).reshape(-1, 2) for _ in range(each)])
    wins, sure = SimulatedJudge(order_effect=0.3, confidence=kind).answer(strengths, shown, rng, rng)
    judge = np.arange(len(shown)) % judges
    return strengths, read_verdicts(n, np.where(wins[:, None], shown, shown[:, ::-1]), shown[:, 0], judge, sure)


def plain_value(x, verdicts, precision):
    """The log posterior as its definition reads: each answer's probability is a difference of two logistic curves."""
    n, thresholds = verdicts.n_items, x[verdicts.n_items + 1 :]
    used = sorted(set(verdicts.confidence.tolist()))
    edges = np.concatenate([[0.0], thresholds, [np.inf]])

    def logistic(z):
        return 1 / (1 + np.exp(-z))

    total = -0.5 * float(np.sum(precision * x**2))
    for winner, loser, slot, level in zip(
        verdicts.winner, verdicts.loser, verdicts.slot, verdicts.confidence, strict=True
    ):
        odds = x[winner] - x[loser] + slot * x[n]
        place = used.index(level)
        total += np.log(logistic(edges[place + 1] - odds) - logistic(edges[place] - odds))
    # The prior: the levels' probabilities between equals are uniform on the simplex.
    density = logistic(thresholds) * logistic(-thresholds)
    return total + float(np.sum(np.log(2 * density))) + sum(np.log(range(1, len(thresholds) + 1)))


@pytest.mark.parametrize("seed", range(3))
def test_value_gradient_and_curvature_are_those_of_the_definition(seed: int) -> None:
    _, verdicts = verdicts_of(6, 10, "perceived", seed)
    posterior = Posterior(make_rows(verdicts, with_order=True, graded=(0,)))
    rng = np.random.default_rng(seed)
    x = posterior.start() + 0.1 * rng.normal(size=posterior.n + posterior.q)
    x[7:] = np.sort(np.abs(x[7:])) + 0.1 * np.arange(1, len(x) - 6)
    precision = posterior.precision(1.5)
    assert posterior.value(x, precision) == pytest.approx(plain_value(x, verdicts, precision), abs=1e-8)
    step, eye = 1e-5, np.eye(len(x))
    slopes = [(posterior.value(x + step * e, precision) - posterior.value(x - step * e, precision)) for e in eye]
    gradient = posterior.gradient(x, precision)
    assert gradient == pytest.approx(np.array(slopes) / (2 * step), abs=1e-4)
    bends = [posterior.gradient(x - step * e, precision) - posterior.gradient(x + step * e, precision) for e in eye]
    assert posterior.curvature(x, precision).whole() == pytest.approx(np.array(bends) / (2 * step), abs=1e-4)
    change = rng.normal(size=len(x))
    moved = [posterior.curvature(x + s * step * change, precision).whole() for s in (1, -1)]
    expected = (moved[0] - moved[1]) / (2 * step)
    assert posterior.curvature_slope(x, change).whole() == pytest.approx(expected, abs=1e-4, rel=1e-5)


def test_informative_confidences_are_used_and_noise_is_not() -> None:
    for kind, informative in (("perceived", True), ("half", True), ("noise", False), ("uneven", False)):
        strengths, verdicts = verdicts_of(50, 10, kind, 1)
        evidence = confidence_evidence(verdicts, 0)
        assert (evidence > 2) is informative
        chosen = graded_judges(verdicts)
        assert chosen == ((0,) if informative else ())
        if kind == "perceived":
            graded, plain = fit_verdicts(verdicts, graded=chosen), fit_verdicts(verdicts)
            assert np.corrcoef(graded.strengths, strengths)[0, 1] > np.corrcoef(plain.strengths, strengths)[0, 1]
            assert graded.thresholds[0] == pytest.approx([0.75, 1.5, 2.5, 4.0], abs=0.6)


def test_confidences_are_not_used_before_there_is_enough() -> None:
    """From eight comparisons an item and 200 verdicts of a judge on."""
    _, few = verdicts_of(100, 6, "perceived", 1)
    assert graded_judges(few) == ()
    _, small = verdicts_of(20, 12, "perceived", 1)
    assert len(small) < 200
    assert graded_judges(small) == ()
    _, two = verdicts_of(50, 12, "perceived", 1, judges=2)
    assert graded_judges(two) == ()


def test_once_on_it_goes_off_only_below_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    _, verdicts = verdicts_of(50, 8, "perceived", 1)
    for evidence, before, chosen in ((1.0, (), ()), (1.0, (0,), (0,)), (-0.1, (0,), ()), (2.1, (), (0,))):
        monkeypatch.setattr(
            "assessment.model.strengths.graded.confidence_evidence", lambda *_, evidence=evidence, **__: evidence
        )
        assert graded_judges(verdicts, before) == chosen


def test_a_single_level_is_fitted_as_plain_answers() -> None:
    _, verdicts = verdicts_of(12, 10, "perceived", 1)
    same = read_verdicts(12, np.column_stack([verdicts.winner, verdicts.loser]), confidence=[4] * len(verdicts))
    assert confidence_evidence(same, 0, with_order=False) == -np.inf
    graded, plain = (fit_verdicts(same, with_order=False, graded=some) for some in ((0,), ()))
    assert graded.thresholds == ()
    assert graded.strengths == pytest.approx(plain.strengths, abs=1e-9)


def test_fractions_are_rounded_half_up() -> None:
    assert read_confidence([1, 1.49, 1.5, 2.5, 3.5, 4.5, 5.49]).tolist() == [1, 1, 2, 3, 4, 5, 5]


@pytest.mark.parametrize("levels", [[0], [6], [0.4], [5.5], [float("nan")], ["3"], [True], [[3]], [1, 2]])
def test_what_is_no_confidence_is_refused(levels) -> None:
    with pytest.raises(InvalidComparisons):
        read_verdicts(3, [(0, 1)], confidence=levels)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_any_graded_answers_give_finite_strengths(data) -> None:
    n = data.draw(st.integers(2, 7))
    pair = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] != p[1])
    pairs = data.draw(st.lists(pair, min_size=1, max_size=30))
    levels = [data.draw(st.integers(1, 5)) for _ in pairs]
    judges = [data.draw(st.integers(0, 1)) for _ in pairs]
    verdicts = read_verdicts(n, pairs, [p[0] for p in pairs], judges, levels)
    fit = fit_verdicts(verdicts, graded=range(verdicts.n_judges))
    assert np.all(np.isfinite(fit.strengths))
    assert np.all(fit.standard_errors > 0)
    assert 0 <= fit.reliability < 1
    assert all(np.all(np.diff(cuts, prepend=0) > 0) for cuts in fit.thresholds)
    assert not np.isnan(confidence_evidence(verdicts, 0))
