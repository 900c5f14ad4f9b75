"""Expiry where no worker is alive: the time to live of a request ends all the same, and its topic is told.

Any worker's custodian does this for the requests of all providers (tasks/custodian.py). Only without one it falls to
the door.
"""

import asyncio

from redis.exceptions import RedisError

from contracts.clock import iso
from contracts.enums import QueueStatus
from contracts.errors import RequestExpired
from ledger.custody import Custody
from ledger.ledger import Ledger
from service.ending import Ender
from telemetry.observer import Note, Observer

#: How often the door looks, in seconds.
PERIOD_SECONDS = 2.0


class Expiry:
    def __init__(self, ledger: Ledger, custody: Custody, ender: Ender, observer: Observer) -> None:
        self._ledger = ledger
        self._custody = custody
        self._ender = ender
        self._observer = observer

    async def watch(self) -> None:
        """For ever."""
        while True:
            try:
                await self.look()
            except (RedisError, OSError) as error:
                self._observer(Note("expiry.hindered", "debug", fields={"error": type(error).__name__}))
            await asyncio.sleep(PERIOD_SECONDS)

    async def look(self) -> None:
        """One of the API processes at a time does it, by the custodian's own lock."""
        if await self._ledger.workers() or not await self._custody.hold_lock():
            return
        try:
            ended = 0
            for left in await self._custody.expired():
                expired_at = iso(left.stored.expires_at)
                error = RequestExpired("no verdict within the request's time to live", expired_at=expired_at)
                ended += await self._ender.end(left.stored, left.spent, error, QueueStatus.EXPIRED)
        finally:
            # A worker's custodian that starts now need not wait for it.
            await self._custody.release_lock()
        if ended:
            self._observer(Note("custodian.action", "info", labels={"action": "expired"}, value=ended))
