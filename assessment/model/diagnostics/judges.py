"""What the verdicts show about each judge: order effect, lengths, confidence."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from assessment.errors import InvalidComparisons
from assessment.model.arrays import Array, numbers
from assessment.model.strengths.fit import BradleyTerryFit
from assessment.model.strengths.graded import confidence_evidence
from assessment.model.strengths.logistic import curvature, sigmoid
from assessment.model.strengths.verdicts import Verdicts

#: In logits. A judge that leans more on the order than this deserves a warning.
HIGH_ORDER_EFFECT = 0.8
_STEPS = 30
_RIDGE = 1e-2


@dataclass(frozen=True, eq=False)
class JudgeReport:
    """About one judge.

    Attributes
    ----------
    verdicts : int
        How many were fitted.
    first_share : float
        Share of its verdicts that favour the essay shown first; nan where the order is not known.
    order_effect, order_effect_error : float or None
        γ and its standard error, in logits; None where it was not fitted.
    length_effect, length_effect_error : float or None
        Log odds for each doubling of the length of an essay against the other's, and its standard error. Longer essays
        are often better ones, so the figure alone proves no bias; a difference between judges of the same essays does.
        It is never corrected for. None without lengths.
    confidence_evidence : float
        See assessment.model.strengths.graded.
    """

    verdicts: int
    first_share: float
    order_effect: float | None
    order_effect_error: float | None
    length_effect: float | None
    length_effect_error: float | None
    confidence_evidence: float


def describe_judges(
    verdicts: Verdicts, fit: BradleyTerryFit, lengths: Sequence[float] | ArrayLike | None = None
) -> list[JudgeReport]:
    """Describe each judge.

    Parameters
    ----------
    verdicts : Verdicts
        Those of the fit.
    fit : BradleyTerryFit
        Of all judges.
    lengths : array, shape (n,), optional
        Of the essays, in words or characters, positive.

    Raises
    ------
    InvalidComparisons
        Lengths of another shape, or not positive.
    ScoreConvergenceFailed
        A fit for the evidence did not converge.
    """
    doublings = None
    if lengths is not None:
        sizes = numbers(lengths, "lengths", length=verdicts.n_items)
        if np.any(sizes <= 0):
            raise InvalidComparisons("lengths: must be positive")
        doublings = np.log2(sizes)
    reports = []
    for judge in range(verdicts.n_judges):
        mine = verdicts.of_judge(judge)
        known = mine.slot != 0
        effect = None if doublings is None or not len(mine) else length_effect(mine, doublings)
        orders, errors = fit.order_effects, fit.order_effect_errors
        reports.append(
            JudgeReport(
                verdicts=len(mine),
                first_share=float(np.mean(mine.slot[known] > 0)) if np.any(known) else float("nan"),
                order_effect=None if orders is None else float(orders[judge]),
                order_effect_error=None if errors is None else float(errors[judge]),
                length_effect=None if effect is None else effect[0],
                length_effect_error=None if effect is None else effect[1],
                confidence_evidence=confidence_evidence(mine, 0) if len(mine) else -np.inf,
            )
        )
    return reports


def length_effect(mine: Verdicts, doublings: Array) -> tuple[float, float]:
    """(log odds for each doubling, standard error): a logistic regression on log₂ lengths and the order.

    Parameters
    ----------
    mine : Verdicts
        Of one judge.
    doublings : array, shape (n,)
        log₂ of the essays' lengths.
    """
    design = np.column_stack([doublings[mine.winner] - doublings[mine.loser], mine.slot])
    x = np.zeros(2)
    information = np.eye(2)
    for _ in range(_STEPS):
        odds = design @ x
        gradient = design.T @ sigmoid(-odds) - _RIDGE * x
        information = design.T @ (design * curvature(odds)[:, None]) + _RIDGE * np.eye(2)
        step = np.linalg.solve(information, gradient)
        x = x + step * min(1.0, 2.0 / float(np.max(np.abs(step)) or 1.0))
    return float(x[0]), float(np.sqrt(np.linalg.inv(information)[0, 0]))
