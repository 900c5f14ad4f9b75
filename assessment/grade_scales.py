"""Grade scales: those with a name, and lists of a request's own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from assessment.errors import InvalidGradeScale

#: The shares of a distribution may differ from 1 by this, in sum.
_ROUNDING = 0.01
_MAX_GRADES = 50
_MAX_GRADE_LENGTH = 40


@dataclass(frozen=True, slots=True)
class GradeScale:
    """
    Attributes
    ----------
    grades : tuple of str
        From low to high.
    distribution : tuple of float
        Known share of essays with each grade; empty: unknown.
    """

    grades: tuple[str, ...]
    distribution: tuple[float, ...] = ()
    name: str | None = None


GRADE_SCALES = {
    scale.name: scale
    for scale in (
        GradeScale(
            ("F", "E", "D", "D+", "C", "C+", "B", "A"),
            (0.02, 0.08, 0.15, 0.20, 0.25, 0.15, 0.10, 0.05),
            "swedish_8_anchor",
        ),
        GradeScale(("F+", "E-", "E+", "D-", "D+", "C-", "C+", "B", "A"), name="eng5_np_legacy_9_step"),
        GradeScale(tuple("123456789"), name="eng5_np_national_9_step"),
    )
}


def grade_scale(given: str | Sequence[str], distribution: Sequence[float] | None = None) -> GradeScale:
    """The scale of this name, or of these grades from low to high; `distribution` replaces the scale's own.

    Raises
    ------
    InvalidGradeScale
        No scale has this name, a grade is empty or there twice, or the shares do not fit.
    """
    if isinstance(given, str):
        known = GRADE_SCALES.get(given)
        if known is None:
            raise InvalidGradeScale(
                f"there is no grade scale of this name; there are {', '.join(map(str, GRADE_SCALES))}"
            )
        scale = known
    else:
        scale = GradeScale(_grades(given))
    if distribution is None:
        return scale
    return GradeScale(scale.grades, _shares(distribution, len(scale.grades)), scale.name)


def _grades(given: Sequence[str]) -> tuple[str, ...]:
    grades = tuple(grade.strip() for grade in given)
    if not 2 <= len(grades) <= _MAX_GRADES:  # noqa: PLR2004 - one grade tells nothing
        raise InvalidGradeScale(f"a grade scale has 2 to {_MAX_GRADES} grades")
    if len(set(grades)) != len(grades) or not all(0 < len(grade) <= _MAX_GRADE_LENGTH for grade in grades):
        raise InvalidGradeScale(f"the grades of a scale are different texts of 1 to {_MAX_GRADE_LENGTH} characters")
    return grades


def _shares(given: Sequence[float], count: int) -> tuple[float, ...]:
    """Normalised to a sum of 1."""
    total = math.fsum(given)
    if len(given) != count or not all(share > 0 for share in given) or not abs(total - 1) <= _ROUNDING:
        raise InvalidGradeScale("a distribution has a share above 0 for each grade, and they add up to 1")
    return tuple(share / total for share in given)
