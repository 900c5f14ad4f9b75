"""The stop rule: target twice in a row with enough comparisons, else the pairs, else the budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessment.errors import AssessmentError, InvalidComparisons
from assessment.model.stop import AssessmentStopReason as Reason
from assessment.model.stop import check_target, reason_shares, stop_reason


@pytest.mark.parametrize(
    ("claims", "each", "exhausted", "expected"),
    [
        ([], 0, False, None),
        ([0.95], 10, False, None),
        ([0.95, 0.95], 7, False, None),
        ([0.95, 0.95], 8, False, Reason.TARGET),
        ([0.95, 0.89, 0.91], 12, False, None),
        ([0.95, 0.89, 0.91, 0.9], 12, False, Reason.TARGET),
        ([0.5, 0.5], 23, False, None),
        ([0.5, 0.5], 24, False, Reason.BUDGET),
        ([0.5, 0.5], 20, True, Reason.PAIRS_EXHAUSTED),
        ([0.95, 0.95], 24, True, Reason.TARGET),
    ],
)
def test_reasons(claims, each, exhausted, expected) -> None:
    assert stop_reason(claims, [each] * 30, exhausted=exhausted) is expected


def test_each_item_needs_enough() -> None:
    assert stop_reason([0.95, 0.95], [9] * 29 + [7], exhausted=False) is None


def test_few_items_have_few_pairs() -> None:
    """Three essays have four ordered pairs each."""
    assert stop_reason([0.95, 0.95], [4] * 3, exhausted=True) is Reason.TARGET
    assert stop_reason([0.95, 0.95], [4] * 3, exhausted=False, n_judges=2) is None


def test_the_callers_budget_is_kept_and_24_is_the_bound() -> None:
    assert stop_reason([], [10] * 30, exhausted=False, budget_per_item=10) is Reason.BUDGET
    assert stop_reason([], [10] * 30, exhausted=False, budget_per_item=10.9) is Reason.BUDGET
    assert stop_reason([], [10] * 30, exhausted=False, budget_per_item=11) is None
    assert stop_reason([], [24] * 30, exhausted=False, budget_per_item=100) is Reason.BUDGET


def test_a_target_out_of_reach_is_refused() -> None:
    with pytest.raises(InvalidComparisons):
        check_target(0.95, 49)
    assert check_target(0.95, 50) == 0.95
    for target in (-0.1, 1.1, float("nan"), "high"):
        with pytest.raises(InvalidComparisons):
            check_target(target, 100)


def test_how_often_each_reason_stops() -> None:
    shares = reason_shares([Reason.TARGET, Reason.TARGET, Reason.BUDGET, Reason.TARGET])
    assert shares == {Reason.TARGET: 0.75, Reason.BUDGET: 0.25, Reason.PAIRS_EXHAUSTED: 0.0}
    assert sum(reason_shares([]).values()) == 0


@given(
    st.lists(st.floats(), max_size=4),
    st.lists(st.integers(-1, 40), max_size=5),
    st.booleans(),
    st.floats(),
    st.floats(),
)
def test_any_input_gives_a_reason_none_or_a_typed_error(claims, counts, exhausted, target, budget) -> None:
    try:
        found = stop_reason(claims, counts, exhausted=exhausted, target=target, budget_per_item=budget)
    except AssessmentError:
        return
    assert found is None or isinstance(found, Reason)
