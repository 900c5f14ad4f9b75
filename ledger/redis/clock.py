"""Converts time.monotonic to Redis' clock, so that a script which Redis runs late, after a freeze, sees that it is."""

#: Seconds after which Redis' time is read again: its clock may have been set meanwhile.
FRESH_SECONDS = 10.0


class RedisClock:
    def __init__(self) -> None:
        #: Redis' time minus time.monotonic, in seconds; a lower bound, so that a deadline is early rather than late.
        self._offset: float | None = None
        self._observed = 0.0

    def observe(self, sent: float, received: float, redis_ms: int) -> None:
        """Redis' clock showed `redis_ms` at some time between `sent` and `received` (time.monotonic)."""
        low, high = redis_ms / 1000 - received, (redis_ms + 1) / 1000 - sent
        # Keep the old bound while it fits this observation. If it does not, it was too low, or Redis' clock was set.
        if self._offset is None or not low <= self._offset <= high:
            self._offset = low
        self._observed = received

    def is_fresh(self, now: float) -> bool:
        return self._offset is not None and now - self._observed < FRESH_SECONDS

    def at(self, at: float) -> int:
        """Redis' time in ms, or slightly less, at `at` (time.monotonic). `observe` must have been called before."""
        assert self._offset is not None  # noqa: S101 - the callers check is_fresh first
        return int((at + self._offset) * 1000)
