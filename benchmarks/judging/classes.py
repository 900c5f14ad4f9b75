"""One simulated class: rounds of pairs, verdicts and fits, with what is known of the truth after each."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from assessment.model.pairing.deal import deal
from assessment.model.pairing.history import read_history
from assessment.model.pairing.plan import plan_round
from assessment.model.strengths.fit import BradleyTerryFit, fit_verdicts
from assessment.model.strengths.graded import graded_judges
from assessment.model.strengths.verdicts import Verdicts, read_verdicts
from benchmarks.judging.judges import SimulatedJudge


@dataclass
class Round:
    k: float
    fit: BradleyTerryFit
    verdicts: Verdicts
    graded: tuple[int, ...]
    #: Spearman's correlation with the truth, and the squared Pearson correlation: the true reliability.
    rho: float
    r2: float


@dataclass(frozen=True)
class Setting:
    """What a class is like, and how it is judged."""

    n: int
    sd: float
    judges: tuple[SimulatedJudge, ...] = (SimulatedJudge(),)
    adaptive: bool = True
    use_confidence: bool = False
    rounds: int = 24
    #: The first round that is fitted.
    start: int = 3
    fit: Callable[..., BradleyTerryFit] = field(default=fit_verdicts)


def rank(values):
    return np.argsort(np.argsort(values))


def run_class(setting: Setting, seed: int, *, until=None) -> list[Round]:
    """`until`: of the rounds so far, whether to stop."""
    rng = np.random.default_rng(seed)
    # Of the confidences alone: with and without them, a class is the same.
    side = np.random.default_rng([seed, 1])
    n = setting.n
    truth = rng.normal(0, setting.sd, n)
    # A class of equals has no true order: correlations are taken with an arbitrary one.
    target = truth if setting.sd else rng.normal(size=n)
    shown, judged = np.empty((0, 2), dtype=int), np.empty(0, dtype=int)
    won, sure = np.empty(0, dtype=bool), np.empty(0, dtype=int)
    rounds: list[Round] = []
    graded: tuple[int, ...] = ()
    for number in range(1, setting.rounds + 1):
        history = read_history(n, shown, judged)
        strengths = rounds[-1].fit.strengths if rounds and setting.adaptive else None
        pairs = plan_round(history, strengths, seed=seed, n_judges=len(setting.judges))
        if not len(pairs):
            break
        dealt = deal(pairs, history, np.ones(len(setting.judges)), seed=seed)
        firsts, levels = np.empty(len(pairs), dtype=bool), np.empty(len(pairs), dtype=int)
        for index, judge in enumerate(setting.judges):
            mine = dealt == index
            firsts[mine], levels[mine] = judge.answer(truth, pairs[mine], rng, side)
        shown, judged = np.concatenate([shown, pairs]), np.concatenate([judged, dealt])
        won, sure = np.concatenate([won, firsts]), np.concatenate([sure, levels])
        if number < setting.start:
            continue
        outcome = np.where(won[:, None], shown, shown[:, ::-1])
        verdicts = read_verdicts(n, outcome, shown[:, 0], judged, sure)
        graded = graded_judges(verdicts, graded) if setting.use_confidence else ()
        fit = setting.fit(verdicts, graded=graded)
        rho = np.corrcoef(rank(fit.strengths), rank(target))[0, 1]
        r2 = np.corrcoef(fit.strengths, target)[0, 1] ** 2
        rounds.append(Round(2 * len(shown) / n, fit, verdicts, graded, float(rho), float(r2)))
        if until is not None and until(rounds):
            break
    return rounds
