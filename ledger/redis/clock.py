"""Converts time.monotonic to Redis' clock, so that a script which Redis runs late, after a freeze, sees that it is."""

#: Seconds after which Redis' time is read again: its clock may have been set meanwhile.
FRESH_SECONDS = 10.0


class RedisClock:
    def __init__(self) -> None:
        #: Redis' time minus time.monotonic, in seconds; a lower bound, so that a deadline is early rather than late.
        self._ahead: float | None = None
        self._seen = 0.0

    def observe(self, sent: float, received: float, redis_ms: int) -> None:
        """Redis' clock showed `redis_ms` at some time between `sent` and `received` (time.monotonic)."""
        least, most = redis_ms / 1000 - received, (redis_ms + 1) / 1000 - sent
        # Keep the old bound while it fits this observation. If it does not, it was too low, or Redis' clock was set.
        if self._ahead is None or not least <= self._ahead <= most:
            self._ahead = least
        self._seen = received

    def is_fresh(self, now: float) -> bool:
        return self._ahead is not None and now - self._seen < FRESH_SECONDS

    def at(self, moment: float) -> int:
        """Redis' time in ms, or slightly less, at `moment` (time.monotonic). `observe` must have been called before."""
        assert self._ahead is not None  # noqa: S101 - the callers check is_fresh first
        return int((moment + self._ahead) * 1000)
