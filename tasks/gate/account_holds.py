"""The holds of the provider and of its models, as this process knows them: it raises them for a fault of the account,
reports its probes, wakes parked requests, and announces that a hold began or ended.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from uuid import uuid4

from redis.exceptions import RedisError

from contracts.clock import to_ms, utcnow
from contracts.enums import HoldReason, LLMErrorCode, LLMProviderType, known
from contracts.errors import ProviderError
from contracts.events import LLMProviderStatusV1
from events.lifecycle import Lifecycle
from guard.gate import GateState
from guard.hold import Hold, Holds, Raised
from ledger.parked import Parked
from telemetry.observer import Note, Observer

#: Assumed ms until the probe of a hold that this process has just raised, so that none starts before Redis was read.
PROBE_UNKNOWN_MS = 1_000

#: A process wakes one request at a time to probe a model's hold, at most one in this many seconds.
WAKE_AGAIN_SECONDS = 2.0


class _Unreported(NamedTuple):
    """A hold that this process raised and Redis does not know yet; `began`: start of the call, by time.monotonic."""

    error: ProviderError
    began: float
    model: str
    mark: int | None
    probe: str


@dataclass(eq=False)
class AccountHolds:
    """`shared`: the holds in Redis. `probe_seconds`: how long a probe may take (its lease). `automatic`: whether a
    fault of the account raises a hold. `close_gate` is called with the reason of a hold that this process raises;
    `read_soon` asks for a read of the shared state.
    """

    provider: LLMProviderType
    shared: Holds
    parked: Parked
    lifecycle: Lifecycle
    observer: Observer
    probe_seconds: float
    automatic: bool
    close_gate: Callable[[str], None]
    read_soon: Callable[[], None]

    def __post_init__(self) -> None:
        self.hold: Hold | None = None
        """The provider is on hold: no call but a probe may start."""
        self.models: dict[str, Hold] = {}
        """Models on hold: no call for them but a probe may start."""
        self._unreported: list[_Unreported] = []
        self._raised = 0
        """Number of holds that this process raised."""
        self._raising = 0
        """How many of them are being reported to Redis."""
        self._announced: str | None = None
        self._to_wake: set[str] = set()
        """Models whose hold is over and whose requests were not woken yet."""
        self._wake_after: dict[str, float] = {}
        """For each model on hold: when another request may be woken to probe it (time.monotonic)."""

    @property
    def version(self) -> int | None:
        """Changes with each hold that this process raises: a read of Redis that began at another version is outdated.
        None: Redis does not know all of them yet, so that any read is.
        """
        return None if self._raising or self._unreported else self._raised

    async def raise_hold(
        self, error: ProviderError, seconds: float, *, model: str, mark: int | None, probe: str
    ) -> Raised | None:
        """A call that took `seconds` was refused for a fault of the account: see Holds.raise_. In this process the hold
        begins at once, even if Redis is unavailable.
        """
        hold = Hold(error.hold or HoldReason.MISCONFIGURED, to_ms(utcnow()), probe_in=PROBE_UNKNOWN_MS)
        if model:
            self.models.setdefault(model, hold)
        elif self.hold is None:
            self.hold = hold
            self.close_gate(hold.reason.value)
        self._raising += 1
        try:
            raised = await self.shared.raise_(error, seconds, model=model, mark=mark, probe=probe)
        finally:
            self._raising -= 1
            self._raised += 1
        if raised is None:
            self._unreported.append(_Unreported(error, time.monotonic() - seconds, model, mark, probe))
        self.read_soon()
        return raised

    async def report_raised(self) -> None:
        """Report to Redis the holds that it does not know yet."""
        while self._unreported:
            error, began, model, mark, probe = self._unreported[0]
            seconds = time.monotonic() - began
            if await self.shared.raise_(error, seconds, model=model, mark=mark, probe=probe) is None:
                return
            self._unreported.pop(0)

    async def lift(self, probe: str, *, model: str = "") -> None:
        """The probe of a hold got an answer: lift the hold."""
        if await self.shared.probe_succeeded(probe, model=model):
            self.read_soon()
            if model:
                self.models.pop(model, None)
                await self._wake_all(model)

    async def lease_model_probe(self, model: str) -> str | None:
        """Lease the probe of this model's hold. Returns its name; None: no hold, or it may not be probed now."""
        hold = self.models.get(model)
        if hold is None or hold.probe_in != 0:
            return None
        name = uuid4().hex
        return name if await self.shared.lease_probe(name, self.probe_seconds, model=model) else None

    async def follow(self, state: GateState) -> None:
        """Adopt the shared state: which holds there are, whether they are to be announced, which requests to wake."""
        self.hold = state.hold
        ended = self.models.keys() - state.held_models.keys()
        self.models = dict(state.held_models)
        if not self.automatic:  # they were switched off: lift those that began before
            if state.hold is not None and state.hold.reason is not HoldReason.MANUAL:
                await self.shared.probe_succeeded("")
            for model in state.held_models:
                await self.shared.probe_succeeded("", model=model)
        await self._announce(state)
        self._to_wake |= ended
        for model in tuple(self._to_wake - state.held_models.keys()):
            await self._wake_all(model)
        for model, hold in state.held_models.items():
            if hold.probe_in == 0 and state.open and time.monotonic() >= self._wake_after.get(model, 0.0):
                # The request that was woken before may still be in the queue.
                self._wake_after[model] = time.monotonic() + WAKE_AGAIN_SECONDS
                await self.parked.wake_oldest(model)

    async def _wake_all(self, model: str) -> None:
        """The model's hold is over: wake its parked requests. If Redis is unavailable, the next read tries again. If
        this process dies before that, another one wakes them, or their deferral ends.
        """
        self._to_wake.add(model)
        with contextlib.suppress(RedisError, OSError):
            await self.parked.wake_all(model)
            self._to_wake.discard(model)
            self._wake_after.pop(model, None)

    async def _announce(self, state: GateState) -> None:
        """Log and publish that a hold began or ended, if this process is the first to see it."""
        hold = state.hold
        seen = f"{hold.reason.value} {hold.since}" if hold else ""
        if seen == self._announced:
            return
        first = await self.shared.announce(seen)
        if first is None:
            return
        self._announced = seen
        if not first:
            return
        labels = {"provider": self.provider.value, "hold": hold.reason.value if hold else "none"}
        fields = {"error_code": state.last_error}
        self.observer(Note("hold.changed", "warning" if hold else "info", labels, fields=fields))
        self.lifecycle.send(
            LLMProviderStatusV1(
                provider=self.provider,
                circuit_state=state.state,
                since=hold.began if hold else utcnow(),
                retry_after_seconds=state.retry_after,
                hold_reason=hold.reason if hold else None,
                hold_since=hold.began if hold else None,
                last_error_code=known(LLMErrorCode, state.last_error),
            )
        )
