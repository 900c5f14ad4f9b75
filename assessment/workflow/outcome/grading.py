"""Grades of an outcome: prediction from anchors, and the score and the letter that a grade stands for."""

import re

from assessment.errors import ScoreConvergenceFailed
from assessment.model.grades.predict import ADVISED_KNOWN, ADVISED_UNKNOWN, GradePrediction, predict_grades
from assessment.workflow.outcome.numbers import HIGH_FROM, MID_FROM, GradeCalibration, GradeConfidence
from assessment.workflow.scoring import EssayFit
from assessment.workflow.state import EssayRow, WorkflowOptions, WorkflowState

#: Grades that consumers of EssayResultV1 accept.
_LETTER = re.compile(r"[A-F][+-]?|U")
_SCORES = {
    "A": 1.0,
    "A-": 0.93,
    "B+": 0.87,
    "B": 0.80,
    "B-": 0.73,
    "C+": 0.67,
    "C": 0.60,
    "C-": 0.53,
    "D+": 0.47,
    "D": 0.40,
    "D-": 0.33,
    "E+": 0.27,
    "E": 0.20,
    "E-": 0.13,
    "F+": 0.07,
    "F": 0.0,
    "U": 0.0,
}


def letter_grade(grade: str) -> str:
    """The grade as the event has it: U for a grade of another kind, such as a number."""
    return grade if _LETTER.fullmatch(grade) else "U"


def normalized_score(grade: str, scale: tuple[str, ...]) -> float:
    """Score from 0 to 1 of a grade: by its letter; on a scale with other grades, by its place."""
    if all(one in _SCORES for one in scale):
        return _SCORES[grade]
    return scale.index(grade) / (len(scale) - 1)


def confidence_label(probability: float) -> GradeConfidence:
    if probability >= HIGH_FROM:
        return "HIGH"
    return "MID" if probability >= MID_FROM else "LOW"


def anchors_in(fitted: EssayFit, state: WorkflowState) -> list[tuple[int, EssayRow]]:
    """(item of the fit, anchor) of each anchor that has verdicts and a grade of the scale."""
    scale = state.assessment.options.grade_scale
    rows = [(item, state.essays[index]) for item, index in enumerate(fitted.items.tolist())]
    return [(item, one) for item, one in rows if one.known_grade is not None and one.known_grade in scale]


def grade_essays(fitted: EssayFit, state: WorkflowState) -> tuple[GradePrediction | None, GradeCalibration, list[str]]:
    """Predict grades.

    Parameters
    ----------
    fitted : EssayFit
        Of all verdicts.
    state : WorkflowState
        With the known grades of anchors and the scale.

    Returns
    -------
    tuple
        (prediction for the items of the fit, how it was made, warnings). Without anchors, a scale, or a fit of the
        boundaries the prediction is None.
    """
    options = state.assessment.options
    anchors = anchors_in(fitted, state)
    if not options.grade_scale or not anchors:
        reason = "no anchor essays" if not anchors else "no grade scale"
        return None, GradeCalibration(available=False, reason=reason), []
    places = {grade: place for place, grade in enumerate(options.grade_scale)}
    grades = [one.known_grade or "" for _, one in anchors]
    try:
        found = predict_grades(
            fitted.fit.strengths,
            fitted.fit.standard_errors**2,
            [item for item, _ in anchors],
            [places[grade] for grade in grades],
            n_grades=len(places),
            prior_sd=fitted.fit.prior_sd,
            distribution=options.grade_distribution or None,
        )
    except ScoreConvergenceFailed:
        reason = "the grade boundaries did not converge"
        return None, GradeCalibration(available=False, reason=reason), [f"No grades: {reason}."]
    calibration = GradeCalibration(
        available=True,
        scale=options.grade_scale,
        boundaries=tuple(found.boundaries.tolist()),
        anchors_by_grade=tuple((grade, grades.count(grade)) for grade in options.grade_scale if grade in grades),
        flagged_anchors=tuple(
            one.essay_id for (_, one), flag in zip(anchors, found.flagged.tolist(), strict=True) if flag
        ),
        missing_grades=tuple(options.grade_scale[grade] for grade in found.missing),
    )
    return found, calibration, _warnings(calibration, len(anchors), options)


def _warnings(calibration: GradeCalibration, n_anchors: int, options: WorkflowOptions) -> list[str]:
    warnings = []
    advised = ADVISED_KNOWN if options.grade_distribution else ADVISED_UNKNOWN
    if n_anchors < advised:
        warnings.append(f"Grades rest on {n_anchors} anchors; at least {advised} are advised.")
    if calibration.missing_grades:
        names = ", ".join(calibration.missing_grades)
        warnings.append(f"No anchor has grade {names}: the limits of such grades are assumed, not measured.")
    if calibration.flagged_anchors:
        names = ", ".join(calibration.flagged_anchors)
        warnings.append(f"The known grade of an anchor does not fit its comparisons; please check: {names}.")
    return warnings
