"""The goals of the benchmarks are read from medians, and each verdict follows from its value."""

import math
from dataclasses import replace

import pytest

from benchmarks.cases import CASES
from benchmarks.goals import GOALS, Goal, best, times, worst
from benchmarks.percentile import percentile
from benchmarks.plot import better
from benchmarks.report import medians
from benchmarks.score import Row, Verdict, score
from benchmarks.tables import number

MORE = Goal(1, "rate", 500, 900, "more", ("a.rate",))
LESS = Goal(2, "time", 10, 6, "less", ("b.deep.ms",))
MEDIANS = {"a": {"rate": 600.0}, "b": {"deep": {"ms": 11.0}}}


def test_every_goal_is_read_from_a_case_that_there_is() -> None:
    assert {case for goal in GOALS for case in goal.cases} <= CASES.keys()
    assert {goal.line for goal in GOALS} == set(range(1, 9))


def test_a_goal_is_never_easier_than_its_must() -> None:
    for goal in GOALS:
        if goal.goal is not None:
            assert goal.met(goal.goal, goal.must), goal.what


@pytest.mark.parametrize(
    ("goal", "value", "verdict"),
    [
        (MORE, 499.9, Verdict.FAILED),
        (MORE, 500.0, Verdict.MUST),
        (MORE, 900.0, Verdict.GOAL),
        (LESS, 10.1, Verdict.FAILED),
        (LESS, 10.0, Verdict.MUST),
        (LESS, 6.0, Verdict.GOAL),
        (replace(LESS, goal=None), 1.0, Verdict.MUST),
        (replace(LESS, must=0, goal=None), 0.0, Verdict.MUST),
        (MORE, None, Verdict.UNKNOWN),
        (MORE, math.nan, Verdict.FAILED),
    ],
)
def test_what_a_value_means(goal: Goal, value: float | None, verdict: Verdict) -> None:
    assert Row(goal, value, runs=1).verdict is verdict


def test_rows_of_the_cases_that_were_asked_for() -> None:
    rows = score(MEDIANS, {"a": 5, "b": 1}, ["a", "b"], [MORE, LESS])
    assert [(row.value, row.runs, row.verdict) for row in rows] == [
        (600.0, 5, Verdict.MUST),
        (11.0, 1, Verdict.FAILED),
    ]
    assert rows[0].ratio == 1.2
    assert [row.goal for row in score(MEDIANS, {"a": 5}, ["a"], [MORE, LESS])] == [MORE]


def test_a_case_without_a_result_is_told_and_fails_nothing() -> None:
    (row,) = score({}, {}, ["a"], [MORE])
    assert (row.value, row.runs, row.ratio, row.verdict) == (None, 0, None, Verdict.UNKNOWN)
    assert row.as_dict()["verdict"] == "not measured"


def test_values_that_come_from_several_cases() -> None:
    assert best([None, 3.0, 2.0]) == 3.0
    assert best([None]) is None
    assert worst([3.0, 2.0]) == 3.0
    assert worst([3.0, None]) is None
    assert times([None, 600.0, 900.0, 300.0]) == 3.0
    assert times([600.0, None]) is None


def test_medians_of_the_runs_that_have_a_number() -> None:
    runs = [{"a": 1, "b": {"c": 5}}, {"a": 3, "b": {"c": 7}, "d": {"e": 2}}, {"a": 2, "b": {"c": 6}}]
    assert medians(runs) == {"a": 2, "b": {"c": 6}, "d": {"e": 2}}
    assert medians([{"version": "1.2"}, {"version": "1.2"}]) == {"version": "1.2"}


def test_percentiles() -> None:
    assert percentile([5.0], 95) == 5.0
    assert percentile(range(100, 0, -1), 50) == 50
    assert percentile(range(1, 101), 95) == 95
    assert percentile(range(1, 101), 100) == 100
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_further_right_is_better_in_the_plot() -> None:
    assert better(Row(MORE, 600.0, 1), 600.0) == 1.2
    assert better(Row(LESS, 5.0, 1), 5.0) == 2.0
    assert better(Row(LESS, -1.0, 1), -1.0) is None
    assert better(Row(MORE, None, 1), None) is None


def test_numbers_as_one_reads_them() -> None:
    assert [number(value) for value in (0.4567, 5.0, 12.34, 123.4, 12_345.6)] == ["0.457", "5", "12.3", "123", "12,346"]
