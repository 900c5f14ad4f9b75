"""Time on hold does not count towards a request's time to live, unless its caller set that."""

import asyncio

import pytest
from umpire_ledger import MOCK, House, stored

from contracts.enums import HoldReason
from contracts.errors import ModelForbidden, SpendLimitReached
from contracts.settings import HoldSettings
from guard import hold as holds
from guard.hold import Holds
from ledger.claims import Release
from ledger.parked import PARKED_SECONDS, Parked
from ledger.request import StoredRequest
from ledger.sweeps import Sweeps

pytestmark = pytest.mark.redis

HOUR = 3_600_000


def short(seconds: float = 0.2, *, set_by_caller: bool = False) -> StoredRequest:
    """A request that lives for so long."""
    request = stored(ttl=seconds)
    if set_by_caller:
        chosen = request.request.model_copy(update={"ttl_seconds": 1})
        request = request.model_copy(update={"request": chosen})
    return request


async def expired(house: House) -> list[str]:
    return [str(left.stored.queue_id) for left in await house.sweeps().expired()]


async def age_hold(house: House, milliseconds: int, key: str = "umpire:hold:mock") -> None:
    """As if the hold had begun so much earlier, and with it all that was accepted before it."""
    await house.redis.hincrby(key, "began", -milliseconds)


async def age(house: House, request: StoredRequest, milliseconds: int) -> None:
    """As if it had been accepted so much earlier."""
    queue_id = str(request.queue_id)
    ends = int(await house.redis.hincrby(f"umpire:req:{queue_id}", "e", -milliseconds))
    await house.redis.zadd("umpire:expiry", {queue_id: ends})


async def test_six_hours_of_it_expire_nothing(house: House) -> None:
    request, theirs = stored(), short(60, set_by_caller=True)
    await house.admit(request, theirs)
    await Holds(house.redis, MOCK, HoldSettings()).raise_(SpendLimitReached("402"), 0.1)
    await age_hold(house, 6 * HOUR)
    for one in (request, theirs):
        await age(house, one, 6 * HOUR)
    (left,) = await house.sweeps().expired()
    assert left.stored.queue_id == theirs.queue_id
    assert left.hold is HoldReason.SPEND_LIMIT
    claims = house.claims()
    assert [c.stored.queue_id for c in await claims.claim(None, more=5)] == [request.queue_id], "its probe may run it"


async def test_after_it_a_request_has_the_time_that_it_had_left(house: House) -> None:
    request = stored(ttl=3600)
    await house.admit(request)
    one = Holds(house.redis, MOCK, HoldSettings())
    await one.raise_(SpendLimitReached("402"), 0.1)
    await age_hold(house, 6 * HOUR)
    await age(house, request, 6 * HOUR)
    assert await expired(house) == []
    await one.probe_succeeded("p")
    assert await expired(house) == []
    await age(house, request, HOUR - 10_000)
    assert await expired(house) == [], "ten seconds are left"
    await age(house, request, 20_000)
    assert await expired(house) == [str(request.queue_id)]


async def test_only_the_time_since_it_was_accepted_counts(house: House) -> None:
    """A hold of before adds nothing."""
    one = Holds(house.redis, MOCK, HoldSettings())
    await one.raise_(SpendLimitReached("402"), 0.1)
    await age_hold(house, 6 * HOUR)
    request = short(0.1)
    await house.admit(request)
    await one.probe_succeeded("p")
    await asyncio.sleep(0.15)
    assert await expired(house) == [str(request.queue_id)]


async def test_no_more_than_the_operator_allows(house: House) -> None:
    request = stored(ttl=3600)
    await house.admit(request)
    await holds.pause(house.redis, MOCK, None, "")
    await age_hold(house, 80 * HOUR)
    await age(house, request, 72 * HOUR)
    assert await expired(house) == []
    await age(house, request, 2 * HOUR)
    (left,) = await house.sweeps().expired()
    assert left.hold is HoldReason.MANUAL
    sweeps = Sweeps(house.redis, house.settings, owner="c", holds=HoldSettings(hold_max_seconds=100 * 3600))
    assert await sweeps.expired() == []


async def test_a_pause_that_ended_by_its_time_counts_to_its_end(house: House) -> None:
    request = short(0.2)
    await house.admit(request)
    await holds.pause(house.redis, MOCK, 0.3, "")
    await asyncio.sleep(0.35)
    assert await expired(house) == [], "some 0.15 s are left"
    await asyncio.sleep(0.3)
    assert await expired(house) == [str(request.queue_id)]


async def test_what_waits_for_its_model_costs_no_time_and_is_found_by_it(house: House) -> None:
    one = Holds(house.redis, MOCK, HoldSettings())
    await one.raise_(ModelForbidden("403"), 0.1, model="mock-1")
    request = stored(ttl=3600)
    await house.admit(request)
    claims = house.claims()
    (claimed,) = await claims.claim(None, more=1)
    parked = Release(claimed.stored, delay=PARKED_SECONDS, fencing_token=claimed.fencing_token, parked="mock-1")
    assert await claims.release([parked]) == 1
    record = await house.record(request.queue_id)
    assert (record["s"], record["t"]) == (b"deferred", b"0")
    since = int(record["k"].split()[0])
    await house.redis.hset(f"umpire:req:{request.queue_id}", "k", f"{since - 6 * HOUR} mock-1")
    await age(house, request, 6 * HOUR)
    assert await expired(house) == []
    waiting = Parked(house.redis, MOCK)
    assert await waiting.wake_oldest("mock-1") == 1
    assert await house.sweeps().push_due(MOCK) == 1
    assert (await house.record(request.queue_id))["s"] == b"queued"
    assert await house.redis.zcard("umpire:parked:mock:mock-1") == 0
    assert await expired(house) == [], "the time is remembered"
    (again,) = await claims.claim(None, more=1)
    await one.probe_succeeded("p", model="mock-1")
    await claims.release(
        [Release(again.stored, delay=PARKED_SECONDS, fencing_token=again.fencing_token, parked="mock-1")]
    )
    assert (await house.record(request.queue_id))["s"] == b"queued", "the hold ended meanwhile: it does not wait for it"


async def test_all_that_waited_for_a_model_come_back_when_its_hold_ends(house: House) -> None:
    await Holds(house.redis, MOCK, HoldSettings()).raise_(ModelForbidden("403"), 0.1, model="mock-1")
    requests = [stored() for _ in range(30)]
    await house.admit(*requests)
    claims = house.claims()
    claimed = await claims.claim(None, more=30)
    await claims.release(
        [Release(c.stored, delay=600, fencing_token=c.fencing_token, parked="mock-1") for c in claimed]
    )
    assert await house.sweeps().push_due(MOCK) == 0
    assert await Parked(house.redis, MOCK).wake_all("mock-1") == 30
    assert await house.sweeps().push_due(MOCK) == 30
