"""From rows to a fit."""

from dataclasses import replace

import pytest
from umpire_workflow import new_state

from assessment.workflow.scoring import fit_essays, largest_change
from assessment.workflow.state import ComparisonRow, ComparisonStatus


def with_verdicts(state, *verdicts):
    """(first, second, judge, first_won) of each comparison."""
    rows = tuple(
        ComparisonRow(number, 0, first, second, judge, ComparisonStatus.SUCCEEDED, first_won=won, confidence=3.0)
        for number, (first, second, judge, won) in enumerate(verdicts)
    )
    return replace(state, comparisons=rows)


def test_no_verdict_is_no_fit():
    assert fit_essays(new_state(3)) is None


def test_a_question_that_a_judge_answered_twice_counts_once():
    twice = with_verdicts(new_state(3, judges=2), (0, 1, 0, True), (1, 2, 0, True), (0, 1, 0, False), (0, 1, 1, True))
    assert fit_essays(twice).fit.comparisons == 3, "the other judge's answer counts"
    repeats = replace(twice.assessment, options=replace(twice.assessment.options, allow_repeats=True))
    assert fit_essays(replace(twice, assessment=repeats)).fit.comparisons == 4


def test_essays_without_a_verdict_are_no_part_of_the_fit():
    found = fit_essays(with_verdicts(new_state(5), (1, 3, 0, True)))
    assert found.items.tolist() == [1, 3]
    strengths = found.strengths(5)
    assert strengths[1] == pytest.approx(-strengths[3])
    assert strengths[1] > 0
    assert (strengths[0], strengths[2], strengths[4]) == (0, 0, 0)


def test_only_verdicts_count():
    state = with_verdicts(new_state(3), (0, 1, 0, True), (1, 2, 0, True))
    failed = replace(state.comparisons[1], status=ComparisonStatus.FAILED)
    assert fit_essays(replace(state, comparisons=(state.comparisons[0], failed))).fit.comparisons == 1


def test_one_missing_confidence_leaves_them_all_out():
    state = with_verdicts(new_state(3), (0, 1, 0, True), (1, 2, 0, True))
    assert fit_essays(state).verdicts.confidence is not None
    rows = (state.comparisons[0], replace(state.comparisons[1], confidence=None))
    assert fit_essays(replace(state, comparisons=rows)).verdicts.confidence is None


def test_the_largest_change():
    assert largest_change((), (1.0, 2.0)) is None
    assert largest_change((1.0, 2.0), (1.5, 1.0)) == 1.0


def test_judges_without_a_verdict_are_no_part_of_the_fit():
    found = fit_essays(with_verdicts(new_state(3, judges=4), (0, 1, 3, True), (1, 2, 3, True)))
    assert found.judges.tolist() == [3]
    assert found.verdicts.n_judges == 1
