"""Redis out of memory: there is a custodian, and what it ends and gets rid of frees some."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError
from umpire_ledger import MOCK, House, ending, stored

from completion.relay import Relay
from contracts.enums import QueueStatus
from contracts.errors import UmpireError
from contracts.settings import LedgerSettings, WorkerSettings
from devtools.redis import RedisServer
from devtools.servers import apoll
from ledger.claims import Release
from ledger.completion import CompletedBy
from ledger.outbox import Delivered, Entry, Outbox, Undelivered
from ledger.redis.connection import connect
from ledger.redis.tasks import cancel_and_wait
from ledger.sweeps import Orphan
from maintenance.loop import MaintenanceLoop
from maintenance.resender import Resender
from telemetry.observer import silent

pytestmark = pytest.mark.redis

#: One that can be measured.
PROMPT = "x" * 500_000


class Kafka:
    """Takes everything: a relay as far as the resender sees it."""

    away = False
    outage = None
    unanswered_since = None

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._confirming: set[asyncio.Task[None]] = set()
        self.taken: list[str] = []

    async def wait_for_capacity(self, limit: int) -> None:
        return

    def resend(self, entries: list[Entry]) -> int:
        self.taken += [entry.queue_id for entry in entries]
        delivered = [Delivered(entry.entry_id, len(entry.event)) for entry in entries]
        self._confirming.add(asyncio.create_task(self._outbox.confirm(delivered)))
        return len(entries)


async def test_a_full_redis_heals(redis_server: Callable[..., RedisServer]) -> None:
    """What is past its time ends, a lapsed lease is taken back, a lost message is pushed, and a result that is due
    reaches Kafka; and memory is freed.
    """
    redis = connect(redis_server().url, timeout=2.0)
    house = House(redis, LedgerSettings(lease_seconds=1.0, lost_pointer_seconds=0.05))
    expiring, done, lapsing, lost = stored(ttl=1.0, prompt=PROMPT), stored(), stored(priority=10), stored()
    claims = house.claims("dead")
    await house.admit(done, lapsing)
    assert len(await claims.claim(None, more=2)) == 2
    entry_id = await claims.finish(ending(done.queue_id))
    assert entry_id is not None
    await house.outbox.undelivered([Undelivered(entry_id, "ALL_BROKERS_DOWN", None)])
    await house.admit(expiring, lost)
    await redis.delete("umpire.mock", "umpire.mock:9")
    await redis.config_set("maxmemory", "1")
    with pytest.raises(OutOfMemoryError):
        await redis.set("more", "than there is")
    full = await used(redis)

    async def end(left: Orphan, error: UmpireError, state: QueueStatus, who: CompletedBy) -> bool:
        return await claims.finish(ending(left.stored.queue_id, state, who)) is not None

    sweeps, kafka = house.sweeps(), Kafka(house.outbox)
    custodian = MaintenanceLoop(sweeps, house.settings, in_charge=sweeps.hold_lock, end=end, observer=silent)
    resender = Resender(
        sweeps=sweeps,
        outbox=house.outbox,
        relay=cast("Relay", kafka),
        settings=WorkerSettings(outbox_resend_seconds=0.1),
        observer=silent,
    )
    watching = [asyncio.create_task(part.watch()) for part in (custodian, resender)]
    try:
        await apoll(lambda: {str(done.queue_id), str(expiring.queue_id)} <= set(kafka.taken), 20, what="both results")
        assert custodian.holds
        assert await house.ledger.stats.state(expiring.queue_id) == QueueStatus.EXPIRED
        await apoll(lambda: is_queued(house, str(lapsing.queue_id)), 20, what="the lapsed one is queued")
        await apoll(lambda: pushed(house, str(lost.queue_id)), 20, what="the lost one is pushed")
        assert await redis.xlen("umpire:outbox") == 0
        assert await used(redis) < full - len(PROMPT) / 2
    finally:
        for task in watching:
            await cancel_and_wait(task)
        await redis.aclose()


async def test_what_is_deferred_is_pushed_and_a_dead_letter_replayed(redis_server: Callable[..., RedisServer]) -> None:
    redis = connect(redis_server().url, timeout=2.0)
    house = House(redis)
    dead, later = stored(), stored()
    claims = house.claims()
    await house.admit(dead, later)
    assert len(await claims.claim(None, more=2)) == 2
    entry_id = await claims.finish(ending(dead.queue_id))
    assert entry_id is not None
    await redis.config_set("maxmemory", "1")
    try:
        await claims.release([Release(later, delay=0.01)])
        assert await apoll(lambda: house.sweeps().push_due(MOCK), what="the deferred one is due") == 1
        assert await pushed(house, str(later.queue_id))
        await house.outbox.undelivered([Undelivered(entry_id, "MSG_SIZE_TOO_LARGE", 0.0)])
        assert await house.dead.replay([str(dead.queue_id)]) == [str(dead.queue_id)]
        _, (entry,) = await house.outbox.take_due(10)
        assert entry.queue_id == str(dead.queue_id)
    finally:
        await redis.aclose()


async def used(redis: Redis) -> int:
    return int((await redis.info("memory"))["used_memory"])


async def is_queued(house: House, queue_id: str) -> bool:
    return (await house.record(queue_id))["s"] == b"queued"


async def pushed(house: House, queue_id: str) -> bool:
    waiting = [*await house.messages("umpire.mock"), *await house.messages("umpire.mock:9")]
    return any(queue_id.encode() in message for message in waiting)
