"""Three judges: is one that answers at random found, and does weighting help without harming equal judges?"""

import numpy as np

from assessment.model.diagnostics.discrimination import Discrimination, cross_fitted_discrimination
from assessment.model.strengths.fit import fit_verdicts
from benchmarks.judging.classes import START, Setting, play, spearman
from benchmarks.judging.judges import SimulatedJudge
from benchmarks.judging.noise import spread
from benchmarks.judging.study import Cell, Judged, Table, each_class

_GOOD = SimulatedJudge(order_effect=0.3, lapse_rate=0.03)
_KS = (12, 18)
_CASES = (
    ("equal", (_GOOD, _GOOD, _GOOD)),
    ("one with slope .3", (_GOOD, _GOOD, SimulatedJudge(order_effect=0.3, discrimination=0.3))),
    ("one at random", (_GOOD, _GOOD, SimulatedJudge(order_effect=0.3, discrimination=0.0))),
)


def three_judges(setting: Setting, seed: int) -> dict[int, tuple[Discrimination, float, float]]:
    """By k: what is found of the judges, and ρ without and with their weights."""
    found = {}
    for number, one in enumerate(play(setting, seed), START):
        if number in _KS:
            described = cross_fitted_discrimination(one.verdicts)
            weighted = fit_verdicts(one.verdicts, discrimination=described.weights)
            found[number] = described, one.rho, spearman(weighted.strengths, one.truth)
    return found


def several(runs: int, n: int = 30, sd: float = 2.0) -> Table:
    table = Table(
        f"Three judges, n {n}, sd {sd:g}",
        ("third judge", "k", "slopes", "error", "third is weak", "another is", "ρ plain", "ρ weighted", "gain", "runs"),
    )
    for label, judges in _CASES:
        classes = each_class(three_judges, "several", runs, Setting(n, sd, judges, rounds=max(_KS)))
        for k in _KS:
            found = [of_k[k][0] for of_k in classes]
            plain, weighted = ([of_k[k][place] for of_k in classes] for place in (1, 2))
            third = spread([2 in one.weak for one in found], np.mean)
            others = spread([bool({0, 1} & set(one.weak)) for one in found], np.mean)
            gain = spread(np.subtract(weighted, plain), np.mean)
            table.add(
                label,
                k,
                " ".join(f"{np.mean([one.slopes[j] for one in found]):.2f}" for j in range(3)),
                f"{np.mean([one.errors for one in found]):.2f}",
                Cell(*third, 2),
                Cell(*others, 2),
                Cell(*spread(plain), 4),
                Cell(*spread(weighted), 4),
                Cell(*gain, 4),
                runs,
            )
            if label == "one at random" and k == 18:
                table.goals.append(Judged("a judge at random is found, k 18", third[0], 0.95, third[1], at_least=True))
            if label == "equal":
                table.goals.append(Judged(f"equal judges, k {k}: mean loss of ρ by weights", -gain[0], 0.002, gain[1]))
    return table
