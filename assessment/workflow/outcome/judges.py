"""What an outcome says about each judge."""

from math import isfinite

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
    return tuple(
        _summary(state, fitted, judge, reports[judge] if judge < len(reports) else None, costs[judge])
        for judge in range(len(state.judges))
    )


def _summary(
    state: WorkflowState, fitted: EssayFit, judge: int, report: JudgeReport | None, cost: float
) -> JudgeSummary:
    row, found = state.judges[judge], fitted.discrimination
    known = found is not None and judge < len(found.slopes) and isfinite(float(found.errors[judge]))
    judged = report is not None and report.verdicts > 0
    return JudgeSummary(
        index=judge,
        provider=row.provider,
        model=row.model,
        temperature=row.temperature,
        comparisons=report.verdicts if report is not None else 0,
        cost_usd=cost,
        first_share=report.first_share if report is not None and judged else None,
        order_effect=report.order_effect if report is not None and judged else None,
        order_effect_error=report.order_effect_error if report is not None and judged else None,
        length_effect=report.length_effect if report is not None else None,
        length_effect_error=report.length_effect_error if report is not None else None,
        slope=float(found.slopes[judge]) if found is not None and known else None,
        slope_error=float(found.errors[judge]) if found is not None and known else None,
        is_weak=found is not None and judge in found.weak,
        confidence_used=judge in fitted.graded,
    )
