"""What must hold for any comparisons at all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessment.model.strengths.fit import fit_bradley_terry


@st.composite
def data(draw):
    """(n, comparisons, first): any size, connected or not, one-sided or not."""
    n = draw(st.integers(2, 8))
    pair = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] != p[1])
    pairs = draw(st.lists(pair, min_size=1, max_size=40))
    first = [p[draw(st.integers(0, 1))] for p in pairs]
    return n, pairs, first


@settings(deadline=None, max_examples=40)
@given(data())
def test_always_finite_centred_and_positive(case) -> None:
    n, pairs, first = case
    fit = fit_bradley_terry(n, pairs, first)
    assert np.all(np.isfinite(fit.strengths))
    assert fit.strengths.sum() == pytest.approx(0, abs=1e-9)
    assert np.all(fit.standard_errors > 0)
    assert 0 <= fit.reliability < 1
    assert sorted(fit.ranking()) == list(range(n))


@settings(deadline=None, max_examples=40)
@given(data(), st.randoms(use_true_random=False))
def test_names_do_not_matter(case, random) -> None:
    """Renaming items renames their estimates; the order of comparisons changes nothing."""
    n, pairs, first = case
    fit = fit_bradley_terry(n, pairs, first)
    new = list(range(n))
    random.shuffle(new)
    rows = [((new[w], new[k]), new[f]) for (w, k), f in zip(pairs, first, strict=True)]
    random.shuffle(rows)
    other = fit_bradley_terry(n, [row[0] for row in rows], [row[1] for row in rows])
    assert other.strengths[new] == pytest.approx(fit.strengths, abs=1e-5)
    assert other.standard_errors[new] == pytest.approx(fit.standard_errors, abs=1e-5)
    assert other.order_effect == pytest.approx(fit.order_effect, abs=1e-5)


@settings(deadline=None, max_examples=40)
@given(data())
def test_swapping_every_orientation_turns_the_order_effect_round(case) -> None:
    n, pairs, first = case
    second = [w if f == k else k for (w, k), f in zip(pairs, first, strict=True)]
    fit, turned = fit_bradley_terry(n, pairs, first), fit_bradley_terry(n, pairs, second)
    assert turned.order_effect == pytest.approx(-fit.order_effect, abs=1e-5)
    assert turned.strengths == pytest.approx(fit.strengths, abs=1e-5)


@settings(deadline=None, max_examples=40)
@given(data())
def test_reversing_every_verdict_reverses_the_strengths(case) -> None:
    n, pairs, _ = case
    fit = fit_bradley_terry(n, pairs)
    reversed_ = fit_bradley_terry(n, [(k, w) for w, k in pairs])
    assert reversed_.strengths == pytest.approx(-fit.strengths, abs=1e-5)
    assert reversed_.standard_errors == pytest.approx(fit.standard_errors, abs=1e-5)


@settings(deadline=None, max_examples=40)
@given(data())
def test_one_more_win_never_lowers_the_winner(case) -> None:
    """With the prior held fixed, beating someone once more moves the winner up, relative to that loser."""
    n, pairs, _ = case
    winner, loser = pairs[0]
    before = fit_bradley_terry(n, pairs, prior_sd=1.5).strengths
    after = fit_bradley_terry(n, [*pairs, pairs[0]], prior_sd=1.5).strengths
    assert after[winner] - after[loser] > before[winner] - before[loser]
