"""Circuit breaker, holds and retries."""

from typing import Literal, Self

from pydantic import Field, model_validator

from contracts.settings.base import CommaFloats, Concern


class BreakerSettings(Concern):
    breaker_failures: int = Field(5, ge=1)
    """Failures within the window that open a provider's circuit breaker, if they are at least half of its calls; or
    four times as many without a success between. Counts as at least UMPIRE_RETRY_ATTEMPTS + 1, so that one request
    alone never opens it in one go."""
    breaker_window_seconds: float = Field(60.0, gt=0)
    """Window over which the breaker counts, in seconds."""
    breaker_recovery_seconds: float = Field(30.0, gt=0)
    """How long the breaker stays open before one call may probe the provider, in seconds."""
    breaker_successes: int = Field(1, ge=1)
    """Successful probes that close the breaker."""


class HoldSettings(Concern):
    hold: Literal["on", "off"] = "on"
    """Whether a fault of the account (a rejected key, an empty account) puts a provider on hold: its requests wait, and
    one probe a minute finds out when it is mended. `off`: each such request fails at once. A manual hold
    (`umpire pause`) works either way."""
    hold_probe_seconds: float = Field(60.0, gt=0)
    """While a provider is on hold: seconds between two probes."""
    hold_max_seconds: float = Field(259_200.0, ge=0)
    """Time on hold, in seconds, that does not count towards a request's time to live, unless its caller set
    `ttl_seconds`."""


class RetrySettings(Concern):
    retry_attempts: int = Field(3, ge=1, le=10)
    """Attempts of the inner ring: calls to the provider within one claim of a request."""
    call_deadline_seconds: float = Field(120.0, gt=0)
    """Overall deadline of one claim: all its attempts, waits and reads together, in seconds."""
    attempt_timeout_seconds: float | None = Field(None, gt=0)
    """Longest time for one attempt, in seconds; when not set, 90 % of the overall deadline divided by the attempts,
    so that all of them fit."""
    retry_initial_seconds: float = Field(0.5, ge=0)
    """First wait between two attempts, in seconds; doubled each time, with full jitter."""
    retry_after_max_seconds: float = Field(10.0, ge=0)
    """Longest Retry-After that is waited out within a claim, in seconds; a longer one closes the provider's gate
    instead."""
    queue_max_retries: int = Field(3, ge=0)
    """How often a request may be deferred (the outer ring) before it fails."""
    defer_seconds: CommaFloats = [5.0, 30.0, 120.0]
    """Waits of the outer ring, in seconds, jittered by ±20 %; the last one is repeated."""

    @model_validator(mode="after")
    def _waits(self) -> Self:
        if not self.defer_seconds or min(self.defer_seconds) < 0:
            raise ValueError("UMPIRE_DEFER_SECONDS needs at least one wait, none negative")
        return self

    @property
    def attempt_timeout(self) -> float:
        """Seconds for one attempt."""
        return self.attempt_timeout_seconds or 0.9 * self.call_deadline_seconds / self.retry_attempts
