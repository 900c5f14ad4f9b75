"""Whatever a caller passes: an error of the assessment's tree, or finite numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessment.errors import AssessmentError
from assessment.model.strengths.fit import fit_bradley_terry, fit_verdicts
from assessment.model.strengths.verdicts import read_verdicts

SCALARS = st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.text(max_size=2) | st.complex_numbers()
ANYTHING = SCALARS | st.lists(SCALARS, max_size=4) | st.lists(st.lists(SCALARS, max_size=3), max_size=4)
PAIRS = st.lists(st.tuples(st.integers(-1, 6), st.integers(0, 6)), max_size=12)


def check(fit) -> None:
    assert np.all(np.isfinite(fit.strengths))
    assert np.all(np.isfinite(fit.standard_errors))
    assert 0 <= fit.reliability <= 1
    assert 0 <= fit.reliability_error <= 0.5
    if fit.order_effects is not None:
        assert np.all(np.isfinite(fit.order_effects))
        assert np.all(np.isfinite(fit.order_effect_errors))


@settings(deadline=None, max_examples=200)
@given(ANYTHING, ANYTHING | PAIRS, ANYTHING, ANYTHING, ANYTHING)
def test_any_arguments(n, pairs, first, judges, confidence) -> None:
    try:
        fit = fit_bradley_terry(n, pairs, first, judges=judges, confidence=confidence)
    except AssessmentError:
        return
    check(fit)


@settings(deadline=None, max_examples=80)
@given(PAIRS, st.floats() | st.none(), st.floats() | st.text(max_size=2), st.integers(-1, 60) | st.floats())
def test_any_options(pairs, prior_sd, tolerance, steps) -> None:
    try:
        fit = fit_bradley_terry(7, pairs, prior_sd=prior_sd, tolerance=tolerance, max_iterations=steps)
    except AssessmentError:
        return
    check(fit)


@settings(deadline=None, max_examples=80)
@given(st.floats(1e-4, 1e4), st.integers(1, 10_000), st.booleans())
def test_any_prior_and_any_one_sidedness(prior_sd, repeats, ordered) -> None:
    """Up to ten thousand wins of one item over another, under the widest and the narrowest prior."""
    pairs = np.repeat([[0, 1], [1, 2], [3, 4]], repeats, axis=0)
    try:
        fit = fit_bradley_terry(6, pairs, pairs[:, 0] if ordered else None, prior_sd=prior_sd)
    except AssessmentError:
        return
    check(fit)
    assert fit.strengths[0] >= fit.strengths[1] >= fit.strengths[2]


@pytest.mark.parametrize("weights", [[0.0], [1.0, 1.0], [float("nan")], ["1"], [1e9]])
def test_odd_discriminations_are_refused(weights) -> None:
    with pytest.raises(AssessmentError):
        fit_verdicts(read_verdicts(2, [(0, 1)]), discrimination=weights)


def test_an_item_without_verdicts_above_the_dense_limit() -> None:
    """The sparse path, with groups and items that were never compared."""
    pairs = [(i, i + 1) for i in range(0, 500, 2)]
    fit = fit_bradley_terry(700, pairs, [w for w, _ in pairs])
    check(fit)
    assert fit.strengths[699] == pytest.approx(fit.strengths[600])
