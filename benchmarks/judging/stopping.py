"""Where the stop rule stops, and how often what it claims is wrong."""

import numpy as np

from assessment.model.stop import MOST_PER_ITEM, AssessmentStopReason, reason_shares
from benchmarks.judging.classes import Setting, stopped_class
from benchmarks.judging.judges import NOISY, SimulatedJudge
from benchmarks.judging.noise import spread
from benchmarks.judging.study import Cell, Judged, Table, each_class

_PLAIN, _GRADED = SimulatedJudge(), SimulatedJudge(confidence="half")
#: (n, sd, target, judge, confidence used, whether the goal holds for it)
_CASES = (
    (30, 2.0, 0.9, _PLAIN, False, True),
    (30, 3.0, 0.9, _PLAIN, False, True),
    (30, 2.0, 0.9, NOISY, False, False),
    (60, 2.0, 0.9, _PLAIN, False, True),
    (60, 3.0, 0.9, _PLAIN, False, True),
    (60, 2.0, 0.9, NOISY, False, False),
    (12, 2.0, 0.9, _PLAIN, False, False),
    (12, 3.0, 0.9, _PLAIN, False, False),
    (30, 1.0, 0.8, _PLAIN, False, False),
    (30, 1.0, 0.9, _PLAIN, False, False),
    (60, 0.0, 0.8, _PLAIN, False, False),
    (60, 2.0, 0.9, _GRADED, True, False),
)


def stopping(runs: int) -> Table:
    table = Table(
        "The stop rule (budget 24 an essay)",
        (
            "n",
            "sd",
            "target",
            "judge",
            "k",
            "true r²",
            "wrong > .02",
            "wrong > .05",
            "target, budget, exhausted",
            "runs",
        ),
    )
    for n, sd, target, judge, confidence, held in _CASES:
        # One round more than the budget allows: the rule has to stop it.
        setting = Setting(n, sd, (judge,), use_confidence=confidence, rounds=MOST_PER_ITEM + 1, target=target)
        found = each_class(stopped_class, "stopping", runs, setting)
        last, reasons = [one for one, _ in found], [reason for _, reason in found]
        split = reason_shares(reasons)
        true = np.array([one.r2 if sd else 0.0 for one in last])
        stopped = np.array([reason is AssessmentStopReason.TARGET for reason in reasons])
        wrong = {by: stopped & (true < target - by) for by in (0.02, 0.05)}
        kind = "graded" if confidence else ("noisy" if judge is NOISY else "plain")
        table.add(
            n,
            sd,
            target,
            kind,
            Cell(*spread([one.k for one in last]), 1),
            Cell(*spread(true)),
            *(Cell(*spread(wrong[by], np.mean)) for by in wrong),
            ", ".join(f"{share:.2f}" for share in split.values()),
            runs,
        )
        if held:
            for by, limit in ((0.02, 0.12), (0.05, 0.06)):
                value, noise = spread(wrong[by], np.mean)
                table.goals.append(
                    Judged(f"n {n} sd {sd:g}: target claimed, r² short by more than {by}", value, limit, noise)
                )
    return table
