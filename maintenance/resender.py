"""Sends results again that are still in the outbox, as fast as Kafka takes them. One process at a time does it: one
that reaches Kafka.
"""

import asyncio
import time
from collections.abc import Callable

from redis.exceptions import RedisError

from completion.relay import Relay
from contracts.settings import WorkerSettings
from ledger.outbox import Entry, Outbox
from ledger.sweeps import Sweeps
from telemetry.observer import Note, Observer

#: Seconds between two checks for due results.
TICK_SECONDS = 0.25

#: Seconds between two sweeps for results that are too old to be in flight anywhere: a dead process left them. A live
#: sender makes its undelivered results due long before.
SWEEP_SECONDS = 5.0

#: Most results in flight at one time; further ones wait for deliveries.
WINDOW = 5_000

#: Results read at one time; also the most in flight while the brokers are unavailable, as a probe.
BATCH = 500

#: A process that had no answer from Kafka for PATIENCE_SECONDS after sending results releases the lock, and does not
#: take it again for REST_SECONDS. A process without a working producer releases it at once.
PATIENCE_SECONDS, REST_SECONDS = 5.0, 10.0


class Resender:
    def __init__(
        self,
        *,
        sweeps: Sweeps,
        outbox: Outbox,
        relay: Relay,
        settings: WorkerSettings,
        observer: Observer,
        may: Callable[[], bool] = lambda: True,
    ) -> None:
        """`may`: whether this process may resend at the moment."""
        self._may = may
        self._sweeps = sweeps
        self._outbox = outbox
        self._relay = relay
        self._age = settings.outbox_resend_seconds
        self._observer = observer
        self._next_sweep = 0.0
        self.holds = False
        """Whether this process has the lock."""
        self._rests_until = 0.0

    async def watch(self) -> None:
        """Resend due and old results while this process holds the lock. Never returns."""
        while True:
            try:
                if await self._in_charge():
                    await self._send_due()
                    if time.monotonic() >= self._next_sweep:
                        await self._send_old()
                        self._next_sweep = time.monotonic() + SWEEP_SECONDS
            except (RedisError, OSError) as error:
                if self.holds:  # warn once per outage
                    self._observer(Note("resender.hindered", "warning", fields={"error": type(error).__name__}))
                self.holds = False
            await asyncio.sleep(TICK_SECONDS)

    async def _in_charge(self) -> bool:
        """Take, keep or release the lock. Returns whether this process holds it. It expires during a wait for Kafka."""
        if self._may() and not self._gives_way():
            self.holds = await self._sweeps.hold_resending()
        elif self.holds:
            await self._sweeps.release_resending()
            self.holds = False
        return self.holds

    def _gives_way(self) -> bool:
        """Whether another process should resend: this one has no producer, or Kafka does not answer it."""
        if self._relay.outage is not None:
            return True
        now, since = time.monotonic(), self._relay.unanswered_since
        if since is None:
            self._rests_until = 0.0
        elif now - max(since, self._rests_until) >= PATIENCE_SECONDS:
            self._rests_until = now + REST_SECONDS
            if self.holds:
                self._observer(Note("resender.gave_way", "warning", fields={"unanswered_seconds": round(now - since)}))
        return now < self._rests_until

    async def _send_due(self) -> None:
        taken = BATCH
        while taken == BATCH and await self._may_continue():
            taken, entries = await self._outbox.take_due(BATCH)
            self._resend(entries)

    async def _send_old(self) -> None:
        """Resend results that are older than a producer's delivery timeout: the process that sent them died."""
        now, after = await self._sweeps.now_ms(), None
        while await self._may_continue():
            after, entries = await self._outbox.older_than(now, self._age, after=after, limit=BATCH)
            if after is None:
                return
            self._resend(entries)

    async def _may_continue(self) -> bool:
        """Wait for capacity in the window. False if another process holds the lock by then."""
        await self._relay.wait_for_capacity(BATCH if self._relay.away else WINDOW)
        return await self._in_charge()

    def _resend(self, entries: list[Entry]) -> None:
        sent = self._relay.resend(entries)
        if sent:
            self._observer(Note("custodian.action", "info", labels={"action": "result_resent"}, value=sent))
