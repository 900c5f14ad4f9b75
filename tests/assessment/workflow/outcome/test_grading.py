"""The score and the letter of a grade, and where grades come from."""

import pytest
from umpire_workflow import Run, new_state

from assessment.workflow.outcome.grading import confidence_label, letter_grade, normalized_score

SWEDISH = ("F", "E", "D", "D+", "C", "C+", "B", "A")
SHARES = (0.02, 0.08, 0.15, 0.20, 0.25, 0.15, 0.10, 0.05)
LEGACY = ("F+", "E-", "E+", "D-", "D+", "C-", "C+", "B", "A")
NATIONAL = tuple("123456789")


@pytest.mark.parametrize(
    ("scale", "scores"),
    [
        (SWEDISH, [0.0, 0.20, 0.40, 0.47, 0.60, 0.67, 0.80, 1.0]),
        (LEGACY, [0.07, 0.13, 0.27, 0.33, 0.47, 0.53, 0.67, 0.80, 1.0]),
        (NATIONAL, [place / 8 for place in range(9)]),
        (("fail", "pass"), [0.0, 1.0]),
    ],
)
def test_normalized_scores(scale, scores):
    assert [normalized_score(grade, scale) for grade in scale] == pytest.approx(scores)


@pytest.mark.parametrize(
    ("grade", "letter"), [("A", "A"), ("C+", "C+"), ("U", "U"), ("7", "U"), ("pass", "U"), ("A++", "U"), ("G", "U")]
)
def test_a_grade_that_is_no_letter_is_u_in_the_event(grade, letter):
    assert letter_grade(grade) == letter


@pytest.mark.parametrize(
    ("probability", "label"), [(0.70, "HIGH"), (0.69, "MID"), (0.40, "MID"), (0.39, "LOW"), (0.0, "LOW")]
)
def test_labels(probability, label):
    assert confidence_label(probability) == label


def graded(scale=SWEDISH, anchors=SWEDISH * 2, **options):
    state = new_state(24, anchors, grade_scale=scale, **options)
    strengths = [0.25 * (i - 12) for i in range(24)] + [0.9 * (scale.index(one) - len(scale) / 2) for one in anchors]
    return Run(state, strengths=strengths).run().result


def test_better_essays_get_better_grades():
    result = graded(grade_distribution=SHARES)
    students = [one for one in result.scores if not one.is_anchor]
    grades = [SWEDISH.index(one.grade) for one in students]
    assert grades == sorted(grades, reverse=True)
    assert grades[0] > grades[-1] + 2
    assert result.grades.available
    assert len(result.grades.boundaries) == 7
    for one in students:
        assert sum(one.probabilities) == pytest.approx(1)
        assert one.grade_probability == one.probabilities[SWEDISH.index(one.grade)]
        assert one.normalized_score == normalized_score(one.grade, SWEDISH)
        assert one.confidence_label == confidence_label(one.grade_probability)


def test_anchors_keep_their_known_grades():
    result = graded()
    anchors = [one for one in result.scores if one.is_anchor]
    assert sorted(one.grade for one in anchors) == sorted(SWEDISH * 2)
    assert {one.grade_probability for one in anchors} == {1.0}
    assert dict(result.grades.anchors_by_grade) == dict.fromkeys(SWEDISH, 2)


def test_a_students_rank_counts_students_and_an_anchors_rank_counts_all():
    result = graded()
    assert [one.rank for one in result.scores if not one.is_anchor] == list(range(1, 25))
    assert [place for place, one in enumerate(result.scores, 1) if one.is_anchor] == [
        one.rank for one in result.scores if one.is_anchor
    ]


def test_grades_that_are_numbers_are_u_in_the_event_and_themselves_in_the_probabilities():
    result = graded(NATIONAL, NATIONAL)
    assert {one.letter_grade for one in result.scores} == {"U"}
    assert {one.grade for one in result.scores} <= set(NATIONAL)
    assert all(len(one.probabilities) == 9 for one in result.scores)


def test_few_anchors_and_missing_grades_are_told():
    result = graded(anchors=("E", "C", "A"))
    assert "Grades rest on 3 anchors; at least 18 are advised." in result.warnings
    assert result.grades.missing_grades == ("F", "D", "D+", "C+", "B")


def test_an_anchor_far_from_its_grade_is_flagged():
    anchors = SWEDISH * 2
    state = new_state(24, anchors, grade_scale=SWEDISH)
    strengths = [0.25 * (i - 12) for i in range(24)] + [0.9 * (SWEDISH.index(one) - 4) for one in anchors]
    strengths[24] = 3.5
    result = Run(state, strengths=strengths).run().result
    assert "ANCHOR_24" in result.grades.flagged_anchors
    assert any("please check" in one for one in result.warnings)


def test_without_anchors_there_are_no_grades():
    result = Run(new_state(12)).run().result
    assert (result.grades.available, result.grades.reason) == (False, "no anchor essays")
    assert {(one.letter_grade, one.confidence_label, one.normalized_score) for one in result.scores} == {
        ("U", "LOW", 0.0)
    }


def test_boundaries_that_do_not_converge_cost_the_grades_only(monkeypatch):
    from assessment.errors import ScoreConvergenceFailed

    def fail(*args, **options):
        raise ScoreConvergenceFailed("no")

    monkeypatch.setattr("assessment.workflow.outcome.grading.predict_grades", fail)
    result = graded()
    assert not result.grades.available
    assert "No grades: the grade boundaries did not converge." in result.warnings
    assert len(result.successful_ids) == 24
