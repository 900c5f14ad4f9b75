"""Whether Kafka answers, whether this process' producers work, and whether the dead-letter topic exists. Kafka is asked
in a thread, and the answer is cached.
"""

import asyncio
import time

from events.producer import Publisher

#: Seconds for which an answer is cached.
CACHE_SECONDS = 5.0
#: Seconds that Kafka has to answer.
ANSWER_SECONDS = 1.0
#: Seconds to look up the dead-letter topic. Brokers with automatic topic creation may create it then.
TOPIC_SECONDS = 0.5


class KafkaState:
    def __init__(self, publisher: Publisher, *others: Publisher, dead_letter_topic: str) -> None:
        """`publisher` asks Kafka; `others` are the other producers of the process."""
        self._dead_letter_topic = dead_letter_topic
        self._missing = False
        self._publisher = publisher
        self._publishers = (publisher, *others)
        self._up = False
        self._fresh_until = 0.0
        self._lookup: asyncio.Task[None] | None = None

    @property
    def outage(self) -> str | None:
        """Kafka's name of the error that stops a producer of this process; None if all work."""
        return next((one.outage for one in self._publishers if one.outage is not None), None)

    @property
    def warnings(self) -> list[str]:
        """Problems for an operator to fix, as of the last answer."""
        if not (self._up and self._missing):
            return []
        missing = f"the topic {self._dead_letter_topic} does not exist, and Kafka does not create it automatically"
        return [f"{missing}: copies of dead letters are lost. Create it with `umpire topics`."]

    async def is_up(self) -> bool:
        if time.monotonic() >= self._fresh_until:
            if self._lookup is None or self._lookup.done():
                self._lookup = asyncio.create_task(self._look_up())
            # Shielded: a client that disconnects must not cancel the lookup for the others.
            await asyncio.shield(self._lookup)
        return self._up

    async def _look_up(self) -> None:
        self._up = await asyncio.to_thread(self._publisher.reachable, ANSWER_SECONDS)
        if self._up:
            known = await asyncio.to_thread(self._publisher.knows, self._dead_letter_topic, TOPIC_SECONDS)
            self._missing = not known
        self._fresh_until = time.monotonic() + CACHE_SECONDS
