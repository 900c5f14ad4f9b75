"""Moves requests from the spool to the ledger when Redis is back: oldest first, at a bounded rate, in one process.

A request leaves the spool after the ledger has it. If a process dies between the two, the next one admits the request
again, which changes nothing.
"""

import asyncio

from contracts.errors import QueueFull, Unavailable
from ledger.ledger import Ledger
from ledger.request import StoredRequest
from ledger.spool import Spool
from service.admit_or_spool import Acceptance
from telemetry.observer import Note, Observer

#: Seconds from one round to the next. Each moves at most the drain rate's share of this time.
ROUND_SECONDS = 0.25

#: Lease of the draining process, in seconds: longer than a round in which Redis does not answer.
LEASE_SECONDS = 10.0


class Drainer:
    def __init__(self, spool: Spool, ledger: Ledger, acceptance: Acceptance, rate: float, observer: Observer) -> None:
        """`rate`: requests a second."""
        self._spool = spool
        self._ledger = ledger
        self._acceptance = acceptance
        self._most = max(1, round(rate * ROUND_SECONDS))
        self._observer = observer

    async def watch(self) -> None:
        """Never ends."""
        while True:
            try:
                await self._round()
            except Unavailable as error:
                self._observer(Note("spool.unavailable", "warning", fields={"detail": error.message}))
            await asyncio.sleep(ROUND_SECONDS)

    async def _round(self) -> None:
        if self._acceptance.redis_away:
            self._acceptance.told(await self._ledger.stats.redis_state())
            if self._acceptance.redis_away:
                return  # leaves the spool's only thread to requests
        if not (await self._spool.size()).requests:
            await self._spool.scrub()
            return
        if not await self._spool.lease(LEASE_SECONDS):
            return
        if (state := await self._ledger.stats.redis_state()) != "up":
            self._acceptance.told(state)
            return
        batch = await self._spool.oldest(self._most)
        taken = await asyncio.gather(*(self._admit(stored) for stored in batch))
        admitted = [str(stored.queue_id) for stored, done in zip(batch, taken, strict=True) if done]
        await self._spool.remove(admitted)
        if admitted:
            self._observer(Note("spool.drained", "info", value=len(admitted)))

    async def _admit(self, stored: StoredRequest) -> bool:
        """Admit expired requests too, which maintenance then ends with an event, and those whose owner has reached a
        limit: they were accepted. Returns whether the ledger has it.
        """
        try:
            await self._ledger.admit(stored, accepted=True)
        except (QueueFull, Unavailable):
            return False  # it stays in the spool for the next round
        return True
