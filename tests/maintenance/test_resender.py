"""Whoever delivers nothing leaves the resending of results to another process."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import cast

import pytest
from redis.asyncio import Redis
from umpire_events import Remembered
from umpire_ledger import House

from completion.relay import Relay
from contracts.settings import WorkerSettings
from devtools.servers import apoll
from ledger.outbox import Entry
from ledger.redis.connection import connect
from ledger.redis.tasks import cancel_and_wait
from maintenance.resender import Resender

pytestmark = pytest.mark.redis


class Kafka:
    """A relay as far as the resender sees it."""

    away = False
    outage: str | None = None
    unanswered_since: float | None = None

    async def wait_for_capacity(self, limit: int) -> None:
        return

    def resend(self, entries: list[Entry]) -> int:
        return len(entries)


@contextlib.asynccontextmanager
async def resender(house: House, name: str, kafka: Kafka) -> AsyncIterator[Remembered]:
    notes = Remembered()
    made = Resender(
        sweeps=house.sweeps(name),
        outbox=house.outbox,
        relay=cast("Relay", kafka),
        settings=WorkerSettings(),
        observer=notes,
    )
    watching = asyncio.create_task(made.watch())
    try:
        yield notes
    finally:
        await cancel_and_wait(watching)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    made = connect(redis_url, timeout=2.0)
    yield made
    await made.aclose()


async def holder(house: House) -> bytes | None:
    found: bytes | None = await house.redis.get("umpire:resender")
    return found


async def held_by(house: House, name: bytes) -> bool:
    return await holder(house) == name


async def test_a_process_without_a_producer_gives_the_lock_up_and_takes_it_again_once_it_has_one(redis: Redis) -> None:
    house, sick = House(redis), Kafka()
    async with resender(house, "sick", sick):
        await apoll(lambda: held_by(house, b"sick"))
        sick.outage = "_CRIT_SYS_RESOURCE"
        # Not by the lock's lapsing, which takes longer than a look.
        await apoll(lambda: free(house), 2, what="the lock is given up")
        async with resender(house, "well", Kafka()):
            await apoll(lambda: held_by(house, b"well"), 2)
        sick.outage = None
        await apoll(lambda: held_by(house, b"sick"), 20)


async def free(house: House) -> bool:
    return await holder(house) is None


async def test_a_process_that_kafka_does_not_answer_gives_way_for_a_while(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maintenance.resender.PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr("maintenance.resender.REST_SECONDS", 3.0)
    house, silent = House(redis), Kafka()
    async with resender(house, "silent", silent) as notes:
        await apoll(lambda: held_by(house, b"silent"))
        silent.unanswered_since = began = time.monotonic()
        await apoll(lambda: free(house), 3, what="the lock is given up")
        gave_up = time.monotonic()
        assert gave_up - began >= 1.0
        assert [note.fields for note in notes.named("resender.gave_way")] == [{"unanswered_seconds": 1}]
        await apoll(lambda: held_by(house, b"silent"), 10, what="it tries again")
        assert time.monotonic() - gave_up > 2.0
        await apoll(lambda: free(house), 3, what="the lock is given up again")
        silent.unanswered_since = None
        await apoll(lambda: held_by(house, b"silent"), 1, what="an answer ends the rest")
