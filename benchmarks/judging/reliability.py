"""Is the claimed reliability true? Its mean excess over the squared correlation with the truth."""

import numpy as np

from benchmarks.judging.classes import START, Setting, run_class
from benchmarks.judging.noise import spread
from benchmarks.judging.study import Cell, Judged, Table, each_class

_KS = (8, 12, 16, 20)


def reliability(runs: int, n: int = 50) -> Table:
    table = Table(
        f"Claimed reliability minus true r², mean over classes, n {n}",
        ("sd", "pairs", *(f"k {k}" for k in _KS), "τ at 20", "share > +.02 at 12", "claimed ± error holds r² at 12"),
    )
    for sd in (0.0, 0.25, 0.5, 1.0, 2.0, 3.0):
        for adaptive in (True, False):
            setting = Setting(n, sd, adaptive=adaptive, rounds=max(_KS))
            classes = each_class(run_class, "reliability", runs, setting)
            # A class of equals has no variance to be reliable about: whatever is claimed is too much.
            claim = {k: np.array([rounds[k - START].claimed for rounds in classes]) for k in _KS}
            true = {k: np.array([rounds[k - START].r2 if sd else 0.0 for rounds in classes]) for k in _KS}
            error = np.array([rounds[12 - START].claimed_error for rounds in classes])
            bias = {k: claim[k] - true[k] for k in _KS}
            kind = "adaptive" if adaptive else "random"
            table.add(
                sd,
                kind,
                *(Cell(*spread(bias[k], np.mean)) for k in _KS),
                Cell(*spread([rounds[-1].prior_sd for rounds in classes]), 2),
                Cell(np.mean(bias[12] > 0.02), digits=2),
                Cell(np.mean(np.abs(bias[12]) < 2 * error), digits=2),
            )
            if sd >= 0.5 or sd == 0:
                worst = max(_KS, key=lambda k, bias=bias: float(np.mean(bias[k])))
                value, noise = spread(bias[worst], np.mean)
                table.goals.append(Judged(f"sd {sd:g} {kind}, k {worst} (worst)", value, 0.02 if sd else 0.12, noise))
    return table
