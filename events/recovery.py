"""Replaces a Kafka producer that failed as soon as possible, even while the process has nothing to send."""

import asyncio
from collections.abc import Sequence

from events.producer import Publisher

#: Seconds between two attempts.
PERIOD_SECONDS = 2.0

#: Seconds that a broker has to answer.
ANSWER_SECONDS = 1.0


async def recover(publishers: Sequence[Publisher]) -> None:
    """Check each publisher every PERIOD_SECONDS, and end its outage if possible. Never returns."""
    while True:
        for publisher in publishers:
            if publisher.outage is not None:
                await asyncio.to_thread(publisher.reachable, ANSWER_SECONDS)
        await asyncio.sleep(PERIOD_SECONDS)
