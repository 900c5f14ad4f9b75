"""The spool's way into the ledger when Redis is back: oldest first, at a bounded rate, by one process at a time.

A request leaves the spool after the ledger has it. A process that dies between the two leaves it there, and the next
one's replay changes nothing.
"""

import asyncio

from contracts.errors import QueueFull, Unavailable
from ledger.ledger import Ledger
from ledger.request import StoredRequest
from ledger.spool import Spool
from service.accept import Acceptance
from telemetry.observer import Note, Observer

#: How often a process looks, in seconds; also the length of one round.
ROUND_SECONDS = 0.25

#: The lease of the one that drains: it outlives a round whose Redis does not answer.
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
        """For ever."""
        while True:
            try:
                await self._round()
            except Unavailable as error:
                self._observer(Note("spool.unavailable", "warning", fields={"detail": error.message}))
            await asyncio.sleep(ROUND_SECONDS)

    async def _round(self) -> None:
        if self._acceptance.redis_away:
            self._acceptance.told(await self._ledger.redis_state())
            if self._acceptance.redis_away:
                return  # requests may wait for the file's one thread
        if not (await self._spool.size()).requests:
            await self._spool.scrub()
            return
        if not await self._spool.lease(LEASE_SECONDS):
            return
        if (state := await self._ledger.redis_state()) != "up":
            self._acceptance.told(state)
            return
        batch = await self._spool.oldest(self._most)
        taken = await asyncio.gather(*(self._admit(stored) for stored in batch))
        admitted = [str(stored.queue_id) for stored, done in zip(batch, taken, strict=True) if done]
        await self._spool.remove(admitted)
        if admitted:
            self._observer(Note("spool.drained", "info", value=len(admitted)))

    async def _admit(self, stored: StoredRequest) -> bool:
        """A request whose time to live is over goes in as well: the custodian ends it, and tells its client. So does
        one whose owner has reached a limit: it was accepted.
        """
        try:
            await self._ledger.admit(stored, accepted=True)
        except (QueueFull, Unavailable):
            return False  # it stays, and comes again in the next round
        return True
