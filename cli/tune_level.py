"""What one level of `umpire tune` measured: so many calls in flight, for a while. Pure."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ended:
    """One call, in seconds of one clock. `code`: how it failed; None: with a verdict."""

    began: float
    ended: float
    code: str | None = None
    #: The provider sent it away: a rate limit, or it is overloaded.
    refused: bool = False
    tokens: int = 0
    #: USD; None: not known.
    cost: float | None = None

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Latency:
    """Of the calls that brought a verdict, in seconds."""

    mean: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Level:
    concurrency: int
    #: Length of the window that was measured.
    seconds: float
    calls: int
    verdicts: int
    refusals: int
    #: Code → calls, refusals among them.
    errors: Mapping[str, int]
    #: Verdicts a second.
    rate: float
    latency: Latency | None
    #: Input and output of a verdict, on average.
    tokens: float
    #: USD that all calls cost; None: not known.
    cost: float | None
    #: How late this process came back to its calls, on average, in seconds: what it adds to their time by itself.
    late: float
    #: It was broken off before its time.
    cut: bool = False
    #: CPU of this process a call, in seconds; 0: not measured.
    cpu: float = 0.0

    @property
    def refused_share(self) -> float:
        return self.refusals / self.calls if self.calls else 0.0

    @property
    def failed(self) -> int:
        """Calls without a verdict that were not refused."""
        return self.calls - self.verdicts - self.refusals


def measured(
    concurrency: int,
    calls: Sequence[Ended],
    window: tuple[float, float],
    *,
    late: float = 0.0,
    cut: bool = False,
    cpu: float = 0.0,
) -> Level:
    """A call counts by the share of its own time that lies in the window.

    So no call is lost that was on its way when the window opened or closed, and it does not matter how many whole ones
    fit into it: where all calls take W seconds, N at a time, the rate is N / W, however short the window.
    """
    good = [call for call in calls if call.code is None]
    start, end = window
    rate = math.fsum(_share(call, start, end) for call in good) / (end - start) if end > start else 0.0
    costs = [call.cost for call in calls]
    return Level(
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
    ordered = sorted(seconds)
    return Latency(math.fsum(ordered) / len(ordered), *(_percentile(ordered, share) for share in (0.5, 0.95, 0.99)))


def _percentile(ordered: Sequence[float], share: float) -> float:
    """By nearest rank: the smallest one that so many are not above."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _share(call: Ended, start: float, end: float) -> float:
    if call.seconds <= 0:
        return float(start <= call.ended < end)
    return max(0.0, min(call.ended, end) - max(call.began, start)) / call.seconds
