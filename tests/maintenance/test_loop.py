"""The custodian takes nothing back that was not given up: a clock that jumps ends every lease at once."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from umpire_ledger import LEASE, House, ending, stored

from contracts.enums import QueueStatus
from contracts.errors import UmpireError
from devtools.servers import apoll
from ledger.completion import CompletedBy
from ledger.redis.connection import connect
from ledger.redis.tasks import cancel_and_wait
from ledger.sweeps import Orphan, Sweeps
from maintenance.loop import MaintenanceLoop
from telemetry.observer import silent

pytestmark = pytest.mark.redis


class Jumping(Sweeps):
    """Its Redis' clock may be set."""

    ahead_ms = 0

    async def now_ms(self) -> int:
        return await super().now_ms() + self.ahead_ms


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = connect(redis_url, timeout=2.0)
    yield client
    await client.aclose()


async def _never(left: Orphan, error: UmpireError, state: QueueStatus, who: CompletedBy) -> bool:
    raise AssertionError(left, error, state, who)


async def test_after_a_jump_of_the_clock_those_who_hold_leases_have_a_whole_one_to_renew_them(redis: Redis) -> None:
    house = House(redis)
    sweeps = Jumping(redis, house.settings, owner="custodian")
    custodian = MaintenanceLoop(sweeps, house.settings, in_charge=sweeps.hold_lock, end=_never, observer=silent)
    request, loop = stored(), asyncio.get_running_loop()
    await house.admit(request)
    watching = asyncio.create_task(custodian.watch())
    try:
        # In charge, and well for long enough to take back what has lapsed.
        await asyncio.sleep(LEASE + 0.5)
        assert await house.claims("holder").claim(None, more=1)
        jumped, sweeps.ahead_ms = loop.time(), 60_000
        await house.lapse_now(request)

        async def taken_back() -> bool:
            return (await house.record(request.queue_id))["s"] == b"queued"

        await apoll(taken_back, what="it is taken back at last")
        assert loop.time() - jumped >= LEASE
    finally:
        await cancel_and_wait(watching)


async def test_thousands_may_expire_at_once_and_lapsed_leases_are_taken_back_all_the_same(redis: Redis) -> None:
    """To end them all takes its time, but Redis answers each round trip."""
    house = House(redis)
    claims = house.claims("custodian")
    ended = 0

    async def end(left: Orphan, error: UmpireError, state: QueueStatus, who: CompletedBy) -> bool:
        nonlocal ended
        await asyncio.sleep(0.01)  # the way to a Redis that is further away
        done = await claims.finish(ending(left.stored.queue_id, state, who)) is not None
        ended += done
        return True

    sweeps = house.sweeps()
    custodian = MaintenanceLoop(sweeps, house.settings, in_charge=sweeps.hold_lock, end=end, observer=silent)
    lapsed = stored()
    await house.admit(lapsed)
    assert await house.claims("dead").claim(None, more=1)
    for _ in range(15):
        await house.admit(*[stored(ttl=0.5) for _ in range(100)])
    await asyncio.sleep(0.5)
    await house.lapse_now(lapsed)
    watching = asyncio.create_task(custodian.watch())
    try:

        async def taken_back() -> bool:
            return (await house.record(lapsed.queue_id))["s"] == b"queued"

        await apoll(taken_back, LEASE + 2, what="it is taken back")
        await apoll(lambda: ended == 1500, 20, what="all have ended")
    finally:
        await cancel_and_wait(watching)
