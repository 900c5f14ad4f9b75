"""Whether Kafka answers: asked of a broker now and then, from a thread, and remembered. And whether this process has
working producers.
"""

import asyncio
import time

from events.producer import Publisher

#: Age at which the answer is asked for again, in seconds.
FRESH_SECONDS = 5.0
#: What a broker is given to answer, in seconds.
ANSWER_SECONDS = 1.0


class KafkaState:
    def __init__(self, publisher: Publisher, *others: Publisher) -> None:
        """`publisher` asks the broker; `others` are further ones of the process."""
        self._publisher = publisher
        self._publishers = (publisher, *others)
        self._up = False
        self._fresh_until = 0.0
        self._asking: asyncio.Task[None] | None = None

    @property
    def outage(self) -> str | None:
        """Kafka's name of the error that leaves this process without one of its producers, if there is one."""
        return next((one.outage for one in self._publishers if one.outage is not None), None)

    async def is_up(self) -> bool:
        if time.monotonic() >= self._fresh_until:
            if self._asking is None or self._asking.done():
                self._asking = asyncio.create_task(self._ask())
            # One that goes away must not take the answer from the others.
            await asyncio.shield(self._asking)
        return self._up

    async def _ask(self) -> None:
        self._up = await asyncio.to_thread(self._publisher.reachable, ANSWER_SECONDS)
        self._fresh_until = time.monotonic() + FRESH_SECONDS
