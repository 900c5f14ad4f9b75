"""Circuit breaker, holds and retries."""

from typing import Literal

from pydantic import Field

from contracts.settings.base import CommaFloats, Concern, internal


class BreakerSettings(Concern):
    breaker_failures: int = Field(5, ge=1)
    """Failures within one minute that open a provider's circuit breaker, if at least half of the calls failed; or
    four times as many without a success in between. At least UMPIRE_RETRY_ATTEMPTS + 1 is used, so that one request
    cannot open it alone."""
    breaker_window_seconds: float = internal(60.0, "BREAKER_WINDOW_SECONDS", gt=0)
    """Window in which the breaker counts calls, in seconds."""
    breaker_recovery_seconds: float = Field(30.0, gt=0)
    """How long an open breaker waits before one call may probe the provider, in seconds."""


class HoldSettings(Concern):
    hold: Literal["on", "off"] = "on"
    """`on`: an account error (a rejected key, no credit) puts a provider on hold. Its requests wait, and a probe
    finds out when the account works again. `off`: each such request fails at once. A manual hold (`umpire pause`)
    works with both."""
    hold_probe_seconds: float = Field(60.0, gt=0)
    """Time between two probes of a provider on hold, in seconds."""
    hold_max_seconds: float = Field(259_200.0, ge=0)
    """Longest time on hold that does not count towards a request's time to live, in seconds (the default is 3
    days). For a request with its own `ttl_seconds`, all time counts."""


class RetrySettings(Concern):
    retry_attempts: int = Field(3, ge=1, le=10)
    """Most calls to the provider within one claim of a request. After them the request is deferred."""
    call_deadline_seconds: float = Field(120.0, gt=0)
    """Deadline of one claim, in seconds. It bounds all of its calls and the waits between them together; one call
    may take 90 % of it divided by UMPIRE_RETRY_ATTEMPTS."""
    attempt_timeout_seconds: float | None = internal(None, "ATTEMPT_TIMEOUT_SECONDS", gt=0)
    """Longest time of one call, in seconds; None: a share of the deadline, see `attempt_timeout`."""
    retry_initial_seconds: float = internal(0.5, "RETRY_INITIAL_SECONDS", ge=0)
    """First wait between two calls, in seconds; doubled each time, with full jitter."""
    retry_after_max_seconds: float = internal(10.0, "RETRY_AFTER_MAX_SECONDS", ge=0)
    """Longest Retry-After that a claim waits for, in seconds; a longer one closes the provider's gate instead."""
    queue_max_retries: int = Field(3, ge=0)
    """How often a request may be deferred before it fails. It waits 5, 30, then 120 seconds (±20 %) in the queue."""
    defer_seconds: CommaFloats = internal([5.0, 30.0, 120.0], "DEFER_SECONDS", min_length=1)
    """Waits of a deferred request, in seconds, jittered by ±20 %; the last one is repeated."""

    @property
    def attempt_timeout(self) -> float:
        """Longest time of one call, in seconds. By default all attempts fit into the deadline."""
        return self.attempt_timeout_seconds or 0.9 * self.call_deadline_seconds / self.retry_attempts
