"""The gate of this worker process: it stops consuming while its provider is unavailable, and lets one probe through.

The backlog waits in Redis, where it is durable and visible, and costs no try.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from uuid import uuid4

from redis.exceptions import RedisError

from contracts.enums import CircuitState, LLMProviderType
from contracts.errors import Unavailable
from contracts.events import LLMProviderStatusV1
from contracts.queues import queue_name
from events.lifecycle import Lifecycle
from guard.breaker import Breaker, Transition
from guard.gate import Gate
from tasks.rows import Consumer, Rows
from telemetry.observer import Note, Observer

#: How often the shared state is read. A breaker that this process itself opened closes its gate at once.
WATCH_SECONDS = 0.25

#: Runs one request of the backlog, if there is one, as the probe of this name.
Probe = Callable[[str], Awaitable[None]]


class Gatekeeper:
    def __init__(
        self,
        provider: LLMProviderType,
        *,
        gate: Gate,
        breaker: Breaker,
        rows: Rows,
        lifecycle: Lifecycle,
        observer: Observer,
        probe_seconds: float,
        reopened: Callable[[], None] = lambda: None,
    ) -> None:
        """`probe_seconds`: how long a probe may take: a call's deadline, and a rest. `reopened` is called when the gate
        was closed and is open again.
        """
        self._provider = provider
        self._gate = gate
        self._breaker = breaker
        self._rows = rows
        self._lifecycle = lifecycle
        self._observer = observer
        self._probe_seconds = probe_seconds
        self._reopened = reopened
        self._wake = asyncio.Event()
        self._consuming: bool | None = None
        """What the consumer was told last; None: a new one does whatever the last one did."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.open = True
        self.broken = False
        """The breaker is not closed: no call but a probe may start."""

    async def pause(self, seconds: float) -> None:
        """Close the gate of all workers of the provider for a while."""
        await self._gate.pause(seconds)
        self._wake.set()

    def tell(self, transition: Transition | None) -> None:
        """The breaker changed its state by a report of this process: act on it, and tell the world."""
        if transition is None:
            return
        self.broken = transition.state is not CircuitState.CLOSED
        if self.broken:
            self._set_open(is_open=False, reason=transition.state.value)
        self._wake.set()
        self._lifecycle.tell(
            LLMProviderStatusV1(
                provider=transition.provider,
                circuit_state=transition.state,
                since=transition.since,
                retry_after_seconds=transition.retry_after,
            )
        )

    async def watch(self, waiting: Callable[[], Awaitable[bool]], probe: Probe) -> None:
        """For ever: follow the shared state; lease the probe when one is due and something is `waiting` for it."""
        while True:
            with contextlib.suppress(
                Unavailable, RedisError, OSError, TimeoutError
            ):  # the gate stays as it is meanwhile
                self.tell(await self._breaker.flush())
                state = await self._gate.read()
                self.broken = state.state is not CircuitState.CLOSED
                self._set_open(is_open=state.open, reason=state.state.value if self.broken else "paused")
                if state.probe_due and await waiting():
                    await self._lease(probe)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._wake.wait()
            self._wake.clear()

    async def _lease(self, probe: Probe) -> None:
        name = uuid4().hex
        transition = await self._breaker.lease_probe(name, self._probe_seconds)
        if transition is None:
            return
        self.tell(transition)
        task = asyncio.create_task(self._run(probe, name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, probe: Probe, name: str) -> None:
        try:
            await probe(name)
        finally:
            await self._breaker.probe_released(name)  # does nothing where the probe was answered for

    def _set_open(self, *, is_open: bool, reason: str) -> None:
        if is_open and not self.open:
            self._reopened()
        self.open = is_open
        if is_open == self._consuming:
            return
        if self._rows.call_soon(self._follow):
            unchanged = self._consuming is None and is_open
            self._consuming = is_open
            if unchanged:
                return
            labels = {"provider": self._provider.value, "state": "open" if is_open else "closed"}
            self._observer(Note("gate.changed", "info", labels, fields={"reason": reason}))

    def _follow(self, consumer: Consumer) -> None:
        """In the consumer's thread. Looks at the gate as it is now: Celery calls what it was asked to in any order."""
        queue = queue_name(self._provider)
        if consumer.task_consumer is None or consumer.task_consumer.consuming_from(queue) == self.open:
            return
        if self.open:
            consumer.add_task_queue(queue)
        else:
            consumer.cancel_task_queue(queue)

    def consumer_started(self) -> None:
        """A consumer has (re)connected: it consumes, unless the last one had been told not to."""
        self._consuming = None
        self._wake.set()
