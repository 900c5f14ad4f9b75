"""The outer level of retries: a request whose claim failed is deferred, a few times."""

import random

from contracts.settings import RetrySettings

#: Waits are varied by this share either way, so that requests that failed together do not come back together.
SPREAD = 0.2


def next_deferral(
    tries: int, settings: RetrySettings, rng: random.Random, *, retry_after: float | None = None
) -> float | None:
    """Seconds until a request that was deferred `tries` times may be claimed again; None: its tries are used up.

    Never shorter than the error's `retry_after`.
    """
    if tries >= settings.queue_max_retries:
        return None
    wait = settings.defer_seconds[min(tries, len(settings.defer_seconds) - 1)] * rng.uniform(1 - SPREAD, 1 + SPREAD)
    return wait if retry_after is None else max(wait, retry_after * rng.uniform(1, 1 + SPREAD))
