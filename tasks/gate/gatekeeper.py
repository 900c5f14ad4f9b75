"""The gate of this worker process: it stops consuming while its provider is unavailable or on hold, and lets one probe
through.

The backlog waits in Redis, where it is durable and visible. Waiting there costs no try.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

from redis.exceptions import RedisError

from contracts.enums import CircuitState, LLMProviderType
from contracts.errors import Unavailable
from contracts.events import LLMProviderStatusV1
from contracts.queues import queue_name
from events.lifecycle import Lifecycle
from guard.breaker import Breaker, Transition
from guard.gate import Gate
from guard.hold import Holds
from guard.retry import sleep_unless
from ledger.parked import Parked
from tasks.call.claim_state import Probe
from tasks.flower_events import Consumer, FlowerEvents
from tasks.gate.account_holds import AccountHolds
from telemetry.fold import Fold
from telemetry.observer import Note, Observer

#: Seconds between two reads of the shared state. When this process itself opens the breaker, its gate closes at once.
WATCH_SECONDS = 0.25

#: The notes that `breaker.affected` counts, each with the name of its count.
_AFFECTED = {"call.finished": "calls_failed", "call.retry": "retries", "comparison.returned": "returned"}

#: Runs one request of the backlog, if there is one, as the given probe.
RunProbe = Callable[[Probe], Awaitable[None]]


@dataclass(eq=False)
class Gatekeeper:
    """`shared_holds`: the holds in Redis. `probe_seconds`: how long a probe may take (its lease). `automatic`: whether
    a fault of the account puts the provider on hold. `reopened` is called when the gate was closed and is open again.
    """

    provider: LLMProviderType
    gate: Gate
    breaker: Breaker
    shared_holds: Holds
    parked: Parked
    flower: FlowerEvents
    lifecycle: Lifecycle
    observer: Observer
    probe_seconds: float
    automatic: bool = True
    reopened: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._wake = asyncio.Event()
        self._consuming: bool | None = None
        """Whether the consumer was last set to consume; None: a new consumer, which does what the last one did."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.open = True
        self.broken = False
        """The breaker is not closed: no call but a probe may start."""
        self._state = CircuitState.CLOSED
        """The breaker's state as this process last saw it."""
        self._affected = Fold("breaker.affected", {"provider": self.provider.value}, _AFFECTED, self.observer)
        self.holds = AccountHolds(
            self.provider,
            self.shared_holds,
            self.parked,
            self.lifecycle,
            self.observer,
            probe_seconds=self.probe_seconds,
            automatic=self.automatic,
            close_gate=lambda reason: self._set_open(is_open=False, reason=reason),
            read_soon=self._wake.set,
        )

    @property
    def shut(self) -> str | None:
        """Why no call but a probe may start; None: calls may start."""
        if self.broken:
            return "breaker"
        return "hold" if self.holds.hold is not None else None

    async def pause(self, seconds: float) -> None:
        """Close the gate of all workers of the provider for `seconds`."""
        await self.gate.pause(seconds)
        self._wake.set()

    def note(self, note: Note) -> None:
        """Pass on a note on one call or one request. While the breaker is not closed, when each call in flight would
        cause three notes, they are only counted: `breaker.affected` reports the counts once for each breaker state.
        """
        if self.broken:
            self._affected.add(note)
        else:
            self.observer(note)

    def close(self) -> None:
        """Report the last counts. To be called when no call is in flight any more."""
        self._affected.close()

    def _set_state(self, state: CircuitState) -> None:
        if state is not self._state:
            self._affected.close()
            self._state = state
        self.broken = state is not CircuitState.CLOSED

    def announce(self, transition: Transition | None) -> None:
        """Handle the breaker's answer to a report of this process: apply and publish a change of its state."""
        if transition is None:
            if self.breaker.known is not CircuitState.CLOSED and not self.broken:
                # Another process opened it. Requests that fail here until the next read must lose no try either.
                self._set_state(self.breaker.known)
                self._set_open(is_open=False, reason=self.breaker.known.value)
            return
        self._set_state(transition.state)
        if self.broken:
            self._set_open(is_open=False, reason=transition.state.value)
        self._wake.set()
        hold = self.holds.hold
        self.lifecycle.send(
            LLMProviderStatusV1(
                provider=transition.provider,
                circuit_state=transition.state,
                since=transition.since,
                retry_after_seconds=transition.retry_after,
                hold_reason=hold.reason if hold else None,
                hold_since=hold.began if hold else None,
            )
        )

    async def watch(self, waiting: Callable[[], Awaitable[bool]], probe: RunProbe) -> None:
        """Run for ever: follow the shared state, and lease a probe when one is due and a request is `waiting`."""
        while True:
            with contextlib.suppress(
                Unavailable, RedisError, OSError, TimeoutError
            ):  # the gate stays as it is meanwhile
                await self.holds.report_raised()
                self.announce(await self.breaker.flush())
                version = self.holds.version
                state = await self.gate.read()
                if version is not None and version == self.holds.version:
                    self.breaker.known = state.state
                    self._set_state(state.state)
                    paused = "paused" if state.state is CircuitState.CLOSED else state.state.value
                    self._set_open(is_open=state.open, reason=state.hold.reason.value if state.hold else paused)
                    await self.holds.follow(state)
                    if state.probe_due and await waiting():
                        await self._lease(probe)
            await sleep_unless(self._wake, WATCH_SECONDS)
            self._wake.clear()

    async def _lease(self, run: RunProbe) -> None:
        probe = Probe(uuid4().hex, breaker=self.broken, hold=self.holds.hold is not None)
        if probe.hold and not await self.holds.shared.lease_probe(probe.name, self.probe_seconds):
            return
        if probe.breaker:
            transition = None
            try:
                transition = await self.breaker.lease_probe(probe.name, self.probe_seconds)
            finally:
                if transition is None and probe.hold:
                    await self.holds.shared.probe_released(probe.name)
            if transition is None:
                return
            self.announce(transition)
        task = asyncio.create_task(self._run(run, probe))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, run: RunProbe, probe: Probe) -> None:
        try:
            await run(probe)
        finally:
            # These do nothing if the probe's outcome was reported.
            if probe.breaker:
                await self.breaker.probe_released(probe.name)
            if probe.hold:
                await self.holds.shared.probe_released(probe.name)

    def _set_open(self, *, is_open: bool, reason: str) -> None:
        if is_open and not self.open:
            self.reopened()
        self.open = is_open
        if is_open == self._consuming:
            return
        if self.flower.call_soon(self._follow):
            unchanged = self._consuming is None and is_open
            self._consuming = is_open
            if unchanged:
                return
            labels = {"provider": self.provider.value, "state": "open" if is_open else "closed"}
            self.observer(Note("gate.changed", "info", labels, fields={"reason": reason}))

    def _follow(self, consumer: Consumer) -> None:
        """In the consumer's thread. Reads the gate's present state: Celery may run these calls in any order."""
        queue = queue_name(self.provider)
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
