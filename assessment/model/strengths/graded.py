"""Are a judge's confidences informative? If they are, winner and confidence together are one ordered answer.

The graded model (cumulative logit, McCullagh 1980, with symmetric thresholds) is compared with the plain one: winners
by Bradley–Terry, and confidences that are independent of the margin. Both give a probability to the same data, winners
and confidences; the evidence is the difference of the logs.
"""

from collections.abc import Sequence
from math import lgamma

import numpy as np

from assessment.model.strengths.estimate import estimate
from assessment.model.strengths.posterior import Posterior
from assessment.model.strengths.rows import make_rows
from assessment.model.strengths.verdicts import LEVELS, Verdicts

#: From here on a judge's confidences may be used: comparisons per item of all judges, and verdicts of this one.
#: With fewer comparisons the claimed reliability is too high.
MIN_PER_ITEM = 8.0
MIN_VERDICTS = 200
#: Evidence that turns the use on, and that turns it off again.
ON, OFF = 2.0, 0.0


def confidence_evidence(verdicts: Verdicts, judge: int, *, with_order: bool = True) -> float:
    """Log evidence that the confidences of a judge are about the margin, rather than independent of it.

    Parameters
    ----------
    verdicts : Verdicts
        Those of the other judges are ignored.
    judge : int
        Whose confidences.
    with_order : bool
        Fit the judge's order effect.

    Returns
    -------
    float
        In nats; −∞ when there are no confidences, or a single level.

    Raises
    ------
    ScoreConvergenceFailed
        A fit did not converge.

    Notes
    -----
    Laplace's approximation with τ at its maximum in both models. For the confidences of the plain model the
    probability is exact: Dirichlet–multinomial with all pseudo-counts 1, the counterpart of the thresholds' prior.
    Takes n³ time.
    """
    mine = verdicts.of_judge(judge)
    if mine.confidence is None:
        return -np.inf
    counts = np.bincount(mine.confidence, minlength=LEVELS + 1)
    counts = counts[counts > 0]
    if len(counts) < 2:  # noqa: PLR2004 - one level says nothing
        return -np.inf
    graded = estimate(
        Posterior(make_rows(mine, with_order=with_order, graded=(0,))), prior_sd=None, tolerance=1e-4, limit=50
    )
    plain = estimate(Posterior(make_rows(mine, with_order=with_order)), prior_sd=None, tolerance=1e-4, limit=50)
    independent = lgamma(len(counts)) - lgamma(len(counts) + len(mine))
    independent += sum(lgamma(1 + int(count)) for count in counts)
    return graded.log_evidence - plain.log_evidence - independent


def graded_judges(verdicts: Verdicts, before: Sequence[int] = (), *, with_order: bool = True) -> tuple[int, ...]:
    """The judges whose confidences are to be fitted.

    Parameters
    ----------
    verdicts : Verdicts
        Of all judges.
    before : sequence of int
        The judges that were chosen last time. They stay unless their evidence is below OFF; others need more than ON.
    with_order : bool
        Fit order effects.
    """
    if verdicts.confidence is None or 2 * len(verdicts) < MIN_PER_ITEM * verdicts.n_items:
        return ()
    chosen = []
    for judge in range(verdicts.n_judges):
        if np.sum(verdicts.judge == judge) < MIN_VERDICTS:
            continue
        evidence = confidence_evidence(verdicts, judge, with_order=with_order)
        if evidence > ON or (judge in before and evidence >= OFF):
            chosen.append(judge)
    return tuple(chosen)
