"""Wires the periodic duties of a process, and the finisher that they share with it: the same in workers and API."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from redis.asyncio import Redis

from completion.delivery import Delivery
from completion.finisher import Finisher, FlowerRows
from contracts.settings import Settings
from events.producer import recover
from ledger.completion import Completion
from ledger.spend import SpendThresholds
from ledger.spool import Spool
from ledger.stats import LedgerStats
from ledger.sweeps import Sweeps
from maintenance.cost_alerts import CostAlerts
from maintenance.loop import MaintenanceLoop
from maintenance.queue_snapshots import Mode, QueueSnapshots
from maintenance.resender import Resender
from providers.request.prompt import prompt_sha256
from telemetry.observer import Observer


@dataclass(frozen=True, slots=True)
class Maintenance:
    finisher: Finisher
    loop: MaintenanceLoop
    duties: dict[str, Callable[[], Awaitable[None]]]
    """To be run for ever, by name."""
    sweeps: Sweeps

    async def leave(self) -> None:
        """Release the locks if this process holds them, so that another one need not wait for them to lapse. Raises
        RedisError or OSError.
        """
        await self.sweeps.release_lock()
        await self.sweeps.release_resending()


def build(
    redis: Redis,
    settings: Settings,
    delivery: Delivery,
    figures: LedgerStats,
    *,
    owner: str,
    write: Callable[[Completion], Awaitable[bytes | None]],
    observer: Observer,
    flower: FlowerRows | None = None,
    fallback: bool = False,
    unanswered: Callable[[], None] = lambda: None,
    redis_away: Callable[[], bool] = lambda: False,
    spool: Spool | None = None,
) -> Maintenance:
    """`write`: see Finisher. `fallback`: only while no worker is alive. `unanswered` is called whenever Redis does not
    answer maintenance, which asks it several times a second. While `redis_away` returns True, `spool` takes requests.
    """
    sweeps = Sweeps(redis, settings.ledger, owner=owner, holds=settings.hold, observer=observer)
    finisher = Finisher(
        write,
        delivery.relay,
        delivery.lifecycle,
        settings.kafka,
        sha256_of=prompt_sha256,
        flower=flower,
        observer=observer,
    )

    no_worker = False

    async def in_charge() -> bool:
        """Whether this API process holds the maintenance lock: only while no worker is alive."""
        nonlocal no_worker
        no_worker = not await figures.workers()
        if no_worker:
            return await sweeps.hold_lock()
        if loop.holds:
            await sweeps.release_lock()
        if resender.holds:
            await sweeps.release_resending()
        return False

    loop = MaintenanceLoop(
        sweeps,
        settings.ledger,
        in_charge=in_charge if fallback else sweeps.hold_lock,
        end=finisher.end,
        observer=observer,
        unanswered=unanswered,
    )
    resender = Resender(
        # Any API process, not only the one with the maintenance lock: that one's producer may have failed.
        may=(lambda: no_worker) if fallback else lambda: True,
        sweeps=sweeps,
        outbox=delivery.outbox,
        relay=delivery.relay,
        settings=settings.worker,
        observer=observer,
    )
    alerts = CostAlerts(SpendThresholds(redis), delivery.lifecycle, in_charge=lambda: loop.holds, observer=observer)

    def mode() -> Mode:
        if redis_away():
            return "spool"
        return "redis" if loop.holds else None

    snapshots = QueueSnapshots(figures, settings.enabled, mode=mode, observer=observer, spool=spool)
    duties: dict[str, Callable[[], Awaitable[None]]] = {
        "custodian": loop.watch,
        "resender": resender.watch,
        "kafka recovery": lambda: recover(delivery.publishers),
        "cost alerts": alerts.watch,
        "queue snapshots": snapshots.watch,
    }
    return Maintenance(finisher, loop, duties, sweeps)
