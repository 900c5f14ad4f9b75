"""Three judges: is one that answers at random found, and does weighting help without harming equal judges?"""

import numpy as np

from assessment.model.diagnostics.discrimination import cross_fitted_discrimination
from assessment.model.strengths.fit import fit_verdicts
from benchmarks.judging.classes import Setting, rank, run_class
from benchmarks.judging.judges import SimulatedJudge
from benchmarks.judging.noise import spread
from benchmarks.judging.study import Cell, Judged, Table, numbered

_GOOD = SimulatedJudge(order_effect=0.3, lapse_rate=0.03)
_CASES = (
    ("equal", (_GOOD, _GOOD, _GOOD)),
    ("one with slope .3", (_GOOD, _GOOD, SimulatedJudge(order_effect=0.3, discrimination=0.3))),
    ("one at random", (_GOOD, _GOOD, SimulatedJudge(order_effect=0.3, discrimination=0.0))),
)


def several(runs: int, n: int = 30, sd: float = 2.0) -> Table:
    table = Table(
        f"Three judges, n {n}, sd {sd:g}",
        ("third judge", "k", "slopes", "error", "third is weak", "another is", "ρ plain", "ρ weighted", "gain", "runs"),
    )
    for label, judges in _CASES:
        classes = [run_class(Setting(n, sd, judges, rounds=18), seed) for seed in numbered("several", runs)]
        truths = [np.random.default_rng(seed).normal(0, sd, n) for seed in numbered("several", runs)]
        for k in (12, 18):
            found, plain, weighted = [], [], []
            for rounds, truth in zip(classes, truths, strict=True):
                verdicts = rounds[k - 3].verdicts
                described = cross_fitted_discrimination(verdicts)
                fit = fit_verdicts(verdicts, discrimination=described.weights)
                found.append(described)
                plain.append(rounds[k - 3].rho)
                weighted.append(np.corrcoef(rank(fit.strengths), rank(truth))[0, 1])
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
