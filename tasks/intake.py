"""Takes pointers off the broker and claims their requests as slots fall free; each claim then runs in its own task."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from completion.persist import persist
from guard.prefetch import PrefetchingLimiter
from ledger.claims import Claimed, Claims, Lease
from tasks.call.claim_state import Probe
from tasks.flower_events import FlowerEvents
from tasks.gate.gatekeeper import Gatekeeper
from tasks.runner import Runner
from tasks.slots import Slots
from telemetry.observer import Observer

#: Seconds to wait before a pointer is pushed back because the gate is closed: the consumer may not have stopped yet.
BREATH_SECONDS = 0.5


@dataclass(eq=False, kw_only=True)
class Intake:
    claims: Claims
    slots: Slots
    runner: Runner
    gatekeeper: Gatekeeper
    flower: FlowerEvents
    ahead: PrefetchingLimiter
    take_along: int
    observer: Observer

    def __post_init__(self) -> None:
        #: Keyed by task: a request whose lease lapsed may be claimed again here while its first claim still runs.
        self._running: dict[asyncio.Task[None], Lease] = {}
        self._held: set[str] = set()
        #: One claim at a time: slots that fall free during one are filled together by the next.
        self._claiming = asyncio.Lock()
        #: Leases that were lost, since this process stood still or was disconnected for too long.
        self._lost: set[Lease] = set()
        self.stopping = False

    @property
    def leased(self) -> list[Lease]:
        return list(self._running.values())

    @property
    def held(self) -> list[str]:
        """Queue ids of pointers that were taken off the broker and wait for a slot here."""
        return list(self._held)

    def lose(self, leases: Collection[Lease]) -> None:
        """The heartbeat found that this process no longer holds these leases: none of their calls may start."""
        self._lost |= {lease for lease in self._running.values() if lease in leases}

    async def take(self, queue_id: str, priority: int) -> None:
        """The body of the Celery task: wait for a slot, then claim the request, and more while slots are free."""
        self._held.add(queue_id)
        try:
            async with self._claiming:
                free = await self.slots.take(self.take_along)
                if free and self.gatekeeper.open:
                    await self._claim(queue_id, free)
                    return
            self.slots.give(free)
            # The consumer stops soon; until then it must not fetch the same pointer over and over.
            await asyncio.sleep(BREATH_SECONDS)
            await self.claims.push_again(queue_id, priority)
        finally:
            self._held.discard(queue_id)

    async def probe(self, probe: Probe) -> None:
        """Run one request of the backlog although the gate is closed."""
        free = await self.slots.take(1)
        if not free:
            return
        await asyncio.gather(*await self._claim(None, free, probe=probe))

    async def _claim(self, queue_id: str | None, slots: int, *, probe: Probe | None = None) -> list[asyncio.Task[None]]:
        claimed: list[Claimed] = []
        piggyback = self.ahead.prefetch() if not self._running else None
        claim = partial(self.claims.claim, queue_id, more=slots - (queue_id is not None), piggyback=piggyback)
        try:
            # Repeated while the ledger is full or read-only: the task must not end before its request was claimed.
            # Nothing can be lost yet, so a process that is stopping gives up.
            claimed = await persist(claim, self.observer, give_up=lambda: self.stopping)
        finally:
            self.slots.give(slots - len(claimed))
            if not claimed:
                self.ahead.drop()
        self.flower.received([str(c.stored.queue_id) for c in claimed])
        return [self._start(c, probe) for c in claimed]

    def _start(self, claimed: Claimed, probe: Probe | None) -> asyncio.Task[None]:
        lease = claimed.lease

        def holds() -> bool:
            return lease not in self._lost and self.claims.is_fresh(lease)

        task = asyncio.create_task(self.runner.run(claimed, probe, holds=holds))
        self._running[task] = lease
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._lost.discard(self._running.pop(task))
        self.slots.give(1)
        if not self._running:
            self.ahead.drop()  # in case no call used the reservation

    def stop(self) -> None:
        """Take no more requests, and end all waits at once."""
        self.stopping = True
        self.runner.stop()
        self.slots.close()

    async def drain(self, seconds: float) -> int:
        """After `stop`: let the calls in flight finish. Returns how many did not within `seconds`."""
        if self._running:
            await asyncio.wait(list(self._running), timeout=seconds)
        return len(self._running)
