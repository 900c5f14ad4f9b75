"""The measurements of one level of `umpire tune`, which keeps a number of calls in flight for a time. Pure."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ended:
    """One finished call; times in seconds of one clock. `code`: the error code; None: it brought a verdict."""

    began: float
    ended: float
    code: str | None = None
    #: The provider refused the call, because of a rate limit or overload.
    refused: bool = False
    tokens: int = 0
    #: USD; None: unknown.
    cost: float | None = None

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
) -> LoadLevel:
    """The level's figures. A call counts by the share of its own duration that lies in the window.

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
    ordered = sorted(seconds)
    return Latency(math.fsum(ordered) / len(ordered), *(_percentile(ordered, share) for share in (0.5, 0.95, 0.99)))


def _percentile(ordered: Sequence[float], share: float) -> float:
    """By nearest rank: the smallest value such that at least this share of all values is not above it."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _share(call: Ended, start: float, end: float) -> float:
    if call.seconds <= 0:
        return float(start <= call.ended < end)
    return max(0.0, min(call.ended, end) - max(call.began, start)) / call.seconds
