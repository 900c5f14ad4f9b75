"""The heartbeat: one round trip renews every lease of this worker process and reports that it is alive."""

import asyncio

from redis.exceptions import RedisError

from contracts.enums import LLMProviderType
from ledger.claims import Claims
from tasks.intake import Intake
from telemetry.observer import Note, Observer

#: Longest time between two heartbeats, in seconds, however long the leases are.
MOST_SECONDS = 5.0


async def beat(claims: Claims, intake: Intake, provider: LLMProviderType, observer: Observer) -> None:
    """Run for ever."""
    period = min(claims.heartbeat_seconds, MOST_SECONDS)
    while True:
        try:
            gone = await claims.renew(intake.leased, intake.held)
        except (RedisError, OSError) as error:
            # Leases may run out meanwhile; maintenance takes none back until Redis was healthy for a whole lease.
            observer(Note("heartbeat.missed", "warning", fields={"error": type(error).__name__}))
        else:
            intake.lose([*gone.taken, *gone.ended])
            for lease in gone.taken:
                if lease in intake.leased:  # it may just have ended
                    labels, fields = {"provider": provider.value}, {"queue_id": lease.queue_id}
                    observer(Note("lease.taken", "warning", labels, fields=fields))
        await asyncio.sleep(period)
