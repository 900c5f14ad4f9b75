"""Whether Kafka answers: asked of a broker now and then, from a thread, and remembered. And whether this process has
working producers, and whether the dead-letter topic is there.
"""

import asyncio
import time

from events.producer import Publisher

#: Age at which the answer is asked for again, in seconds.
FRESH_SECONDS = 5.0
#: What a broker is given to answer, in seconds.
ANSWER_SECONDS = 1.0
#: And to make a topic that is asked for, where brokers do that.
TOPIC_SECONDS = 0.5


class KafkaState:
    def __init__(self, publisher: Publisher, *others: Publisher, dead_letter_topic: str) -> None:
        """`publisher` asks the broker; `others` are further ones of the process."""
        self._dead_letter_topic = dead_letter_topic
        self._missing = False
        self._publisher = publisher
        self._publishers = (publisher, *others)
        self._up = False
        self._fresh_until = 0.0
        self._asking: asyncio.Task[None] | None = None

    @property
    def outage(self) -> str | None:
        """Kafka's name of the error that leaves this process without one of its producers, if there is one."""
        return next((one.outage for one in self._publishers if one.outage is not None), None)

    @property
    def warnings(self) -> list[str]:
        """What an operator should mend, as of the last answer."""
        if not (self._up and self._missing):
            return []
        missing = f"the topic {self._dead_letter_topic} does not exist, and Kafka makes none by itself"
        return [f"{missing}: copies of dead letters are lost. `umpire topics` makes it."]

    async def is_up(self) -> bool:
        if time.monotonic() >= self._fresh_until:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask())
            # One that goes away must not take the answer from the others.
            await asyncio.shield(self._asking)
        return self._up

    async def _ask(self) -> None:
        self._up = await asyncio.to_thread(self._publisher.reachable, ANSWER_SECONDS)
        if self._up:
            known = await asyncio.to_thread(self._publisher.knows, self._dead_letter_topic, TOPIC_SECONDS)
            self._missing = not known
        self._fresh_until = time.monotonic() + FRESH_SECONDS
