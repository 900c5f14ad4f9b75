"""How long fits and plans take: CPU time of one thread, the least of several, since other work only ever adds to it."""

import importlib
import time
from collections.abc import Callable

import numpy as np

from assessment.model.pairing.history import read_history
from assessment.model.pairing.plan import plan_round
from assessment.model.strengths.fit import fit_bradley_terry
from benchmarks.judging.study import Cell, Judged, Table

_ORDER = 0.4
#: (n, comparisons an item, standard errors, goal in ms)
_FITS = (
    (12, 10, True, 10),
    (30, 10, True, 10),
    (50, 10, True, 10),
    (100, 10, True, 10),
    (200, 10, True, 10),
    (300, 10, True, None),
    (1000, 10, False, 40),
    (5000, 10, False, 250),
    (100, 2000, True, 50),
)
_PLANS = ((30, None), (300, 10), (2000, 60))


def _data(n: int, each: int, sd: float = 1.5):
    rng = np.random.default_rng(n)
    strengths = rng.normal(0, sd, n)
    shown = np.concatenate([rng.permutation(n).reshape(-1, 2) for _ in range(each)])
    odds = strengths[shown[:, 0]] - strengths[shown[:, 1]] + _ORDER
    wins = rng.random(len(shown)) < 1 / (1 + np.exp(-odds))
    return np.where(wins[:, None], shown, shown[:, ::-1]), shown[:, 0]


def _least(call: Callable[[], object], times: int) -> float:
    call()
    spent = []
    for _ in range(times):
        began = time.thread_time()
        call()
        spent.append(time.thread_time() - began)
    return 1000 * min(spent)


def speed(runs: int) -> Table:
    table = Table(
        "CPU ms (least of several)", ("what", "n", "comparisons", "ms", "choix", "times faster", "largest Δ to choix")
    )
    choix = _choix()
    for n, each, errors, goal in _FITS:
        pairs, first = _data(n, each)
        times = max(runs if n <= 300 else runs // 5, 3)

        def fit(pairs=pairs, first=first, n=n, errors=errors):
            found = fit_bradley_terry(n, pairs, first)
            return found.standard_errors if errors else found

        took = _least(fit, times)
        what = "fit with γ, τ" + (", standard errors" if errors else "")
        theirs, apart = None, None
        if choix is not None and n <= 1000 and each < 100:
            tau = fit_bradley_terry(n, pairs).prior_sd
            data = [(int(w), int(k)) for w, k in pairs]
            theirs = _least(lambda n=n, data=data, tau=tau: choix.opt_pairwise(n, data, alpha=1 / (2 * tau**2)), 1)
            found = choix.opt_pairwise(n, data, alpha=1 / (2 * tau**2), tol=1e-10)
            apart = np.max(np.abs(found - found.mean() - fit_bradley_terry(n, pairs, prior_sd=tau).strengths))
        table.add(
            what,
            n,
            len(pairs),
            Cell(took, digits=2),
            "–" if theirs is None else Cell(theirs, digits=1),
            "–" if theirs is None else Cell(theirs / took, digits=1),
            "–" if apart is None else f"{apart:.1e}",
        )
        if goal is not None:
            table.goals.append(Judged(f"{what}, n {n}, {len(pairs)} comparisons: ms", took, goal))
    for n, goal in _PLANS:
        took = max(_plan_times(n, max(runs // 5, 3)))
        table.add("plan_round, slowest of rounds 1 to 14", n, 7 * n, Cell(took, digits=2), "–", "–", "–")
        if goal is not None:
            table.goals.append(Judged(f"plan_round, n {n}: ms", took, goal))
    return table


def _plan_times(n: int, times: int) -> list[float]:
    rng = np.random.default_rng(n)
    strengths, shown, spent = rng.normal(size=n), np.empty((0, 2), dtype=int), []
    for _ in range(14):
        estimated = strengths + rng.normal(0, 0.4, n)

        def plan(shown=shown, estimated=estimated):
            return plan_round(read_history(n, shown), estimated, seed=1)

        spent.append(_least(plan, times))
        shown = np.concatenate([shown, plan()])
    return spent


def _choix():
    try:
        return importlib.import_module("choix")
    except ImportError:
        return None
