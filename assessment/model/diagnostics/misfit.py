"""Essays whose verdicts contradict their strengths: a list of what a person may look at, and nothing more.

Infit is the sum of squared residuals over the sum of their expected values, outfit the mean of squared standardised
residuals (Wright & Masters 1982). Both are near 1; the fit follows the verdicts, so they are somewhat below. In a class
of 30 with 12 comparisons an essay, half of all essays that were judged at random are listed, and about one that was
judged well. For a judge such a figure says nothing, since the strengths follow a bad judge as well as a good one: see
assessment.model.diagnostics.discrimination.
"""

from dataclasses import dataclass

import numpy as np

from assessment.model.arrays import Array, Indices
from assessment.model.strengths.fit import BradleyTerryFit
from assessment.model.strengths.logistic import sigmoid
from assessment.model.strengths.verdicts import Verdicts

#: An essay is listed when its infit or outfit is this many standard deviations above the mean of all essays.
LIST_FROM_SD = 2.0


@dataclass(frozen=True, eq=False)
class Misfit:
    """Of n essays.

    Attributes
    ----------
    infit, outfit : array, shape (n,)
        1 for an essay without a verdict.
    listed : array of int
        Essays to look at, the worst infit first.
    """

    infit: Array
    outfit: Array
    listed: Indices


def misfit(verdicts: Verdicts, fit: BradleyTerryFit) -> Misfit:
    """Infit and outfit of each essay, from the winners alone.

    Parameters
    ----------
    verdicts : Verdicts
        Those of the fit.
    fit : BradleyTerryFit
        Of all judges.
    """
    orders = np.zeros(verdicts.n_judges) if fit.order_effects is None else fit.order_effects
    odds = fit.strengths[verdicts.winner] - fit.strengths[verdicts.loser] + verdicts.slot * orders[verdicts.judge]
    missed = sigmoid(-odds)
    expected = np.maximum(missed * (1 - missed), 1e-12)
    squares = missed**2
    infit = _shares(verdicts, squares, expected)
    outfit = _shares(verdicts, squares / expected, np.ones(len(verdicts)))
    high = (infit > infit.mean() + LIST_FROM_SD * infit.std()) | (outfit > outfit.mean() + LIST_FROM_SD * outfit.std())
    listed = np.flatnonzero(high)
    return Misfit(infit, outfit, listed[np.argsort(-infit[listed], kind="stable")])


def _shares(verdicts: Verdicts, above: Array, below: Array) -> Array:
    both = np.concatenate([verdicts.winner, verdicts.loser])
    total = np.bincount(both, np.tile(above, 2), verdicts.n_items)
    weight = np.bincount(both, np.tile(below, 2), verdicts.n_items)
    return np.divide(total, weight, out=np.ones(verdicts.n_items), where=weight > 0)
