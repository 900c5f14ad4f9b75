"""Where a provider's throughput ends: the knee of a sweep, and what its quota allows. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.tune_level import Latency, Level
from cli.tune_round import too_many
from guard.limits import Bucket

#: The knee brings at least this share of the best throughput: what more calls in flight add to it is waiting.
NEARLY_ALL = 0.95

#: A p95 above so many times that of the first level is inflated: calls wait for each other at the provider.
INFLATED = 2.0


@dataclass(frozen=True, slots=True)
class Quota:
    """A minute; None: not known."""

    rpm: int | None = None
    tpm: int | None = None
    #: Who says so.
    source: str = ""

    def rates(self, tokens: float) -> dict[str, float]:
        """Comparisons a second that it allows at so many tokens each: what the rate limiter grants, steadily."""
        found = {}
        if self.rpm:
            found["RPM"] = Bucket.of(self.rpm, unit=1).rate
        if self.tpm and tokens:
            found["TPM"] = Bucket.of(self.tpm, unit=0).rate / tokens
        return found


def usable(levels: Sequence[Level]) -> list[Level]:
    """Those that the provider took, measured for at least a call's time."""
    return [
        level
        for level in levels
        if level.latency and level.rate > 0 and not is_over(level) and _is_long_enough(level, level.latency)
    ]


def _is_long_enough(level: Level, latency: Latency) -> bool:
    return not level.cut or level.seconds >= latency.p50


def is_over(level: Level) -> bool:
    """The provider did not take it."""
    return too_many(level.refusals, level.failed, level.calls)


def find_knee(levels: Sequence[Level]) -> Level | None:
    """The smallest level that brings nearly the best throughput without an inflated p95; None: there is none."""
    good = usable(levels)
    if not good:
        return None
    calm = [level for level in good if p95(level) <= INFLATED * p95(good[0])]
    best = max(level.rate for level in calm)
    return next(level for level in calm if level.rate >= NEARLY_ALL * best)


def is_limited(levels: Sequence[Level], knee: Level) -> bool:
    """More in flight than at the knee was tried, and brought no more. False: nobody knows what it would bring."""
    tried = [*usable(levels), *filter(is_over, levels)]
    return any(level.concurrency > knee.concurrency for level in tried)


def p95(level: Level) -> float:
    return level.latency.p95 if level.latency else 0.0
