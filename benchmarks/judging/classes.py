"""One simulated class: rounds of pairs, verdicts and fits, with what is known of the truth after each."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from assessment.model.pairing.deal import deal
from assessment.model.pairing.history import read_history
from assessment.model.pairing.plan import RANDOM_ROUNDS, plan_round
from assessment.model.pairing.repeats import pairs_exhausted
from assessment.model.stop import AssessmentStopReason, stop_reason
from assessment.model.strengths.fit import BradleyTerryFit, fit_verdicts
from assessment.model.strengths.graded import graded_judges
from assessment.model.strengths.verdicts import Verdicts, read_verdicts
from benchmarks.judging.judges import SimulatedJudge

START = RANDOM_ROUNDS


@dataclass(frozen=True)
class Round:
    """What is known after a round; figures only, so that it is cheap to hand from process to process."""

    k: float
    #: Spearman's correlation with the truth, and the squared Pearson correlation: the true reliability.
    rho: float
    r2: float
    claimed: float
    claimed_error: float
    prior_sd: float
    graded: bool


@dataclass(frozen=True)
class Played:
    truth: np.ndarray
    shown: np.ndarray
    verdicts: Verdicts
    fit: BradleyTerryFit
    graded: tuple[int, ...]

    @property
    def rho(self) -> float:
        return spearman(self.fit.strengths, self.truth)


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
    start: int = START
    #: Of the stop rule; without it, all rounds are played.
    target: float | None = None


def spearman(one, other):
    return float(np.corrcoef(np.argsort(np.argsort(one)), np.argsort(np.argsort(other)))[0, 1])


def run_class(setting: Setting, seed: int) -> list[Round]:
    return [
        Round(
            k=2 * len(one.shown) / setting.n,
            rho=one.rho,
            r2=float(np.corrcoef(one.fit.strengths, one.truth)[0, 1] ** 2),
            claimed=one.fit.reliability,
            claimed_error=one.fit.reliability_error,
            prior_sd=one.fit.prior_sd,
            graded=bool(one.graded),
        )
        for one in play(setting, seed)
    ]


def stopped_class(setting: Setting, seed: int) -> tuple[Round, AssessmentStopReason]:
    """The last round by the stop rule, and why it was the last one."""
    claims: list[float] = []
    for one in play(setting, seed):
        claims.append(one.fit.reliability)
        reason = stop_reason(
            claims,
            one.verdicts.per_item,
            exhausted=pairs_exhausted(read_history(setting.n, one.shown)),
            target=setting.target,
        )
        if reason is not None:
            r2 = float(np.corrcoef(one.fit.strengths, one.truth)[0, 1] ** 2)
            k = 2 * len(one.shown) / setting.n
            error, tau = one.fit.reliability_error, one.fit.prior_sd
            return Round(k, one.rho, r2, claims[-1], error, tau, bool(one.graded)), reason
    raise AssertionError("the budget stops every class")


def play(setting: Setting, seed: int) -> Iterator[Played]:
    """The state after each round."""
    rng = np.random.default_rng(seed)
    # Of the confidences alone: with and without them, a class is the same.
    side = np.random.default_rng([seed, 1])
    n = setting.n
    truth = rng.normal(0, setting.sd, n)
    # A class of equals has no true order: correlations are taken with an arbitrary one.
    target = truth if setting.sd else rng.normal(size=n)
    shown, judged = np.empty((0, 2), dtype=int), np.empty(0, dtype=int)
    won, sure = np.empty(0, dtype=bool), np.empty(0, dtype=int)
    fit: BradleyTerryFit | None = None
    graded: tuple[int, ...] = ()
    for number in range(1, setting.rounds + 1):
        history = read_history(n, shown, judged)
        strengths = fit.strengths if fit is not None and setting.adaptive else None
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
        fit = fit_verdicts(verdicts, graded=graded)
        yield Played(target, shown, verdicts, fit, graded)
