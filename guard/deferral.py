"""The outer level of retries: a request whose claim failed is deferred, a few times."""

import random
from dataclasses import dataclass
from typing import Self

from contracts.settings import RetrySettings

#: Waits are varied by this share either way, so that requests that failed together do not come back together.
SPREAD = 0.2


@dataclass(frozen=True, slots=True)
class DeferralPolicy:
    tries: int
    waits: tuple[float, ...]

    @classmethod
    def from_settings(cls, settings: RetrySettings) -> Self:
        return cls(tries=settings.queue_max_retries, waits=tuple(settings.defer_seconds))


def next_deferral(
    tries: int, policy: DeferralPolicy, rng: random.Random, *, retry_after: float | None = None
) -> float | None:
    """Seconds until a request that was deferred `tries` times may be claimed again; None: its tries are used up.

    Never shorter than the error's `retry_after`.
    """
    if tries >= policy.tries:
        return None
    wait = policy.waits[min(tries, len(policy.waits) - 1)] * rng.uniform(1 - SPREAD, 1 + SPREAD)
    return wait if retry_after is None else max(wait, retry_after * rng.uniform(1, 1 + SPREAD))
