"""Judges and essays: order effect, length effect, discrimination, misfit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessment.errors import InvalidComparisons
from assessment.model.diagnostics.design import describe_design
from assessment.model.diagnostics.discrimination import cross_fitted_discrimination
from assessment.model.diagnostics.judges import describe_judges, length_effect
from assessment.model.diagnostics.misfit import misfit
from assessment.model.strengths.fit import fit_verdicts
from assessment.model.strengths.verdicts import read_verdicts
from benchmarks.judging.judges import SimulatedJudge


def judged(judges, n=30, each=18, seed=0, strengths=None):
    """Verdicts of several judges on random rounds, which are dealt to them in turn."""
    rng = np.random.default_rng(seed)
    strengths = rng.normal(0, 2, n) if strengths is None else strengths
    shown = np.concatenate([rng.permutation(n)[: n // 2 * 2].reshape(-1, 2) for _ in range(each)])
    judge = np.arange(len(shown)) % len(judges)
    wins, sure = np.zeros(len(shown), dtype=bool), np.ones(len(shown), dtype=int)
    for number, one in enumerate(judges):
        mine = judge == number
        wins[mine], sure[mine] = one.answer(strengths, shown[mine], rng, rng)
    pairs = np.where(wins[:, None], shown, shown[:, ::-1])
    return strengths, read_verdicts(n, pairs, shown[:, 0], judge, sure)


def test_each_judge_has_an_order_effect_of_its_own() -> None:
    _, verdicts = judged([SimulatedJudge(order_effect=e) for e in (-1.0, 0.0, 1.5)], n=40, each=60)
    reports = describe_judges(verdicts, fit_verdicts(verdicts))
    for report, effect in zip(reports, (-1.0, 0.0, 1.5), strict=True):
        assert report.order_effect == pytest.approx(effect, abs=3 * report.order_effect_error + 0.15 * abs(effect))
        assert report.verdicts == 400
    assert reports[0].first_share < 0.45
    assert reports[2].first_share > 0.6
    assert reports[0].length_effect is None


def test_a_judge_that_likes_length_shows() -> None:
    rng = np.random.default_rng(1)
    lengths = rng.uniform(100, 800, 40)
    liking = 1.5 * (np.log2(lengths) - np.log2(lengths).mean())
    _, verdicts = judged([SimulatedJudge()], n=40, each=30, strengths=liking)
    report = describe_judges(verdicts, fit_verdicts(verdicts), lengths)[0]
    assert report.length_effect == pytest.approx(1.5, abs=3 * report.length_effect_error)
    _, fair = judged([SimulatedJudge()], n=40, each=30)
    effect, error = length_effect(fair, np.log2(rng.permutation(lengths)))
    assert abs(effect) < 4 * error + 0.3


def test_confidences_are_described() -> None:
    judges = [SimulatedJudge(confidence="perceived"), SimulatedJudge(confidence="noise")]
    _, verdicts = judged(judges, n=40, each=30)
    informative, noise = describe_judges(verdicts, fit_verdicts(verdicts))
    assert informative.confidence_evidence > 2
    assert noise.confidence_evidence < 0


def test_a_judge_at_random_is_weak_and_weighted_down() -> None:
    found = []
    for seed in range(8):
        _, verdicts = judged([SimulatedJudge(), SimulatedJudge(), SimulatedJudge(discrimination=0.0)], seed=seed)
        described = cross_fitted_discrimination(verdicts)
        found.append(described.weak == (2,))
        assert described.weights[2] < 0.6
        assert described.slopes[2] < 0.5
    assert np.mean(found) >= 0.75


def test_equal_judges_are_not_weak() -> None:
    for seed in range(6):
        _, verdicts = judged([SimulatedJudge()] * 3, seed=seed)
        described = cross_fitted_discrimination(verdicts)
        assert described.weak == ()
        assert np.all((described.weights > 0.5) & (described.weights < 2))


def test_two_judges_cannot_tell_who_is_wrong() -> None:
    _, verdicts = judged([SimulatedJudge(), SimulatedJudge(discrimination=0.0)])
    assert cross_fitted_discrimination(verdicts) is None


def test_an_essay_that_was_judged_at_random_is_listed() -> None:
    """In about half of the classes; few others are."""
    hits, false = [], []
    for seed in range(12):
        strengths, verdicts = judged([SimulatedJudge()], each=20, seed=seed)
        rng = np.random.default_rng(seed)
        odd = int(np.argmax(np.abs(strengths)))
        touched = (verdicts.winner == odd) | (verdicts.loser == odd)
        turn = touched & (rng.random(len(verdicts)) < 0.5)
        pairs = np.column_stack([verdicts.winner, verdicts.loser])
        first = np.where(verdicts.slot > 0, verdicts.winner, verdicts.loser)
        spoilt = read_verdicts(30, np.where(turn[:, None], pairs[:, ::-1], pairs), first)
        listed = misfit(spoilt, fit_verdicts(spoilt)).listed.tolist()
        hits.append(odd in listed)
        false.append(len(set(listed) - {odd}) / 29)
    assert np.mean(hits) >= 0.4
    assert np.mean(false) <= 0.1


@pytest.mark.parametrize("lengths", [[1.0], [0.0] * 30, [float("nan")] * 30, ["long"] * 30])
def test_what_is_no_length_is_refused(lengths) -> None:
    _, verdicts = judged([SimulatedJudge()], each=2)
    with pytest.raises(InvalidComparisons):
        describe_judges(verdicts, fit_verdicts(verdicts), lengths)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_any_verdicts_can_be_described(data) -> None:
    n = data.draw(st.integers(2, 6))
    pair = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] != p[1])
    pairs = data.draw(st.lists(pair, min_size=1, max_size=25))
    judges = [data.draw(st.integers(0, 2).filter(lambda j: j <= len(pairs))) for _ in pairs]
    levels = [data.draw(st.integers(1, 5)) for _ in pairs]
    verdicts = read_verdicts(n, pairs, [p[data.draw(st.integers(0, 1))] for p in pairs], judges, levels)
    fit = fit_verdicts(verdicts)
    for report in describe_judges(verdicts, fit, [100.0] * n):
        assert report.length_effect is None or np.isfinite(report.length_effect)
    found = misfit(verdicts, fit)
    assert np.all(np.isfinite(found.infit))
    assert np.all(np.isfinite(found.outfit))
    described = cross_fitted_discrimination(verdicts)
    assert described is None or np.all(np.isfinite(described.slopes))
    design = describe_design(verdicts)
    assert 1 <= design.components <= n
