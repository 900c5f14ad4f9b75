"""Grade scales by name and of a request's own."""

import pytest

from assessment.errors import InvalidGradeScale
from assessment.grade_scales import GRADE_SCALES, grade_scale


def test_the_named_scales_are_the_contracts():
    assert list(GRADE_SCALES) == ["swedish_8_anchor", "eng5_np_legacy_9_step", "eng5_np_national_9_step"]
    swedish = grade_scale("swedish_8_anchor")
    assert swedish.grades == ("F", "E", "D", "D+", "C", "C+", "B", "A")
    assert dict(zip(swedish.grades, swedish.distribution, strict=True)) == {
        "F": 0.02, "E": 0.08, "D": 0.15, "D+": 0.20, "C": 0.25, "C+": 0.15, "B": 0.10, "A": 0.05,
    }  # fmt: skip
    assert sum(swedish.distribution) == pytest.approx(1)
    assert grade_scale("eng5_np_legacy_9_step").grades == ("F+", "E-", "E+", "D-", "D+", "C-", "C+", "B", "A")
    assert grade_scale("eng5_np_legacy_9_step").distribution == ()
    assert grade_scale("eng5_np_national_9_step").grades == tuple("123456789")


def test_a_request_has_its_own_scale_and_distribution():
    own = grade_scale([" U ", "G", "VG"], [0.2, 0.5, 0.301])
    assert (own.grades, own.name) == (("U", "G", "VG"), None)
    assert sum(own.distribution) == pytest.approx(1)
    assert grade_scale("eng5_np_national_9_step", [1 / 9] * 9).distribution == pytest.approx((1 / 9,) * 9)


@pytest.mark.parametrize(
    ("grades", "distribution"),
    [
        ("swedish", None), (["A"], None), ([], None), (["A", "A"], None), (["A", " "], None), (["A", "x" * 41], None),
        ([str(n) for n in range(51)], None), (["A", "B"], [1.0]), (["A", "B"], [0.5, 0.6]), (["A", "B"], [0.0, 1.0]),
        (["A", "B"], [float("nan"), 0.5]),
    ],
)  # fmt: skip
def test_a_scale_that_cannot_be_is_refused(grades, distribution):
    with pytest.raises(InvalidGradeScale):
        grade_scale(grades, distribution)
