"""What one claim of one comparison gathers while its attempts go on."""

import time
from collections.abc import Callable
from typing import NamedTuple

from contracts.errors import UmpireError
from events.result import Judgement, Spent
from guard.limits import Reservation
from ledger.request import StoredRequest
from providers.model import ModelInfo
from tasks.turns import Passed


class NotNow(Exception):
    """No call may start now, or the one that did was refused for a fault of the account: not the request's fault.

    `reason`: "stopping", "lease", "breaker", "hold", "model_hold" (of its model only), "patience" or "rate_limit".
    `seconds`: how long the provider's gate should pause.
    """

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.seconds = seconds
        self.spent = Spent()
        """All that the request has used so far: attempts of this claim may have come before."""


class Probe(NamedTuple):
    """The one call that may start while the breaker is not closed, or the provider is on hold, or both."""

    name: str
    breaker: bool
    hold: bool


class Claim:
    def __init__(self, stored: StoredRequest, spent: Spent, probe: Probe | None, holds: Callable[[], bool]) -> None:
        self.holds = holds
        self.stored = stored
        self.spent = spent
        self.probe = probe
        self.model_probe: str | None = None
        """The right to probe the hold of its model, by this name."""
        self.called = False
        """The last attempt made its call."""
        self.came = False
        """The last attempt brought an answer, whatever is in it."""
        self.model = stored.model
        self.info: ModelInfo | None = None
        self.ignored: tuple[str, ...] = ()
        self.reservation: Reservation | None = None
        self.passed: Passed | None = None
        self.probing = False
        self.resting = False
        self.waited = 0.0
        """For turns, in seconds."""
        self.failure: UmpireError | None = None
        """Of its last attempt that brought no answer. An answer without a verdict has a bound of its own."""
        self.seconds = 0.0
        """Of the call that brought the verdict."""
        self._started = time.monotonic()

    def judgement(self) -> Judgement:
        seconds = time.monotonic() - self._started
        return Judgement(model=self.model, spent=self.spent, seconds=seconds, ignored=self.ignored)
