"""The state of one claim of one comparison while its attempts are made."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from completion.judgement import Judgement, Spent
from contracts.errors import UmpireError
from guard.limits import Reservation
from ledger.request import StoredRequest
from providers.models.model_info import ModelInfo
from tasks.call.permit_queue import Permit


class NotNow(Exception):
    """The request must be released, and is not at fault: no call may start now, or the account was refused.

    `reason`: "stopping", "lease", "breaker", "hold", "model_hold" (of its model only), "patience" or "rate_limit".
    `seconds`: how long the provider's gate should pause; 0: not at all.
    """

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.seconds = seconds
        self.spent = Spent()
        """All that the request has used so far, including earlier attempts of this claim."""


class Probe(NamedTuple):
    """The one call that may start while the breaker is not closed, or the provider is on hold, or both."""

    name: str
    breaker: bool
    hold: bool


@dataclass(eq=False, repr=False)
class ClaimState:
    stored: StoredRequest
    spent: Spent
    probe: Probe | None
    holds: Callable[[], bool]

    def __post_init__(self) -> None:
        self.model_probe: str | None = None
        """Name under which this claim has leased the probe of its model's hold; None: it has not."""
        self.called = False
        """Whether the last attempt made its call."""
        self.came = False
        """Whether the last attempt got an answer, whatever it contains."""
        self.model = self.stored.model
        self.info: ModelInfo | None = None
        self.ignored: tuple[str, ...] = ()
        self.reservation: Reservation | None = None
        self.permit: Permit | None = None
        self.probing = False
        self.backing_off = False
        self.waited = 0.0
        """Seconds waited for slow start and permits."""
        self.failure: UmpireError | None = None
        """Error of the last attempt that got no answer. Answers without a verdict are limited by MAX_ANSWERS."""
        self.seconds = 0.0
        """Duration of the call that brought the verdict."""
        self._started = time.monotonic()

    def judgement(self) -> Judgement:
        seconds = time.monotonic() - self._started
        return Judgement(model=self.model, spent=self.spent, seconds=seconds, ignored=self.ignored)
