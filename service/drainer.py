"""Moves requests from the spool to the ledger when Redis is back: oldest first, at a bounded rate, in one process.

A request leaves the spool after the ledger has it. If a process dies in between, the next one admits the request again,
which changes nothing.
"""

import asyncio
from dataclasses import dataclass

from contracts.errors import QueueFull, Unavailable
from ledger.ledger import Ledger
from ledger.request import StoredRequest
from ledger.spool import Spool
from service.admit_or_spool import Acceptance
from telemetry.observer import Note, Observer

#: Seconds from one round to the next. A round moves at most ROUND_SECONDS × the drain rate.
ROUND_SECONDS = 0.25

#: Seconds of the draining process' lease: longer than a round in which Redis does not answer.
LEASE_SECONDS = 10.0


@dataclass(eq=False)
class Drainer:
    """`rate`: requests per second."""

    spool: Spool
    ledger: Ledger
    acceptance: Acceptance
    rate: float
    observer: Observer

    async def run(self) -> None:
        """Never ends."""
        while True:
            try:
                await self._round()
            except Unavailable as error:
                self.observer(Note("spool.unavailable", "warning", fields={"detail": error.message}))
            await asyncio.sleep(ROUND_SECONDS)

    async def _round(self) -> None:
        if self.acceptance.redis_unavailable:
            self.acceptance.record(await self.ledger.stats.redis_state())
            if self.acceptance.redis_unavailable:
                return  # requests need the spool's only thread
        if not (await self.spool.size()).requests:
            await self.spool.scrub()
            return
        if not await self.spool.lease(LEASE_SECONDS):
            return
        if (state := await self.ledger.stats.redis_state()) != "up":
            self.acceptance.record(state)
            return
        batch = await self.spool.oldest(max(1, round(self.rate * ROUND_SECONDS)))
        outcomes = await asyncio.gather(*(self._move_to_ledger(stored) for stored in batch))
        moved = [str(stored.queue_id) for stored, done in zip(batch, outcomes, strict=True) if done]
        await self.spool.remove(moved)
        if moved:
            self.observer(Note("spool.drained", "info", value=len(moved)))

    async def _move_to_ledger(self, stored: StoredRequest) -> bool:
        """Whether the ledger has the request now. It takes expired requests, which maintenance then ends with an event,
        and those whose owner has reached a limit: they were accepted.
        """
        try:
            await self.ledger.admit(stored, accepted=True)
        except (QueueFull, Unavailable):
            return False  # stays in the spool for the next round
        return True
