"""Publishes the results of requests that the API ends itself: cancelled, or expired while no worker is alive."""

import asyncio

from redis.asyncio import Redis

from completion.dead_letter import DeadLetterTopic
from completion.relay import Relay
from contracts.settings import Settings
from events.producer import Publisher
from ledger.outbox import Outbox
from telemetry.observer import Observer


class Results:
    """Its producers connect on first use: a process that ends no request opens no connection."""

    def __init__(self, redis: Redis, settings: Settings, observer: Observer) -> None:
        outbox = Outbox(redis, max_dead=settings.kafka.dead_letters_max, observer=observer)
        self._publisher = Publisher(settings.kafka, observer)
        self._alone = Publisher.alone(settings.kafka, observer)
        self.relay = Relay(
            self._publisher,
            outbox,
            asyncio.get_running_loop(),
            settings,
            observer,
            alone=self._alone,
            bury=DeadLetterTopic(self._alone, settings.kafka, observer).tell,
        )

    @property
    def publishers(self) -> tuple[Publisher, Publisher]:
        return self._publisher, self._alone

    async def close(self, seconds: float) -> None:
        """Results not delivered within `seconds` stay in the outbox, and a worker may send them again at once."""
        await self.relay.drain(seconds)
        await asyncio.to_thread(self._publisher.close, seconds)
        await asyncio.to_thread(self._alone.close, seconds)
        await self.relay.close(seconds)
