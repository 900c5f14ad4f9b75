"""The gate of this worker process: it stops consuming while its provider is unavailable or on hold, and lets one probe
through.

The backlog waits in Redis, where it is durable and visible. Waiting there costs no try.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from uuid import uuid4

from redis.exceptions import RedisError

from contracts.clock import to_ms, utcnow
from contracts.enums import CircuitState, HoldReason, LLMProviderType, known_code
from contracts.errors import ProviderError, Unavailable
from contracts.events import LLMProviderStatusV1
from contracts.queues import queue_name
from events.lifecycle import Lifecycle
from guard.breaker import Breaker, Transition
from guard.gate import Gate, GateState
from guard.hold import Hold, Holds, Raised
from ledger.parked import Parked
from tasks.call.claim_state import Probe
from tasks.flower_events import Consumer, FlowerEvents
from telemetry.fold import Fold
from telemetry.observer import Note, Observer

#: Seconds between two reads of the shared state. When this process itself opens the breaker, its gate closes at once.
WATCH_SECONDS = 0.25

#: Assumed ms until the probe of a hold that this process has just raised, so that none starts before Redis was read.
PROBE_UNKNOWN_MS = 1_000

#: A process wakes one request at a time to probe a model's hold, at most one in this many seconds.
WAKE_AGAIN_SECONDS = 2.0

#: The notes that `breaker.affected` counts, each with the name of its count.
_AFFECTED = {"call.finished": "calls_failed", "call.retry": "retries", "comparison.returned": "returned"}

#: Runs one request of the backlog, if there is one, as the given probe.
RunProbe = Callable[[Probe], Awaitable[None]]


class _Unreported(NamedTuple):
    """A hold that this process raised and Redis does not know yet; `began`: start of the call, by time.monotonic."""

    error: ProviderError
    began: float
    model: str
    mark: int | None
    probe: str


class Gatekeeper:
    def __init__(
        self,
        provider: LLMProviderType,
        *,
        gate: Gate,
        breaker: Breaker,
        holds: Holds,
        parked: Parked,
        flower: FlowerEvents,
        lifecycle: Lifecycle,
        observer: Observer,
        probe_seconds: float,
        automatic: bool = True,
        reopened: Callable[[], None] = lambda: None,
    ) -> None:
        """`probe_seconds`: how long a probe may take (its lease). `automatic`: whether a fault of the account puts the
        provider on hold. `reopened` is called when the gate was closed and is open again.
        """
        self._provider = provider
        self._gate = gate
        self._breaker = breaker
        self._holds = holds
        self._parked = parked
        self._flower = flower
        self._lifecycle = lifecycle
        self._observer = observer
        self._probe_seconds = probe_seconds
        self._reopened = reopened
        self._wake = asyncio.Event()
        self._consuming: bool | None = None
        """Whether the consumer was last set to consume; None: a new consumer, which does what the last one did."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.open = True
        self.automatic = automatic
        self.broken = False
        """The breaker is not closed: no call but a probe may start."""
        self.hold: Hold | None = None
        """The provider is on hold: no call but a probe may start."""
        self.held_models: dict[str, Hold] = {}
        """Models on hold: no call for them but a probe may start."""
        self._unreported: list[_Unreported] = []
        self._raised = 0
        """Number of holds that this process raised: a read of Redis that began before the last of them is outdated …"""
        self._raising = 0
        """… and so is a read while some of them (this many) are being reported to Redis."""
        self._announced: str | None = None
        self._state = CircuitState.CLOSED
        """The breaker's state as this process last saw it."""
        self._affected = Fold("breaker.affected", {"provider": provider.value}, _AFFECTED, observer)
        self._to_wake: set[str] = set()
        """Models whose hold is over and whose requests were not woken yet."""
        self._wake_after: dict[str, float] = {}
        """For each model on hold: when another request may be woken to probe it (time.monotonic)."""

    @property
    def shut(self) -> str | None:
        """Why no call but a probe may start; None: calls may start."""
        if self.broken:
            return "breaker"
        return "hold" if self.hold is not None else None

    async def raise_hold(
        self, error: ProviderError, seconds: float, *, model: str, mark: int | None, probe: str
    ) -> Raised | None:
        """A call that took `seconds` was refused for a fault of the account: see Holds.raise_. In this process the hold
        begins at once, even if Redis is unavailable.
        """
        hold = Hold(error.hold or HoldReason.MISCONFIGURED, to_ms(utcnow()), probe_in=PROBE_UNKNOWN_MS)
        if model:
            self.held_models.setdefault(model, hold)
        elif self.hold is None:
            self.hold = hold
            self._set_open(is_open=False, reason=hold.reason.value)
        self._raising += 1
        try:
            raised = await self._holds.raise_(error, seconds, model=model, mark=mark, probe=probe)
        finally:
            self._raising -= 1
            self._raised += 1
        if raised is None:
            self._unreported.append(_Unreported(error, time.monotonic() - seconds, model, mark, probe))
        self._wake.set()
        return raised

    async def lift(self, probe: str, *, model: str = "") -> None:
        """The probe of a hold got an answer: lift the hold."""
        if await self._holds.probe_succeeded(probe, model=model):
            self._wake.set()
            if model:
                self.held_models.pop(model, None)
                await self._wake_all(model)

    async def probe_failed(self, probe: str, *, model: str = "") -> None:
        """The probe of a hold failed for another reason than the hold's."""
        await self._holds.probe_failed(probe, model=model)

    async def probe_released(self, probe: str, *, model: str = "") -> None:
        """The probe of a hold made no call."""
        await self._holds.probe_released(probe, model=model)

    async def lease_model_probe(self, model: str) -> str | None:
        """Lease the probe of this model's hold. Returns its name; None: no hold, or it may not be probed now."""
        hold = self.held_models.get(model)
        if hold is None or hold.probe_in != 0:
            return None
        name = uuid4().hex
        return name if await self._holds.lease_probe(name, self._probe_seconds, model=model) else None

    async def pause(self, seconds: float) -> None:
        """Close the gate of all workers of the provider for `seconds`."""
        await self._gate.pause(seconds)
        self._wake.set()

    def note(self, note: Note) -> None:
        """Pass on a note on one call or one request. While the breaker is not closed, when each call in flight would
        cause three notes, they are only counted: `breaker.affected` reports the counts once for each breaker state.
        """
        if self.broken:
            self._affected.add(note)
        else:
            self._observer(note)

    def close(self) -> None:
        """Report the last counts. To be called when no call is in flight any more."""
        self._affected.close()

    def _set_state(self, state: CircuitState) -> None:
        if state is not self._state:
            self._affected.close()
            self._state = state
        self.broken = state is not CircuitState.CLOSED

    def tell(self, transition: Transition | None) -> None:
        """Handle the breaker's answer to a report of this process: apply and publish a change of its state."""
        if transition is None:
            if self._breaker.known is not CircuitState.CLOSED and not self.broken:
                # Another process opened it. Requests that fail here until the next read must lose no try either.
                self._set_state(self._breaker.known)
                self._set_open(is_open=False, reason=self._breaker.known.value)
            return
        self._set_state(transition.state)
        if self.broken:
            self._set_open(is_open=False, reason=transition.state.value)
        self._wake.set()
        self._lifecycle.tell(
            LLMProviderStatusV1(
                provider=transition.provider,
                circuit_state=transition.state,
                since=transition.since,
                retry_after_seconds=transition.retry_after,
                hold_reason=self.hold.reason if self.hold else None,
                hold_since=self.hold.began if self.hold else None,
            )
        )

    async def watch(self, waiting: Callable[[], Awaitable[bool]], probe: RunProbe) -> None:
        """Run for ever: follow the shared state, and lease a probe when one is due and a request is `waiting`."""
        while True:
            with contextlib.suppress(
                Unavailable, RedisError, OSError, TimeoutError
            ):  # the gate stays as it is meanwhile
                await self._report_holds()
                self.tell(await self._breaker.flush())
                raised, raising = self._raised, self._raising
                state = await self._gate.read()
                if not raising and not self._raising and raised == self._raised and not self._unreported:
                    await self._follow_state(state)
                    if state.probe_due and await waiting():
                        await self._lease(probe)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._wake.wait()
            self._wake.clear()

    async def _report_holds(self) -> None:
        """Report to Redis the holds that it does not know yet."""
        while self._unreported:
            error, began, model, mark, probe = self._unreported[0]
            seconds = time.monotonic() - began
            if await self._holds.raise_(error, seconds, model=model, mark=mark, probe=probe) is None:
                return
            self._unreported.pop(0)

    async def _follow_state(self, state: GateState) -> None:
        self._breaker.known = state.state
        self._set_state(state.state)
        self.hold = state.hold
        self._set_open(is_open=state.open, reason=_why_closed(state))
        ended = self.held_models.keys() - state.held_models.keys()
        self.held_models = dict(state.held_models)
        if not self.automatic:
            await self._lift_all(state)
        await self._announce(state)
        self._to_wake |= ended
        for model in tuple(self._to_wake - state.held_models.keys()):
            await self._wake_all(model)
        for model, hold in state.held_models.items():
            if hold.probe_in == 0 and state.open and time.monotonic() >= self._wake_after.get(model, 0.0):
                # The request that was woken before may still be in the queue.
                self._wake_after[model] = time.monotonic() + WAKE_AGAIN_SECONDS
                await self._parked.wake_oldest(model)

    async def _wake_all(self, model: str) -> None:
        """The model's hold is over: wake its parked requests. If Redis is unavailable, the next read tries again. If
        this process dies before that, another one wakes them, or their deferral ends.
        """
        self._to_wake.add(model)
        with contextlib.suppress(RedisError, OSError):
            await self._parked.wake_all(model)
            self._to_wake.discard(model)
            self._wake_after.pop(model, None)

    async def _lift_all(self, state: GateState) -> None:
        """Automatic holds were switched off: lift those that began before."""
        if state.hold is not None and state.hold.reason is not HoldReason.MANUAL:
            await self._holds.probe_succeeded("")
        for model in state.held_models:
            await self._holds.probe_succeeded("", model=model)

    async def _announce(self, state: GateState) -> None:
        """Log and publish that a hold began or ended, if this process is the first to see it."""
        hold = state.hold
        seen = f"{hold.reason.value} {hold.since}" if hold else ""
        if seen == self._announced:
            return
        first = await self._holds.announce(seen)
        if first is None:
            return
        self._announced = seen
        if not first:
            return
        labels = {"provider": self._provider.value, "hold": hold.reason.value if hold else "none"}
        self._observer(
            Note("hold.changed", "warning" if hold else "info", labels, fields={"error_code": state.last_error})
        )
        self._lifecycle.tell(
            LLMProviderStatusV1(
                provider=self._provider,
                circuit_state=state.state,
                since=hold.began if hold else utcnow(),
                retry_after_seconds=state.retry_after,
                hold_reason=hold.reason if hold else None,
                hold_since=hold.began if hold else None,
                last_error_code=known_code(state.last_error),
            )
        )

    async def _lease(self, run: RunProbe) -> None:
        probe = Probe(uuid4().hex, breaker=self.broken, hold=self.hold is not None)
        if probe.hold and not await self._holds.lease_probe(probe.name, self._probe_seconds):
            return
        if probe.breaker:
            transition = None
            try:
                transition = await self._breaker.lease_probe(probe.name, self._probe_seconds)
            finally:
                if transition is None and probe.hold:
                    await self._holds.probe_released(probe.name)
            if transition is None:
                return
            self.tell(transition)
        task = asyncio.create_task(self._run(run, probe))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, run: RunProbe, probe: Probe) -> None:
        try:
            await run(probe)
        finally:
            # These do nothing if the probe's outcome was reported.
            if probe.breaker:
                await self._breaker.probe_released(probe.name)
            if probe.hold:
                await self._holds.probe_released(probe.name)

    def _set_open(self, *, is_open: bool, reason: str) -> None:
        if is_open and not self.open:
            self._reopened()
        self.open = is_open
        if is_open == self._consuming:
            return
        if self._flower.call_soon(self._follow):
            unchanged = self._consuming is None and is_open
            self._consuming = is_open
            if unchanged:
                return
            labels = {"provider": self._provider.value, "state": "open" if is_open else "closed"}
            self._observer(Note("gate.changed", "info", labels, fields={"reason": reason}))

    def _follow(self, consumer: Consumer) -> None:
        """In the consumer's thread. Reads the gate's present state: Celery may run these calls in any order."""
        queue = queue_name(self._provider)
        if consumer.task_consumer is None or consumer.task_consumer.consuming_from(queue) == self.open:
            return
        if self.open:
            consumer.add_task_queue(queue)
        else:
            consumer.cancel_task_queue(queue)

    def consumer_started(self) -> None:
        """A consumer has (re)connected. It consumes, unless the last one was set not to."""
        self._consuming = None
        self._wake.set()


def _why_closed(state: GateState) -> str:
    if state.hold is not None:
        return state.hold.reason.value
    return "paused" if state.state is CircuitState.CLOSED else state.state.value
