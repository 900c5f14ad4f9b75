"""Grades: the normal distribution, the boundaries' posterior, predictions, wrong anchors, odd inputs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessment.errors import AssessmentError, InsufficientComparisons, InvalidComparisons
from assessment.model.grades.boundaries import BoundaryModel, fit_boundaries
from assessment.model.grades.normal import normal_between, normal_cdf, normal_quantiles
from assessment.model.grades.predict import predict_grades

SHARES = np.array([0.07, 0.18, 0.25, 0.25, 0.18, 0.07])


def a_class(seed=0, essays=40, anchors=12, sd=2.0, error=0.4):
    """(strengths as estimated, variances, true grades, anchors): anchors two of each grade."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(0, sd, 4000)
    cuts = sd * normal_quantiles(np.cumsum(SHARES)[:-1])
    grade = np.searchsorted(cuts, theta + rng.normal(0, 0.4, 4000))
    chosen = np.concatenate([np.flatnonzero(grade == g)[: anchors // 6] for g in range(6)])
    which = np.concatenate([chosen, np.setdiff1d(np.arange(essays), chosen)])
    return theta[which] + rng.normal(0, error, len(which)), np.full(len(which), error**2), grade[which], anchors


def test_the_normal_distribution() -> None:
    x = np.linspace(-8, 8, 321)
    exact = np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in x])
    assert normal_cdf(x) == pytest.approx(exact, rel=2e-7)
    assert normal_between(np.array([7.0]), np.array([8.0]))[0] == pytest.approx(1.279e-12, rel=1e-3)
    assert normal_between(np.array([1.0]), np.array([0.0]))[0] == 0
    assert normal_cdf(normal_quantiles(np.array([0.01, 0.5, 0.9]))) == pytest.approx([0.01, 0.5, 0.9], abs=1e-7)


def test_without_evidence_the_boundaries_are_those_of_the_distribution() -> None:
    """One anchor that is worth nothing: the prior's quantiles, on the scale of τ."""
    found = predict_grades([0.0, 1.0], [1e6, 0.1], [0], [3], n_grades=6, prior_sd=2.0, distribution=SHARES)
    assert found.boundaries == pytest.approx(2 * normal_quantiles(np.cumsum(SHARES)[:-1]), abs=0.3)
    assert found.missing == (0, 1, 2, 4, 5)


def test_grades_are_found_and_probabilities_are_honest() -> None:
    right, claimed = [], []
    for seed in range(12):
        theta, variance, grade, m = a_class(seed)
        found = predict_grades(theta, variance, np.arange(m), grade[:m], n_grades=6, prior_sd=2.0, distribution=SHARES)
        assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(len(theta)))
        assert np.all(np.diff(found.boundaries) > 0)
        right.append(np.mean(found.probabilities[m:].argmax(axis=1) == grade[m:]))
        claimed.append(np.mean(found.probabilities[m:].max(axis=1)))
        assert np.max(np.abs(found.grade[m:] - grade[m:])) <= 2
    assert np.mean(right) > 0.5
    assert np.mean(claimed) == pytest.approx(np.mean(right), abs=0.1)


def test_an_uncertain_essay_has_flatter_probabilities() -> None:
    theta, variance, grade, m = a_class()
    options = {"n_grades": 6, "prior_sd": 2.0, "distribution": SHARES}
    sure = predict_grades(theta, variance, np.arange(m), grade[:m], **options)
    variance[m:] = 4.0
    unsure = predict_grades(theta, variance, np.arange(m), grade[:m], **options)
    assert unsure.probabilities[m:].max(axis=1).mean() < sure.probabilities[m:].max(axis=1).mean() - 0.1


def test_a_wrong_anchor_is_flagged_and_does_little_harm() -> None:
    """Three grades off: found in most classes, with few false flags, and the boundaries stay where they are."""
    hits, false, moved = [], [], []
    for seed in range(12):
        theta, variance, grade, m = a_class(seed)
        options = {"n_grades": 6, "prior_sd": 2.0, "distribution": SHARES}
        labels = grade[:m].copy()
        clean = predict_grades(theta, variance, np.arange(m), labels, **options)
        wrong = seed % m
        labels[wrong] += 3 if labels[wrong] < 3 else -3
        found = predict_grades(theta, variance, np.arange(m), labels, **options)
        hits.append(bool(found.flagged[wrong]))
        false.append(np.delete(found.flagged, wrong).mean())
        moved.append(np.mean(np.abs(found.boundaries - clean.boundaries)))
    assert np.mean(hits) >= 0.8
    assert np.mean(false) <= 0.03
    assert np.mean(moved) < 0.25


def test_the_mode_is_where_the_log_posterior_is_highest() -> None:
    theta, variance, grade, m = a_class()
    model = BoundaryModel.of_distribution(SHARES, 2.0, known=True)
    known = theta[:m], variance[:m], grade[:m]
    posterior = fit_boundaries(model, *known)
    top = model.log_posterior(posterior.mode[None], *known)[0]
    around = posterior.mode + 0.05 * np.random.default_rng(0).normal(size=(200, model.size))
    assert np.all(model.log_posterior(around, *known) < top + 1e-6)


def test_wide_priors_where_the_distribution_is_unknown() -> None:
    theta, variance, grade, m = a_class()
    found = predict_grades(theta, variance, np.arange(m), grade[:m], n_grades=6, prior_sd=2.0)
    assert np.mean(np.abs(found.grade[m:] - grade[m:])) < 1


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"anchors": []}, InsufficientComparisons),
        ({"anchors": [0, 0]}, InvalidComparisons),
        ({"anchors": [0, 9]}, InvalidComparisons),
        ({"anchor_grades": [0, 3]}, InvalidComparisons),
        ({"anchor_grades": [0]}, InvalidComparisons),
        ({"strengths": [0.0, float("inf"), 1.0]}, InvalidComparisons),
        ({"variances": [0.1, -0.1, 0.1]}, InvalidComparisons),
        ({"n_grades": 1}, InvalidComparisons),
        ({"prior_sd": 0.0}, InvalidComparisons),
        ({"distribution": [0.5, 0.5]}, InvalidComparisons),
        ({"distribution": [0.5, 0.5, 0.0]}, InvalidComparisons),
    ],
)
def test_bad_input_is_refused(change, error) -> None:
    given = {
        "strengths": [0.0, 1.0, -1.0],
        "variances": [0.1, 0.1, 0.1],
        "anchors": [0, 1],
        "anchor_grades": [0, 2],
        "n_grades": 3,
        "prior_sd": 1.0,
    }
    with pytest.raises(error):
        predict_grades(**{**given, **change})


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_any_input_gives_probabilities_or_a_typed_error(data) -> None:
    n, g = data.draw(st.integers(1, 6)), data.draw(st.integers(2, 9))
    theta = data.draw(st.lists(st.floats(-1e3, 1e3), min_size=n, max_size=n))
    variance = data.draw(st.lists(st.floats(0, 1e3), min_size=n, max_size=n))
    anchors = data.draw(st.lists(st.integers(0, n), max_size=n, unique=True))
    grades = [data.draw(st.integers(0, g)) for _ in anchors]
    shares = data.draw(st.none() | st.lists(st.floats(0, 1), min_size=g, max_size=g))
    try:
        found = predict_grades(
            theta, variance, anchors, grades, n_grades=g, prior_sd=data.draw(st.floats(0, 20)), distribution=shares
        )
    except AssessmentError:
        return
    assert np.all(np.isfinite(found.probabilities))
    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(n))
    assert np.all((found.grade >= 0) & (found.grade < g))
    assert np.all((found.tail >= 0) & (found.tail <= 1))
