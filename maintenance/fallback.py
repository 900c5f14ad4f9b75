"""Maintenance in the API while no worker is alive: expired requests end with their events, and the results and cost
alerts that dead workers left are sent to Kafka.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ledger.stats import LedgerStats


@dataclass(eq=False)
class Fallback:
    """Decides whether an API process does maintenance: only while no worker is alive.

    `take` takes or keeps the maintenance lock; `leave` releases the locks that this process holds.
    """

    figures: LedgerStats
    take: Callable[[], Awaitable[bool]]
    leave: Callable[[], Awaitable[None]]

    def __post_init__(self) -> None:
        self.no_worker = False
        """No worker was alive at the last check. Any process may then resend results, not only the one with the
        maintenance lock: that one's producer may have failed.
        """

    async def in_charge(self) -> bool:
        """Whether this process holds the maintenance lock."""
        self.no_worker = not await self.figures.workers()
        if self.no_worker:
            return await self.take()
        await self.leave()
        return False
