"""Maintenance in the API while no worker is alive: expired requests end with their events, and the results and cost
alerts that dead workers left are sent to Kafka.
"""

from collections.abc import Callable

from redis.asyncio import Redis

from contracts.settings import Settings
from events.cost_alerts import CostAlerts
from events.custodian import Custodian
from events.ender import Ender
from events.lifecycle import Lifecycle
from events.relay import Relay
from events.resender import Resender
from ledger.custody import Custody
from ledger.ledger import Ledger
from ledger.outbox import Outbox
from ledger.spend import SpendThresholds
from telemetry.observer import Observer


class StandIn:
    """Works in one API process at a time, under the lock that workers use for maintenance, too."""

    def __init__(
        self,
        redis: Redis,
        ledger: Ledger,
        ender: Ender,
        relay: Relay,
        lifecycle: Lifecycle,
        settings: Settings,
        observer: Observer,
        owner: str,
        *,
        unanswered: Callable[[], None],
    ) -> None:
        """`unanswered` is called whenever Redis does not answer maintenance, which asks it several times a second."""
        self._ledger = ledger
        self._no_worker = False
        self._custody = Custody(redis, settings.ledger, owner=owner, holds=settings.hold, observer=observer)
        self.custodian = Custodian(
            self._custody,
            settings.ledger,
            in_charge=self._in_charge,
            end=ender.end,
            observer=observer,
            unanswered=unanswered,
        )
        self.resender = Resender(
            # Not only the process that holds the maintenance lock: its producer may have failed.
            may=lambda: self._no_worker,
            custody=self._custody,
            outbox=Outbox(redis, max_dead=settings.kafka.dead_letters_max, observer=observer),
            relay=relay,
            settings=settings.worker,
            observer=observer,
        )
        self.alerts = CostAlerts(
            SpendThresholds(redis), lifecycle, in_charge=lambda: self.custodian.holds, observer=observer
        )

    async def _in_charge(self) -> bool:
        self._no_worker = not await self._ledger.stats.workers()
        if self._no_worker:
            return await self._custody.hold_lock()
        await self.leave()
        return False

    async def leave(self) -> None:
        """Release the locks, so that a worker need not wait for them to lapse."""
        if self.custodian.holds:
            await self._custody.release_lock()
        if self.resender.holds:
            await self._custody.release_resending()
