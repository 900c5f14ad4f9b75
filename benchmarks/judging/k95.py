"""Comparisons an essay until the median rank correlation with the truth reaches .95."""

import numpy as np

from benchmarks.judging.classes import START, Setting, run_class
from benchmarks.judging.judges import NOISY, SimulatedJudge
from benchmarks.judging.noise import reaches, spread
from benchmarks.judging.study import Cell, Judged, Table, each_class

#: (label, n, sd, judge, adaptive, confidence used, goal)
_CASES = (
    ("bare, n 50", 50, 2.0, SimulatedJudge(), True, False, 16.0),
    ("bare, n 100", 100, 2.0, SimulatedJudge(), True, False, 16.0),
    ("bare, n 300", 300, 2.0, SimulatedJudge(), True, False, 16.0),
    ("bare, n 30", 30, 2.0, SimulatedJudge(), True, False, None),
    ("bare, n 30, sd 3", 30, 3.0, SimulatedJudge(), True, False, None),
    ("bare, n 100, at random", 100, 2.0, SimulatedJudge(), False, False, None),
    ("bare, n 100, noisy judge", 100, 2.0, NOISY, True, False, None),
    ("graded, n 100, perceived margin", 100, 2.0, SimulatedJudge(confidence="perceived"), True, True, 10.0),
    ("graded, n 50, perceived margin", 50, 2.0, SimulatedJudge(confidence="perceived"), True, True, 10.0),
    ("graded, n 100, half noise", 100, 2.0, SimulatedJudge(confidence="half"), True, True, 13.3),
    ("graded, n 50, half noise", 50, 2.0, SimulatedJudge(confidence="half"), True, True, 13.3),
    ("graded, n 100, only 4 or 5", 100, 2.0, SimulatedJudge(confidence="high"), True, True, None),
    ("graded, n 100, noise", 100, 2.0, SimulatedJudge(confidence="noise"), True, True, "bare, n 100"),
    ("graded, n 100, uneven noise", 100, 2.0, SimulatedJudge(confidence="uneven"), True, True, "bare, n 100"),
)


def k95(runs: int) -> Table:
    table = Table(
        "k95: comparisons an essay until the median ρ is .95",
        ("case", "k95", "ρ at 10", "r² at 12", "claimed − r² at 12", "graded at 8, 16", "runs"),
        axes=("comparisons an essay", "median ρ"),
    )
    found: dict[str, float] = {}
    for label, n, sd, judge, adaptive, confidence, goal in _CASES:
        count = max(runs // 3, 2) if n >= 300 else runs
        setting = Setting(n, sd, (judge,), adaptive=adaptive, use_confidence=confidence)
        classes = each_class(run_class, "k95", count, setting)
        ks = [round_.k for round_ in classes[0]]
        curves = np.array([[round_.rho for round_ in rounds] for rounds in classes])
        value, noise = spread(curves, lambda some, ks=ks: reaches(some, ks))
        found[label] = value
        at = {k: [rounds[k - START] for rounds in classes] for k in (8, 10, 12, 16)}
        bias = [one.claimed - one.r2 for one in at[12]]
        used = [np.mean([one.graded for one in at[k]]) for k in (8, 16)]
        table.add(
            label,
            Cell(value, noise, 1),
            Cell(*spread([one.rho for one in at[10]])),
            Cell(*spread([one.r2 for one in at[12]])),
            Cell(*spread(bias, np.mean)),
            f"{used[0]:.2f}, {used[1]:.2f}" if confidence else "–",
            count,
        )
        table.curves[label] = (ks, list(np.median(curves, axis=0)))
        if isinstance(goal, str):
            table.goals.append(Judged(f"{label}: k95 above {goal}", value - found[goal], 0.3, noise))
        elif goal is not None:
            table.goals.append(Judged(label, value, goal, noise))
    return table
