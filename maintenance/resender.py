"""Sends results again that are still in the outbox, as fast as Kafka takes them. One process at a time does it: one
that reaches Kafka.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(eq=False, kw_only=True)
class Resender:
    """`may`: whether this process may resend at the moment."""

    sweeps: Sweeps
    outbox: Outbox
    relay: Relay
    settings: WorkerSettings
    observer: Observer
    may: Callable[[], bool] = lambda: True

    def __post_init__(self) -> None:
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
                    self.observer(Note("resender.hindered", "warning", fields={"error": type(error).__name__}))
                self.holds = False
            await asyncio.sleep(TICK_SECONDS)

    async def _in_charge(self) -> bool:
        """Take, keep or release the lock. Returns whether this process holds it. It expires during a wait for Kafka."""
        if self.may() and not self._gives_way():
            self.holds = await self.sweeps.hold_resending()
        elif self.holds:
            await self.sweeps.release_resending()
            self.holds = False
        return self.holds

    def _gives_way(self) -> bool:
        """Whether another process should resend: this one has no producer, or Kafka does not answer it."""
        if self.relay.outage is not None:
            return True
        now, since = time.monotonic(), self.relay.unanswered_since
        if since is None:
            self._rests_until = 0.0
        elif now - max(since, self._rests_until) >= PATIENCE_SECONDS:
            self._rests_until = now + REST_SECONDS
            if self.holds:
                self.observer(Note("resender.gave_way", "warning", fields={"unanswered_seconds": round(now - since)}))
        return now < self._rests_until

    async def _send_due(self) -> None:
        taken = BATCH
        while taken == BATCH and await self._may_continue():
            taken, entries = await self.outbox.take_due(BATCH)
            self._resend(entries)

    async def _send_old(self) -> None:
        """Resend results that are older than a producer's delivery timeout: the process that sent them died."""
        now, age, after = await self.sweeps.now_ms(), self.settings.outbox_resend_seconds, None
        while await self._may_continue():
            after, entries = await self.outbox.older_than(now, age, after=after, limit=BATCH)
            if after is None:
                return
            self._resend(entries)

    async def _may_continue(self) -> bool:
        """Wait until few enough results are in flight. False if another process holds the lock by then."""
        await self.relay.wait_for_capacity(BATCH if self.relay.away else WINDOW)
        return await self._in_charge()

    def _resend(self, entries: list[Entry]) -> None:
        sent = self.relay.resend(entries)
        if sent:
            self.observer(Note("custodian.action", "info", labels={"action": "result_resent"}, value=sent))
