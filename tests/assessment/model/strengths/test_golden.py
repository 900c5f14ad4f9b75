"""The fit against published estimates and against choix, an independent implementation."""

import choix
import numpy as np
import pytest
from umpire_assessment import simulate

from assessment.model.strengths.fit import fit_bradley_terry

#: Citations of row in column: Stigler (1994), Statistical Science 9; as in R's BradleyTerry2, whose manual has the fit.
CITATIONS = [
    [714, 730, 498, 221],
    [33, 425, 68, 17],
    [320, 813, 1072, 142],
    [284, 276, 325, 188],
]


def test_agrees_with_the_published_fit_of_stiglers_citations() -> None:
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j for _ in range(CITATIONS[i][j])]
    fit = fit_bradley_terry(4, pairs, prior_sd=1000.0)
    assert fit.strengths[1:] - fit.strengths[0] == pytest.approx([-2.9491, -0.4796, 0.2690], abs=1e-3)
    c = fit.covariance
    errors = [float(np.sqrt(c[0, 0] + c[i, i] - 2 * c[0, i])) for i in (1, 2, 3)]
    assert errors == pytest.approx([0.10255, 0.06059, 0.07083], abs=2e-4)


@pytest.mark.parametrize(("n", "each", "sd"), [(6, 4, 1.0), (40, 6, 2.0), (120, 8, 3.0), (400, 6, 1.0)])
def test_agrees_with_choix(n: int, each: int, sd: float) -> None:
    """choix maximises log likelihood − α |θ|², which is our posterior with τ² = 1 / 2α; also above the dense limit."""
    _, pairs, _ = simulate(n, each, sd=sd, order=0.0, seed=n)
    tau = 1.4
    theirs = choix.opt_pairwise(n, [(int(w), int(k)) for w, k in pairs], alpha=1 / (2 * tau**2), tol=1e-9)
    ours = fit_bradley_terry(n, pairs, prior_sd=tau).strengths
    assert ours == pytest.approx(theirs - theirs.mean(), abs=1e-4)


def test_agrees_with_choix_on_maximum_likelihood() -> None:
    _, pairs, _ = simulate(10, 60, sd=1.0, order=0.0, seed=2)
    theirs = choix.ilsr_pairwise(10, [(int(w), int(k)) for w, k in pairs])
    ours = fit_bradley_terry(10, pairs, prior_sd=1e4).strengths
    assert ours == pytest.approx(theirs - theirs.mean(), abs=1e-4)
