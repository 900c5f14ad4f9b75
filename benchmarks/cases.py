"""The cases: their names, how one run of each is made, and how many runs at most."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.accept import accept
from benchmarks.adaptive import adaptive
from benchmarks.alone import bare_call, reuse
from benchmarks.batch import batch
from benchmarks.chain import Load, backlog, of_ideal, paced
from benchmarks.depth import depth
from benchmarks.fairness import fairness
from benchmarks.immediate import immediate
from benchmarks.memory import memory
from benchmarks.scrape import scrape
from benchmarks.single import single
from benchmarks.stack import Servers
from benchmarks.starting import starting
from benchmarks.tools import Tools

#: Comparisons a second that the moderate runs offer: above what must be done, so that it can be.
MODERATE = 550.0
#: Of what is ideal, that slow paced runs offer; what a call takes beyond its upstream fits into the rest.
NEARLY_IDEAL = 0.975
#: What takes minutes is run less often.
ONCE, THRICE = 1, 3


@dataclass(frozen=True)
class Bench:
    servers: Servers
    tools: Tools
    #: Of every count; 1 is the whole.
    scale: float
    #: Comparisons a second that `paced` offers.
    rate: float
    #: Worker processes in the runs at 20 ms.
    workers: int

    def count(self, comparisons: float) -> int:
        return max(int(comparisons * self.scale), 300)


Run = Callable[[Bench, int], Mapping[str, Any]]


@dataclass(frozen=True)
class Case:
    #: Of the bench, and the number of the run.
    run: Run
    #: Most runs, even if --runs is higher.
    most: int | None = None
    #: Whether it runs without being named on the command line.
    usual: bool = True


def _full(provider: str, comparisons: int) -> Run:
    def run(b: Bench, _: int) -> Mapping[str, Any]:
        load = Load(b.count(comparisons), 20, 64, seconds=120, provider=provider, workers=b.workers)
        return backlog(b.servers, b.tools, load)

    return run


def _steady(provider: str, seconds: float, rate: float | None = None) -> Run:
    """At this rate, or else at that of --rate."""

    def run(b: Bench, _: int) -> Mapping[str, Any]:
        offered = rate or b.rate
        load = Load(b.count(seconds * offered), 20, 64, seconds=120, rate=offered, provider=provider, workers=b.workers)
        return paced(b.servers, b.tools, load)

    return run


def _slow(*, is_paced: bool, sd_ms: float = 0.0) -> Run:
    """For fifteen times the upstream's second, of which the middle twelve count."""

    def run(b: Bench, _: int) -> Mapping[str, Any]:
        rate = NEARLY_IDEAL * 200 if is_paced else 0.0
        load = Load(b.count(15 * (rate or 200)), 1000, 200, seconds=120, rate=rate, sd_ms=sd_ms)
        return of_ideal(load, (paced if is_paced else backlog)(b.servers, b.tools, load))

    return run


def _thousand(b: Bench, _: int) -> Mapping[str, Any]:
    """Nine waves of 1,000; the six from the middle of the second one on are the steady part."""
    load = Load(b.count(9_000), 3000, 500, seconds=180, workers=2, steady=(1.5 / 9, 7.5 / 9))
    return of_ideal(load, backlog(b.servers, b.tools, load))


def _peers(b: Bench, _: int) -> Mapping[str, Any]:
    # On its first run it installs what it measures: nobody else waits for that.
    from benchmarks.peers import peers

    found: Mapping[str, Any] = peers(b.servers, b.tools, count=b.count(2_000))
    return found


CASES = {
    "accept": Case(lambda b, run: accept(b.servers, b.tools, run=run, count=b.count(12_000))),
    "batch": Case(lambda b, _: batch(b.servers, b.tools, scale=b.scale)),
    "single": Case(lambda b, _: single(b.servers, count=max(int(200 * b.scale), 50))),
    "immediate": Case(lambda b, _: immediate(b.servers, b.tools, count=b.count(1_000))),
    "bare_call": Case(lambda b, _: bare_call(b.servers, count=b.count(3_000))),
    "reuse": Case(lambda b, _: reuse(b.servers, count=b.count(3_000))),
    "backlog": Case(_full("anthropic", 8_000)),
    "paced": Case(_steady("anthropic", 8)),
    "paced_moderate": Case(_steady("anthropic", 8, MODERATE)),
    "peers": Case(_peers),
    "backlog_openai": Case(_full("openai", 6_000)),
    "paced_openai": Case(_steady("openai", 6, MODERATE)),
    "backlog_google": Case(_full("google", 6_000)),
    "paced_google": Case(_steady("google", 6, MODERATE)),
    "slow_backlog": Case(_slow(is_paced=False)),
    "slow_paced": Case(_slow(is_paced=True)),
    "spread_backlog": Case(_slow(is_paced=False, sd_ms=500)),
    "spread_paced": Case(_slow(is_paced=True, sd_ms=500)),
    "thousand": Case(_thousand),
    "starting": Case(lambda b, _: starting(b.servers, b.tools)),
    "scrape": Case(lambda _b, _run: scrape()),
    "memory": Case(lambda b, _: memory(b.servers, b.tools, count=b.count(50_000)), ONCE),
    "depth": Case(lambda b, _: depth(b.servers, measured=b.count(3_000), scale=b.scale), THRICE),
    "adaptive": Case(lambda b, _: adaptive(b.servers, scale=b.scale), ONCE),
    # Five minutes a run.
    "fairness": Case(lambda b, _: fairness(b.servers, b.tools), usual=False),
}
