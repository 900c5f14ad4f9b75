"""Parked requests: deferred until the hold of their model ends, and indexed by model."""

from redis.asyncio import Redis

from contracts.enums import LLMProviderType
from ledger.scripts import Script
from ledger.scripts.arguments import WakeHead

#: Requests woken in one script, to bound its time.
_BATCH = 500

#: Seconds after which a parked request is due even if nothing wakes it.
PARKED_SECONDS = 600.0


class Parked:
    """Parked requests of one provider. Methods raise RedisError or OSError if Redis does not answer."""

    def __init__(self, redis: Redis, provider: LLMProviderType) -> None:
        self._wake = Script(redis, "wake")
        self._provider = provider.value

    async def wake_oldest(self, model: str) -> int:
        """Make the oldest one due now, as the probe. Returns how many there were: 0 or 1."""
        return int(await self._wake(*WakeHead(self._provider, model, limit=1, ended=0)))

    async def wake_all(self, model: str) -> int:
        """The hold has ended: make all of them due now. Returns how many there were."""
        woken = 0
        while some := int(await self._wake(*WakeHead(self._provider, model, limit=_BATCH, ended=1))):
            woken += some
        return woken
