"""Maintenance in the API while no worker is alive: expired requests end with their events, and the results and cost
alerts that dead workers left are sent to Kafka.
"""

from collections.abc import Awaitable, Callable

from ledger.stats import LedgerStats


class Fallback:
    """Decides whether an API process does maintenance: only while no worker is alive."""

    def __init__(
        self, figures: LedgerStats, take: Callable[[], Awaitable[bool]], leave: Callable[[], Awaitable[None]]
    ) -> None:
        """`take` takes or keeps the maintenance lock; `leave` releases the locks that this process holds."""
        self._figures = figures
        self._take = take
        self._leave = leave
        self.no_worker = False
        """No worker was alive at the last check. Not only the process with the maintenance lock may then resend
        results: its producer may have failed.
        """

    async def in_charge(self) -> bool:
        """Whether this process holds the maintenance lock."""
        self.no_worker = not await self._figures.workers()
        if self.no_worker:
            return await self._take()
        await self._leave()
        return False
