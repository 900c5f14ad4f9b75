"""What an outcome says about each judge."""

from dataclasses import replace

import numpy as np

from assessment.model.diagnostics.judges import JudgeReport, describe_judges
from assessment.workflow.outcome.numbers import JudgeSummary
from assessment.workflow.scoring import EssayFit
from assessment.workflow.state import WorkflowState


def summarize_judges(state: WorkflowState, fitted: EssayFit) -> tuple[JudgeSummary, ...]:
    """Describe each judge of the request, also one without a verdict.

    Parameters
    ----------
    state : WorkflowState
        With all verdicts.
    fitted : EssayFit
        Of them.

    Raises
    ------
    ScoreConvergenceFailed
        A fit for the evidence of confidences did not converge.
    """
    words = [state.essays[index].words or 0 for index in fitted.items.tolist()]
    reports = describe_judges(fitted.verdicts, fitted.fit, words if all(words) else None)
    costs = [0.0] * len(state.judges)
    for one in state.comparisons:
        costs[one.judge] += one.cost_usd
    seats = {index: seat for seat, index in enumerate(fitted.judges.tolist())}
    summaries = []
    for judge in state.judges:
        plain = JudgeSummary(judge.index, judge.provider, judge.model, judge.temperature, 0, costs[judge.index])
        seat = seats.get(judge.index)
        summaries.append(plain if seat is None else _with_report(plain, reports[seat], fitted, seat))
    return tuple(summaries)


def _with_report(plain: JudgeSummary, report: JudgeReport, fitted: EssayFit, seat: int) -> JudgeSummary:
    """`seat`: the judge's number in the fit."""
    found = fitted.discrimination
    slopes = None if found is None or not np.isfinite(found.errors[seat]) else (found.slopes[seat], found.errors[seat])
    return replace(
        plain,
        comparisons=report.verdicts,
        first_share=report.first_share,
        order_effect=report.order_effect,
        order_effect_error=report.order_effect_error,
        length_effect=report.length_effect,
        length_effect_error=report.length_effect_error,
        slope=None if slopes is None else float(slopes[0]),
        slope_error=None if slopes is None else float(slopes[1]),
        is_weak=found is not None and seat in found.weak,
        confidence_used=seat in fitted.graded,
    )
