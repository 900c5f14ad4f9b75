"""Where no worker is alive, the door stands in for their custodian: what is past its time ends and is told, and the
results and cost alerts that dead workers left reach Kafka.
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
from ledger.spending import Spending
from telemetry.observer import Observer


class StandIn:
    """One of the API processes at a time, by the custodian's own lock."""

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
        """`unanswered` is called whenever Redis does not answer; it is asked several times a second."""
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
            # Not only the custodian: its producer may be the one that failed.
            may=lambda: self._no_worker,
            custody=self._custody,
            outbox=Outbox(redis, max_dead=settings.kafka.dead_letters_max, observer=observer),
            relay=relay,
            settings=settings.worker,
            observer=observer,
        )
        self.alerts = CostAlerts(Spending(redis), lifecycle, in_charge=lambda: self.custodian.holds, observer=observer)

    async def _in_charge(self) -> bool:
        self._no_worker = not await self._ledger.workers()
        if self._no_worker:
            return await self._custody.hold_lock()
        await self.leave()
        return False

    async def leave(self) -> None:
        """A worker's custodian need not wait for the lock to lapse."""
        if self.custodian.holds:
            await self._custody.release_lock()
        if self.resender.holds:
            await self._custody.release_resending()
