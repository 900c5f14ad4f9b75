"""Finds the knee of a sweep, where a provider's throughput stops growing, and the rates of its quota. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.tune.level import Latency, LoadLevel
from cli.tune.round import too_many
from guard.limits import Bucket

#: The knee has at least this share of the best throughput: more calls in flight mostly add waiting.
NEARLY_ALL = 0.95

#: A p95 above this many times that of the first level is inflated: calls wait for each other at the provider.
INFLATED = 2.0


@dataclass(frozen=True, slots=True)
class Quota:
    """A provider's limits per minute; None: unknown."""

    rpm: int | None = None
    tpm: int | None = None
    #: Where the limits come from, for messages.
    source: str = ""

    def rates(self, tokens: float) -> dict[str, float]:
        """Comparisons a second that each limit allows at `tokens` tokens each: the rate limiter's steady rate."""
        found = {}
        if self.rpm:
            found["RPM"] = Bucket.of(self.rpm, unit=1).rate
        if self.tpm and tokens:
            found["TPM"] = Bucket.of(self.tpm, unit=0).rate / tokens
        return found


def usable(levels: Sequence[LoadLevel]) -> list[LoadLevel]:
    """The levels that did not exceed the provider's limit, and lasted for at least the duration of a call."""
    return [
        level
        for level in levels
        if level.latency and level.rate > 0 and not is_over(level) and _is_long_enough(level, level.latency)
    ]


def _is_long_enough(level: LoadLevel, latency: Latency) -> bool:
    return not level.cut or level.seconds >= latency.p50


def is_over(level: LoadLevel) -> bool:
    """Whether too many calls of the level were refused or failed."""
    return too_many(level.refusals, level.failed, level.calls)


def find_knee(levels: Sequence[LoadLevel]) -> LoadLevel | None:
    """The smallest level with nearly the best throughput among those without an inflated p95; None: none is usable."""
    good = usable(levels)
    if not good:
        return None
    calm = [level for level in good if p95(level) <= INFLATED * p95(good[0])]
    best = max(level.rate for level in calm)
    return next(level for level in calm if level.rate >= NEARLY_ALL * best)


def is_limited(levels: Sequence[LoadLevel], knee: LoadLevel) -> bool:
    """Whether more calls in flight than at the knee were tried. If not, the real limit is unknown."""
    tried = [*usable(levels), *filter(is_over, levels)]
    return any(level.concurrency > knee.concurrency for level in tried)


def p95(level: LoadLevel) -> float:
    return level.latency.p95 if level.latency else 0.0
