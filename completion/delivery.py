"""The Kafka side of a process: its producers, the relay of the outbox, and lifecycle events, wired once."""

import asyncio

from redis.asyncio import Redis

from completion.dead_letters import DeadLetterTopic
from completion.relay import Relay
from contracts.settings import Settings
from events.lifecycle import Lifecycle
from events.producer import Publisher
from ledger.outbox import Outbox
from telemetry.observer import Observer


class Delivery:
    """To be made on the event loop that ends requests. Producers connect on first use: a process that sends nothing
    opens no connection.
    """

    def __init__(self, redis: Redis, settings: Settings, observer: Observer) -> None:
        self.best_effort = Publisher.best_effort(settings.kafka, observer)
        self.lifecycle = Lifecycle(self.best_effort, settings.kafka, observer)
        self.outbox = Outbox(redis, max_dead=settings.kafka.dead_letters_max, observer=observer)
        self._results = Publisher(settings.kafka, observer)
        self._alone = Publisher.alone(settings.kafka, observer)
        self.relay = Relay(
            self._results,
            self.outbox,
            asyncio.get_running_loop(),
            settings,
            observer,
            alone=self._alone,
            on_dead_letter=DeadLetterTopic(self._alone, settings.kafka, observer).send,
        )

    @property
    def publishers(self) -> tuple[Publisher, Publisher, Publisher]:
        """That of best-effort events first, then those of results."""
        return self.best_effort, self._results, self._alone

    def connect(self) -> None:
        """Make the producer of results now. Blocks."""
        self._results.connect()

    async def drain(self, seconds: float) -> int:
        """Wait until Kafka has confirmed the results that were sent, at most `seconds`. Returns how many it has not;
        they stay in the outbox.
        """
        self.lifecycle.flush()
        return await self.relay.drain(seconds)

    async def close(self, seconds: float, *, short: float) -> None:
        """After `drain`. Results get `seconds` for their delivery; all else gets `short` seconds for each step. A
        worker may send undelivered results again at once.
        """
        await asyncio.to_thread(self._results.close, seconds)
        await asyncio.to_thread(self._alone.close, short)
        await self.relay.close(short)
        await asyncio.to_thread(self.best_effort.close, short)
