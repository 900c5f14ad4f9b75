"""Estimates how long a request will wait, from the queue before it, the provider's response time and the slots."""

import asyncio
from collections.abc import Mapping
from math import ceil

from redis.exceptions import RedisError

from contracts.enums import LLMProviderType
from contracts.errors import Unavailable
from contracts.settings import Settings
from guard.availability import Availability
from ledger.ledger import Ledger

#: Seconds between two reads from Redis. A request never waits for them.
REFRESH_SECONDS = 2.0


class Estimate:
    def __init__(self, settings: Settings, ledger: Ledger, availability: Availability) -> None:
        self._settings = settings
        self._ledger = ledger
        self._availability = availability
        #: Average response time in ms, and slots of live workers; only for available providers.
        self._figures: Mapping[LLMProviderType, tuple[float, int]] = {}

    def minutes(self, provider: LLMProviderType, queued_before: int) -> int | None:
        """None if unknown: no worker is alive, no call has succeeded yet, or the provider is unavailable."""
        if provider not in self._figures:
            return None
        average_ms, slots = self._figures[provider]
        return ceil(queued_before * average_ms / slots / 60_000)

    async def keep_fresh(self) -> None:
        while True:
            try:
                self._figures = await self._read()
            except (Unavailable, RedisError, OSError):
                self._figures = {}
            await asyncio.sleep(REFRESH_SECONDS)

    async def _read(self) -> dict[LLMProviderType, tuple[float, int]]:
        states, workers = await self._availability.read(), await self._ledger.stats.workers()
        return {
            provider: (state.average_response_time_ms, self._settings.providers[provider].concurrency * alive)
            for provider, state in states.items()
            if state.available and state.average_response_time_ms is not None and (alive := workers.get(provider, 0))
        }
