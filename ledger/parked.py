"""Requests that wait for the hold of their model to end: deferred, and found by their model."""

from redis.asyncio import Redis

from contracts.enums import LLMProviderType
from ledger.scripts import Script

#: Woken in one script: bounds its time.
_BATCH = 500

#: A parked request comes back by itself after this, in seconds, should nobody wake it.
PARKED_SECONDS = 600.0


class Parked:
    """Of one provider. Raises RedisError or OSError where Redis does not answer."""

    def __init__(self, redis: Redis, provider: LLMProviderType) -> None:
        self._wake = Script(redis, "wake")
        self._provider = provider.value

    async def wake_oldest(self, model: str) -> int:
        """One of them is due now, to probe with. Returns how many there were: 0 or 1."""
        return int(await self._wake(self._provider, model, 1, 0))

    async def wake_all(self, model: str) -> int:
        """The hold has ended: all of them are due now. Returns how many there were."""
        woken = 0
        while some := int(await self._wake(self._provider, model, _BATCH, 1)):
            woken += some
        return woken
