"""Redis' time by the clock of this process: what runs in Redis late, after a freeze, is to know that it is late."""

#: Age of what is known of Redis' clock, in seconds, at which it is asked again: it may have been set meanwhile.
FRESH_SECONDS = 10.0


class RedisClock:
    def __init__(self) -> None:
        #: Redis' time less ours, in seconds; never more than it is, so that a deadline is early rather than late.
        self._ahead: float | None = None
        self._seen = 0.0

    def observe(self, sent: float, received: float, redis_ms: int) -> None:
        """Redis' clock stood at `redis_ms` at some moment between the two, by time.monotonic."""
        least, most = redis_ms / 1000 - received, (redis_ms + 1) / 1000 - sent
        # The narrowest bound yet, unless Redis' clock was set back.
        if self._ahead is None or not least <= self._ahead <= most:
            self._ahead = least
        self._seen = received

    def is_fresh(self, now: float) -> bool:
        return self._ahead is not None and now - self._seen < FRESH_SECONDS

    def at(self, moment: float) -> int:
        """Redis' time in ms at a moment of time.monotonic, or a little less. Something must have been observed."""
        assert self._ahead is not None  # noqa: S101 - the callers look first
        return int((moment + self._ahead) * 1000)
