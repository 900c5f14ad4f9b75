"""A process whose Kafka producer failed makes another one as soon as it can, also while it has nothing to send."""

import asyncio
from collections.abc import Sequence

from events.producer import Publisher

#: Between two tries, in seconds.
PERIOD_SECONDS = 2.0

#: What a broker is given to answer, in seconds.
ANSWER_SECONDS = 1.0


async def recover(publishers: Sequence[Publisher]) -> None:
    """For ever."""
    while True:
        for publisher in publishers:
            if publisher.outage is not None:
                await asyncio.to_thread(publisher.reachable, ANSWER_SECONDS)
        await asyncio.sleep(PERIOD_SECONDS)
