"""From the rows of an assessment to its result: ranks, grades, judges, and what a reader should be warned of."""

from collections.abc import Sequence

import numpy as np

from assessment.model.diagnostics.design import FEW_SHARE, DesignReport, describe_design
from assessment.model.diagnostics.judges import HIGH_ORDER_EFFECT
from assessment.model.diagnostics.misfit import misfit
from assessment.model.grades.predict import GradePrediction
from assessment.workflow.outcome.grading import confidence_label, grade_essays, letter_grade, normalized_score
from assessment.workflow.outcome.judges import summarize_judges
from assessment.workflow.outcome.numbers import AssessmentOutcome, EssayScore, GradeCalibration, JudgeSummary
from assessment.workflow.scoring import EssayFit
from assessment.workflow.state import (
    ComparisonStatus,
    EssayRow,
    RoundRow,
    TextStatus,
    WorkflowState,
    WorkflowStopReason,
)
from contracts.enums import CJAssessmentErrorCode


def build_outcome(
    state: WorkflowState, rounds: Sequence[RoundRow], fitted: EssayFit, reason: WorkflowStopReason, now: float
) -> AssessmentOutcome:
    """Build the result.

    Parameters
    ----------
    state : WorkflowState
        With all verdicts.
    rounds : sequence of RoundRow
        As scored.
    fitted : EssayFit
        Of all verdicts of `state`.
    reason : WorkflowStopReason
        Why it ends.
    now : float
        Wall time.

    Raises
    ------
    ScoreConvergenceFailed
        A fit of the diagnostics did not converge.
    """
    prediction, calibration, warnings = grade_essays(fitted, state)
    design = describe_design(fitted.verdicts)
    scores = _scores(state, fitted, prediction, design)
    ranked = {one.index for one in scores}
    students = [one for one in state.essays if not one.is_anchor]
    judges = summarize_judges(state, fitted)
    few = _few(state, design, fitted)
    unjudged = tuple(one.number for one in state.comparisons if one.status is not ComparisonStatus.SUCCEEDED)
    lost = sum(one.status is ComparisonStatus.FAILED for one in state.comparisons)
    warnings = [
        *_text_warnings(state.essays),
        *_verdict_warnings(rounds, reason, few, lost, design),
        *_judge_warnings(judges),
        *warnings,
    ]
    return AssessmentOutcome(
        scores=scores,
        successful_ids=tuple(one.essay_id for one in students if one.index in ranked),
        failed_ids=tuple(one.essay_id for one in students if one.index not in ranked),
        single_essay_batch=len(students) == 1,
        stop_reason=reason,
        comparisons=len(state.comparisons) - len(unjudged),
        comparisons_per_essay=float(np.mean(design.counts)),
        duration_seconds=max(now - state.assessment.created_at, 0.0),
        cost_usd=total_cost(state),
        grades=calibration,
        reliability=fitted.fit.reliability,
        reliability_error=fitted.fit.reliability_error,
        prior_sd=fitted.fit.prior_sd,
        unjudged=unjudged,
        few_comparisons=few,
        misfits=tuple(
            state.essays[int(fitted.items[item])].essay_id for item in misfit(fitted.verdicts, fitted.fit).listed
        ),
        groups=design.components,
        judges=judges,
        warnings=tuple(warnings),
    )


def single_essay_outcome(state: WorkflowState, now: float) -> AssessmentOutcome:
    """Of an assessment with one readable student essay and too few anchors: rank 1, no grade, no comparison."""
    students = [one for one in state.essays if not one.is_anchor]
    ready = [one for one in students if one.text_status is TextStatus.READY]
    return AssessmentOutcome(
        scores=tuple(EssayScore(one.index, one.essay_id, False, 1, 0.0, 0.0, 0) for one in ready),
        successful_ids=tuple(one.essay_id for one in ready),
        failed_ids=tuple(one.essay_id for one in students if one not in ready),
        single_essay_batch=True,
        stop_reason=WorkflowStopReason.SINGLE_ESSAY,
        comparisons=0,
        comparisons_per_essay=0.0,
        duration_seconds=max(now - state.assessment.created_at, 0.0),
        cost_usd=0.0,
        grades=GradeCalibration(available=False, reason="a single essay"),
        warnings=tuple(_text_warnings(state.essays)),
    )


def total_cost(state: WorkflowState) -> float | None:
    """USD of all answers so far; None if the price of a judge is unknown."""
    if any(judge.estimated_cost_usd is None for judge in state.judges):
        return None
    return sum(one.cost_usd for one in state.comparisons)


def _scores(
    state: WorkflowState, fitted: EssayFit, prediction: GradePrediction | None, design: DesignReport
) -> tuple[EssayScore, ...]:
    scale, errors = state.assessment.options.grade_scale, fitted.fit.standard_errors
    scores: list[EssayScore] = []
    students = 0
    for place, item in enumerate(fitted.fit.ranking(), start=1):
        essay = state.essays[int(fitted.items[item])]
        students += not essay.is_anchor
        grade, probabilities = essay.known_grade, ()
        probability = 1.0
        if prediction is None:
            grade, probability = (None, 0.0) if grade not in scale else (grade, 1.0)
        else:
            probabilities = tuple(prediction.probabilities[item].tolist())
            if not essay.is_anchor:
                predicted = int(prediction.grade[item])
                grade, probability = scale[predicted], min(probabilities[predicted], 1.0)
        scores.append(
            EssayScore(
                index=essay.index,
                essay_id=essay.essay_id,
                is_anchor=essay.is_anchor,
                rank=place if essay.is_anchor else students,
                strength=float(fitted.fit.strengths[item]),
                standard_error=float(errors[item]),
                comparisons=int(design.counts[item]),
                grade=grade,
                letter_grade="U" if grade is None else letter_grade(grade),
                grade_probability=probability,
                confidence_label=confidence_label(probability),
                normalized_score=0.0 if grade is None or grade not in scale else normalized_score(grade, scale),
                probabilities=probabilities,
            )
        )
    return tuple(scores)


def _few(state: WorkflowState, design: DesignReport, fitted: EssayFit) -> tuple[str, ...]:
    """Essays that are in few comparisons, or in none although their text is READY."""
    seen = set(fitted.items.tolist())
    few = {int(fitted.items[item]) for item in design.few.tolist()}
    few |= {one.index for one in state.essays if one.text_status is TextStatus.READY and one.index not in seen}
    return tuple(one.essay_id for one in state.essays if one.index in few)


def _text_warnings(essays: Sequence[EssayRow]) -> list[str]:
    missing = [one for one in essays if one.text_status is TextStatus.FAILED]
    anchors = ", ".join(one.essay_id for one in missing if one.is_anchor)
    students = ", ".join(one.essay_id for one in missing if not one.is_anchor)
    warnings = [f"Essays without a readable text, not ranked: {students}."] if students else []
    return [*warnings, f"Anchors without a readable text, left out: {anchors}."] if anchors else warnings


def _verdict_warnings(
    rounds: Sequence[RoundRow], reason: WorkflowStopReason, few: tuple[str, ...], lost: int, design: DesignReport
) -> list[str]:
    warnings = []
    if reason is WorkflowStopReason.BUDGET:
        warnings.append("The budget ended the comparisons before the target reliability was reached.")
    if reason in {WorkflowStopReason.FAILURES, WorkflowStopReason.STUCK}:
        warnings.append("The comparisons ended early, because no more verdicts came.")
    if lost:
        warnings.append(f"{lost} comparisons failed for good.")
    if few:
        code = CJAssessmentErrorCode.COMPARISON_IMBALANCE
        warnings.append(f"{code}: fewer than {FEW_SHARE:g} of the median number of comparisons: {', '.join(few)}.")
    partial = [str(one.number + 1) for one in rounds if one.partial]
    if partial:
        warnings.append(f"Rounds that were scored without some of their verdicts: {', '.join(partial)}.")
    if design.components > 1:
        warnings.append(
            f"{design.components} groups of essays were never compared with each other; the order between groups means "
            "nothing."
        )
    return warnings


def _judge_warnings(judges: Sequence[JudgeSummary]) -> list[str]:
    warnings = []
    for one in judges:
        if one.order_effect is not None and abs(one.order_effect) > HIGH_ORDER_EFFECT:
            warnings.append(f"{one.model or 'The judge'} depends strongly on which essay is shown first.")
        if one.is_weak:
            warnings.append(f"{one.model or 'A judge'} hardly agrees with the other judges.")
    return warnings
