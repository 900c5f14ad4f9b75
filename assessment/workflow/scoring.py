"""Fits the verdicts of an assessment: from its rows to assessment.model.

A process that calls this sets OPENBLAS_NUM_THREADS=1 before it imports numpy: on a busy machine with two cores a fit of
300 essays takes 34 ms of CPU with one thread of numpy's BLAS, and 600 ms with two, which wait for each other in a loop.
"""

from dataclasses import dataclass

import numpy as np

from assessment.model.arrays import Indices
from assessment.model.diagnostics.discrimination import Discrimination, cross_fitted_discrimination
from assessment.model.pairing.repeats import counts_once
from assessment.model.strengths.fit import BradleyTerryFit, fit_verdicts
from assessment.model.strengths.graded import graded_judges
from assessment.model.strengths.verdicts import Verdicts, read_verdicts
from assessment.workflow.state import ComparisonStatus, WorkflowState


@dataclass(frozen=True, eq=False)
class EssayFit:
    """A fit of the essays that have verdicts.

    Attributes
    ----------
    items : array of int, shape (n,)
        Index of the essay that each item of the fit is.
    judges : array of int, shape (J,)
        Index of the judge that each judge of the fit is: those that have verdicts.
    verdicts : Verdicts
        Each comparison once.
    fit : BradleyTerryFit
        Strengths in logits.
    graded : tuple of int
        Judges whose confidences were used, by their numbers in the fit.
    discrimination : Discrimination or None
        Of the judges; None with fewer than three.
    """

    items: Indices
    judges: Indices
    verdicts: Verdicts
    fit: BradleyTerryFit
    graded: tuple[int, ...]
    discrimination: Discrimination | None

    @property
    def graded_indexes(self) -> tuple[int, ...]:
        """Indexes of the judges whose confidences were used."""
        return tuple(int(self.judges[judge]) for judge in self.graded)

    def strengths(self, n_essays: int) -> tuple[float, ...]:
        """Of all essays in logits, 0 for those without a verdict."""
        whole = np.zeros(n_essays)
        whole[self.items] = self.fit.strengths
        return tuple(whole.tolist())


def fit_essays(state: WorkflowState) -> EssayFit | None:
    """Fit all verdicts that count.

    Parameters
    ----------
    state : WorkflowState
        A comparison counts once; per judge a pair counts once in each orientation, unless repeats are allowed.

    Returns
    -------
    EssayFit or None
        None when there is no verdict.

    Raises
    ------
    ScoreConvergenceFailed
        The fit did not converge.
    """
    rows = [
        (one.first, one.second, one.judge, one.first_won, one.confidence)
        for one in state.comparisons
        if one.status is ComparisonStatus.SUCCEEDED
    ]
    if not rows:
        return None
    first, second, judge, won, confidence = zip(*rows, strict=True)
    shown = np.column_stack([first, second])
    items, places = np.unique(shown, return_inverse=True)
    judges, dealt = np.unique(judge, return_inverse=True)
    shown = places.reshape(-1, 2)
    order = np.where(np.array(won, dtype=np.bool_)[:, None], shown, shown[:, ::-1])
    # One comparison without a confidence: no confidence can be used.
    sure = None if None in confidence else np.array(confidence, dtype=np.float64)
    verdicts = read_verdicts(len(items), order, shown[:, 0], dealt, sure)
    if not state.assessment.options.allow_repeats:
        once = counts_once(len(items), shown, dealt)
        if not once.all():
            verdicts = verdicts.select(once)
    before = [seat for seat, index in enumerate(judges.tolist()) if index in state.assessment.graded]
    graded = graded_judges(verdicts, before)
    slopes = cross_fitted_discrimination(verdicts, graded)
    fit = fit_verdicts(verdicts, graded=graded, discrimination=None if slopes is None else slopes.weights)
    return EssayFit(items.astype(np.intp), judges.astype(np.intp), verdicts, fit, graded, slopes)


def largest_change(before: tuple[float, ...], after: tuple[float, ...]) -> float | None:
    """Largest change of a strength between two fits, in logits; None without a fit before."""
    return max((abs(new - old) for old, new in zip(before, after, strict=True)), default=0.0) if before else None
