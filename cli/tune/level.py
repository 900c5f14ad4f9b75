"""The measurements of the levels of `umpire tune`, each with a number of calls in flight, and their knee. Pure."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.errors import UmpireError

#: If a larger share of a level's calls is refused, it and all higher levels are over the provider's limit. Occasional
#: refusals are normal.
REFUSED_SHARE = 0.03

#: The same for calls that failed otherwise: then the level measures nothing.
FAILED_SHARE = 0.2

#: The knee has at least this share of the best throughput: more calls in flight mostly add waiting.
NEARLY_ALL = 0.95

#: A p95 above this many times that of the first level is inflated: calls wait for each other at the provider.
INFLATED = 2.0


@dataclass(frozen=True, slots=True)
class CallResult:
    """One finished call; times in seconds of one clock. `code`: the error code; None: it brought a verdict."""

    began: float
    ended: float
    code: str | None = None
    #: The provider refused the call, because of a rate limit or overload.
    refused: bool = False
    tokens: int = 0
    #: USD; None: unknown.
    cost: float | None = None
    error: UmpireError | None = None

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Latency:
    """Latency of the calls that brought a verdict, in seconds."""

    mean: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class LoadLevel:
    concurrency: int
    #: Length of the measured window.
    seconds: float
    calls: int
    verdicts: int
    refusals: int
    #: Number of calls by error code, refusals included.
    errors: Mapping[str, int]
    #: Verdicts a second.
    rate: float
    latency: Latency | None
    #: Average tokens of a verdict, input and output together.
    tokens: float
    #: USD of all calls; None: unknown.
    cost: float | None
    #: Average delay of this process's event loop, in seconds: what the process itself adds to the time of a call.
    late: float
    #: Whether the level ended early.
    cut: bool = False
    #: CPU seconds of this process per call; 0: not measured.
    cpu: float = 0.0

    @property
    def failed(self) -> int:
        """Calls without a verdict that were not refused."""
        return self.calls - self.verdicts - self.refusals


def measured(
    concurrency: int,
    calls: Sequence[CallResult],
    window: tuple[float, float],
    *,
    late: float = 0.0,
    cut: bool = False,
    cpu: float = 0.0,
) -> LoadLevel:
    """The level's figures. A call counts with the share of its duration that lies in the window.

    So calls that were in flight when the window opened or closed count too, and the result does not depend on how many
    whole calls fit in: if all calls take W seconds, N at a time, the rate is N / W, however short the window.
    """
    good = [call for call in calls if call.code is None]
    start, end = window
    rate = math.fsum(_share(call, start, end) for call in good) / (end - start) if end > start else 0.0
    costs = [call.cost for call in calls]
    return LoadLevel(
        concurrency=concurrency,
        seconds=max(0.0, end - start),
        calls=len(calls),
        verdicts=len(good),
        refusals=sum(call.refused for call in calls),
        errors=dict(Counter(call.code for call in calls if call.code is not None).most_common()),
        rate=rate,
        latency=latency([call.seconds for call in good if call.ended >= start] or [call.seconds for call in good]),
        tokens=sum(call.tokens for call in good) / len(good) if good else 0.0,
        cost=None if None in costs else math.fsum(cost for cost in costs if cost is not None),
        late=late,
        cut=cut,
        cpu=cpu / len(calls) if calls else 0.0,
    )


def latency(seconds: Sequence[float]) -> Latency | None:
    if not seconds:
        return None
    ordered, count = sorted(seconds), len(seconds)
    # By nearest rank: the smallest value such that at least this share of all values is not above it.
    ranks = (max(1, math.ceil(share * count)) for share in (0.5, 0.95, 0.99))
    return Latency(math.fsum(ordered) / count, *(ordered[rank - 1] for rank in ranks))


def _share(call: CallResult, start: float, end: float) -> float:
    if call.seconds <= 0:
        return float(start <= call.ended < end)
    return max(0.0, min(call.ended, end) - max(call.began, start)) / call.seconds


def too_many(refused: int, failed: int, calls: int) -> bool:
    return (refused > 1 and refused > REFUSED_SHARE * calls) or (failed > 1 and failed > FAILED_SHARE * calls)


def usable(levels: Sequence[LoadLevel]) -> list[LoadLevel]:
    """The levels that did not exceed the provider's limit, and lasted for at least the duration of a call."""
    return [
        level
        for level in levels
        if level.latency
        and level.rate > 0
        and not is_over(level)
        and (not level.cut or level.seconds >= level.latency.p50)
    ]


def is_over(level: LoadLevel) -> bool:
    """Whether too many calls of the level were refused or failed."""
    return too_many(level.refusals, level.failed, level.calls)


def find_knee(levels: Sequence[LoadLevel]) -> LoadLevel | None:
    """The smallest level with nearly the best throughput among those without an inflated p95; None: none is usable."""
    good = usable(levels)
    if not good:
        return None
    calm = [level for level in good if _p95(level) <= INFLATED * _p95(good[0])]
    best = max(level.rate for level in calm)
    return next(level for level in calm if level.rate >= NEARLY_ALL * best)


def is_limited(levels: Sequence[LoadLevel], knee: LoadLevel) -> bool:
    """Whether more calls in flight than at the knee were tried. If not, the real limit is unknown."""
    tried = [*usable(levels), *filter(is_over, levels)]
    return any(level.concurrency > knee.concurrency for level in tried)


def _p95(level: LoadLevel) -> float:
    return level.latency.p95 if level.latency else 0.0
