"""The custodian's side: lapsed leases, poison, lost messages, expiry, the lock; and what is left when all is over."""

import asyncio
import json

import pytest
from umpire_ledger import MOCK, House, ending, lease_of, stored

from contracts.enums import LLMProviderType, QueueStatus
from contracts.settings import LedgerSettings
from devtools.servers import apoll
from ledger import sweeps as sweeps_module
from ledger.claims import Release
from ledger.completion import CompletedBy

pytestmark = pytest.mark.redis

URGENT, LEAST = "umpire.mock", "umpire.mock:9"


@pytest.fixture
def at_once(monkeypatch):
    """A message that is missed is lost, without the time that a heartbeat needs."""
    monkeypatch.setattr(sweeps_module, "SUSPECT_SECONDS", 0.0)


async def state(house, request):
    return await house.ledger.stats.state(request.queue_id)


async def lose(house, request, name=LEAST):
    """As Celery does when it is killed between BRPOP and the claim."""
    (message,) = [m for m in await house.messages(name) if str(request.queue_id).encode() in m]
    await house.redis.lrem(name, 1, message)


async def pushed_lost(house, sweeps, provider=MOCK):
    await asyncio.sleep(house.settings.lost_pointer_seconds + 0.01)
    return await sweeps.push_lost(provider)


async def test_a_lapsed_lease_goes_back_to_the_front_of_its_own_queue(house):
    request, later = stored(priority=10), stored(priority=10)
    await house.admit(request, later)
    await house.redis.rpop(URGENT)
    claims = house.claims("dead")
    await claims.claim(str(request.queue_id), more=0)
    sweeps = house.sweeps()
    assert await sweeps.take_back_lapsed() == (0, [])
    lapsed, poison = await apoll(lambda: lapsing(sweeps), 3)
    assert (lapsed, poison) == (1, [])
    record = await house.record(request.queue_id)
    assert (record["s"], record["l"]) == (b"queued", b"1")
    assert "o" not in record
    taken = await house.claims("two").claim(None, more=2)
    assert [c.stored.queue_id for c in taken] == [request.queue_id, later.queue_id]
    assert [c.lapses for c in taken] == [1, 0]


async def lapsing(sweeps):
    lapsed, poison = await sweeps.take_back_lapsed()
    return (lapsed, poison) if lapsed else None


async def test_a_lease_that_was_renewed_or_ended_meanwhile_is_left_alone(house):
    renewed, ended = stored(), stored()
    await house.admit(renewed, ended)
    claims, sweeps = house.claims(), house.sweeps()
    await claims.claim(None, more=2)
    await claims.finish(ending(ended.queue_id))
    # As seen by a custodian that looked a moment earlier.
    await house.redis.zadd("umpire:leases", {str(ended.queue_id): 1})
    await house.lapse_now(renewed)
    await claims.renew([lease_of(renewed)], [])
    _, poison = await sweeps.take_back_lapsed()
    assert poison == []
    assert await state(house, renewed) == "processing"
    assert await state(house, ended) == "completed"
    assert await house.redis.zscore("umpire:leases", str(ended.queue_id)) is None


async def test_a_request_that_kills_its_workers_is_handed_to_the_custodian_to_end(house):
    request = stored()
    await house.admit(request)
    sweeps = house.sweeps("c1")
    for lapse in range(1, house.settings.max_lapses + 1):
        assert await house.claims(f"worker-{lapse}").claim(None, more=1)
        await house.lapse_now(request)
        lapsed, poison = await sweeps.take_back_lapsed()
        assert lapsed == 1
        assert len(poison) == (lapse == house.settings.max_lapses)
    assert poison[0].stored.queue_id == request.queue_id
    # Nobody can claim it; a custodian that dies now leaves it to the next one, at once poison again.
    assert await house.claims().claim(str(request.queue_id), more=1) == []
    await house.lapse_now(request)
    _, poison = await house.sweeps("c2").take_back_lapsed()
    assert [left.stored.queue_id for left in poison] == [request.queue_id]
    assert await house.claims("c1").finish(ending(request.queue_id, QueueStatus.FAILED, CompletedBy.HOLDER)) is None
    assert await house.claims("c2").finish(ending(request.queue_id, QueueStatus.FAILED, CompletedBy.HOLDER)) is not None


async def test_a_lapse_of_the_custodians_own_worker_is_one_lapse_like_any_other(house):
    request = stored()
    await house.admit(request)
    await house.claims("same").claim(None, more=1)
    await house.lapse_now(request)
    assert await house.sweeps("same").take_back_lapsed() == (1, [])
    assert await state(house, request) == "queued"


async def test_a_queued_request_whose_message_is_gone_is_pushed_again(house, at_once):
    lost, other = stored(), stored()
    await house.admit(lost)
    await asyncio.sleep(0.005)
    await house.admit(other)
    sweeps = house.sweeps()
    assert await pushed_lost(house, sweeps) == 0
    await lose(house, lost)
    assert await pushed_lost(house, sweeps) == 1  # the head of its list was pushed later
    assert [json.loads(m)["headers"]["id"] for m in await house.messages(LEAST)] == [
        str(lost.queue_id),  # it had come to its turn
        str(other.queue_id),
    ]
    await house.redis.delete(LEAST)
    assert await pushed_lost(house, sweeps) == 2  # its list is empty
    assert await pushed_lost(house, sweeps) == 0


async def test_each_list_is_judged_by_itself(house, at_once):
    urgent, least = stored(priority=10), stored()
    await house.admit(urgent, least)
    await lose(house, urgent, URGENT)
    sweeps = house.sweeps()
    assert await pushed_lost(house, sweeps) == 1
    assert len(await house.messages(URGENT)) == len(await house.messages(LEAST)) == 1


async def test_no_message_is_missed_that_is_there_in_whatever_order_they_were_put_back(house, at_once):
    """Requests given back in front lie in any order; none of them is lost, nor is what waits behind them."""
    requests = []
    for _ in range(12):
        requests.append(stored())
        await house.admit(requests[-1])
        await asyncio.sleep(0.002)
    claims, sweeps = house.claims(), house.sweeps()
    claimed = await claims.claim(None, more=6)
    for i in (2, 0, 5, 1, 4, 3):
        await claims.release([Release(claimed[i].stored, front=True)])
    assert await pushed_lost(house, sweeps) == 0
    # And a duplicate of a request that was pushed again later, at the head.
    await house.redis.rpush(LEAST, (await house.messages(LEAST))[5])
    await house.redis.hset(f"umpire:req:{requests[0].queue_id}", "u", await sweeps.now_ms())
    assert await pushed_lost(house, sweeps) == 0
    assert len(await house.messages(LEAST)) == 13


async def test_a_message_of_an_ended_and_forgotten_request_tells_nothing(house, at_once):
    gone, waiting = stored(), stored()
    await house.admit(gone)
    await house.admit(waiting)
    await house.claims().finish(ending(gone.queue_id))
    await house.redis.delete(f"umpire:req:{gone.queue_id}")
    sweeps = house.sweeps()
    assert await pushed_lost(house, sweeps) == 0
    await lose(house, waiting)
    assert await pushed_lost(house, sweeps) == 0  # the stale message hides it until a worker has taken that off
    assert await house.claims().claim(None, more=1) == []
    assert await pushed_lost(house, sweeps) == 1


async def test_a_message_that_a_worker_holds_is_not_lost(house, monkeypatch):
    monkeypatch.setattr(sweeps_module, "SUSPECT_SECONDS", 0.2)
    held, lost = stored(), stored()
    await house.admit(held, lost)
    await house.redis.delete(LEAST)
    claims, sweeps = house.claims(), house.sweeps()
    await asyncio.sleep(0.06)
    assert await sweeps.push_lost(MOCK) == 0  # both are missed; the heartbeat of its holder may be on its way
    pushed, end = 0, asyncio.get_running_loop().time() + 0.6
    while asyncio.get_running_loop().time() < end:
        await claims.renew([], [str(held.queue_id)])
        pushed += await sweeps.push_lost(MOCK)
        await asyncio.sleep(0.02)
    assert pushed == 1
    assert [json.loads(m)["headers"]["id"] for m in await house.messages(LEAST)] == [str(lost.queue_id)]


async def test_a_lost_urgent_message_is_found_behind_an_old_backlog_of_others(house, at_once):
    backlog = [stored() for _ in range(1_100)]
    await asyncio.gather(*(house.ledger.admit(request) for request in backlog))
    await asyncio.sleep(0.002)
    urgent = stored(priority=10)
    await house.admit(urgent)
    await lose(house, urgent, URGENT)
    assert await pushed_lost(house, house.sweeps()) == 1


async def test_what_a_killed_worker_had_fetched_is_found_whatever_stands_before_it(house, at_once, monkeypatch):
    """Its last heartbeat told of it; it goes back to the front, and each look begins where the last one ended."""
    monkeypatch.setattr(sweeps_module, "LOST_SCAN", 10)
    backlog = [stored() for _ in range(60)]
    for request in backlog:
        await house.admit(request)
        await asyncio.sleep(0.002 if request is backlog[0] else 0)  # in one millisecond no order can be told
    await asyncio.sleep(0.002)
    urgent = stored(priority=10)
    await house.admit(urgent)
    first = backlog[0]
    await lose(house, first)
    await lose(house, urgent, URGENT)
    await house.claims().renew([], [str(first.queue_id), str(urgent.queue_id)])
    sweeps = house.sweeps()
    assert await sweeps.push_lost(MOCK) == 0
    await asyncio.sleep(0.1)  # past the age of its last heartbeat
    pushed = [await sweeps.push_lost(MOCK) for _ in range(12)]
    assert sum(pushed) == 2
    assert json.loads((await house.messages(LEAST))[0])["headers"]["id"] == str(first.queue_id)
    assert [json.loads(m)["headers"]["id"] for m in await house.messages(URGENT)] == [str(urgent.queue_id)]


async def test_what_is_past_its_time_ends_unless_a_worker_runs_it(house):
    queued, deferred, running, young = stored(ttl=0.3), stored(ttl=0.3), stored(ttl=0.3), stored()
    await house.admit(queued, deferred, running, young)
    claims, sweeps = house.claims(), house.sweeps()
    await claims.claim(str(deferred.queue_id), more=0)
    await claims.release([Release(deferred, delay=60, spent=b"s")])
    await claims.claim(str(running.queue_id), more=0)
    assert await sweeps.expired() == []
    left = await apoll(sweeps.expired, 3)
    await asyncio.sleep(0.05)
    left = await sweeps.expired()
    assert {entry.stored.queue_id for entry in left} == {queued.queue_id, deferred.queue_id}
    assert {entry.spent for entry in left if entry.stored.queue_id == deferred.queue_id} == {b"s"}
    for request, ends in ((queued, True), (deferred, True), (running, False)):
        entry = await claims.finish(ending(request.queue_id, QueueStatus.EXPIRED, CompletedBy.UNCLAIMED))
        assert (entry is not None) is ends
    assert await claims.finish(ending(running.queue_id)) is not None
    assert await sweeps.expired() == []
    assert await state(house, young) == "queued"


async def test_what_is_past_its_time_is_found_behind_any_number_that_run(house, monkeypatch):
    monkeypatch.setattr(sweeps_module, "MAX_SWEEP", 10)
    running = [stored(ttl=0.2) for _ in range(35)]
    await house.admit(*running)
    assert len(await house.claims().claim(None, more=35)) == 35
    waiting = [stored(ttl=0.2) for _ in range(12)]
    await house.admit(*waiting)
    await asyncio.sleep(0.25)
    found = {left.stored.queue_id for left in await house.sweeps().expired()}
    assert len(found) == 10, "no more at once than a sweep"
    assert found < {request.queue_id for request in waiting}


async def test_a_sweep_reads_no_more_text_than_fits(house, monkeypatch):
    monkeypatch.setattr(sweeps_module, "MAX_SWEEP_BYTES", 25_000)
    await house.admit(*[stored(ttl=0.1, prompt="x" * 10_000) for _ in range(6)])
    await asyncio.sleep(0.15)
    assert len(await house.sweeps().expired()) == 3


async def test_one_custodian_holds_the_lock_and_another_takes_over_when_it_is_left_or_lapses(house, monkeypatch):
    monkeypatch.setattr(sweeps_module, "LOCK_MS", 300)
    one, two = house.sweeps("one"), house.sweeps("two")
    assert await one.hold_lock()
    assert not await two.hold_lock()
    assert await one.hold_lock()
    await two.release_lock()  # not its to leave
    assert not await two.hold_lock()
    await one.release_lock()
    assert await two.hold_lock()
    assert await apoll(one.hold_lock, 3)


async def test_an_outbox_entry_stays_until_it_is_confirmed_and_is_read_by_age_in_pages(house):
    requests = [stored() for _ in range(5)]
    await house.admit(*requests)
    claims = house.claims()
    entries = [await claims.finish(ending(request.queue_id)) for request in requests]
    now = await house.sweeps().now_ms()
    assert await house.outbox.older_than(now, 60) == (None, [])
    after, first = await house.outbox.older_than(now + 1, 0, limit=2)
    assert after == first[-1].entry_id
    _, rest = await house.outbox.older_than(now + 1, 0, after=after)
    assert [entry.entry_id for entry in first + rest] == entries
    assert [entry.queue_id for entry in first + rest] == [str(request.queue_id) for request in requests]
    assert (first[0].topic, first[0].key, first[0].event) == ("answers", "key", ending(requests[0].queue_id).event)
    await house.confirm()
    await house.confirm(*entries[:4])
    await house.confirm(*entries[:4])  # twice does no harm
    _, left = await house.outbox.older_than(now + 1, 0)
    assert [entry.entry_id for entry in left] == entries[4:]
    assert (await house.ledger.stats.sizes()).outbox == 1


async def test_when_all_has_ended_nothing_is_left_but_states_that_go_by_themselves_and_the_days_tally(redis):
    house = House(redis, LedgerSettings(lease_seconds=1, max_lapses=1, lost_pointer_seconds=0.05))
    claims, sweeps = house.claims(), house.sweeps()
    done, failed, poison, expired, deferred = stored(), stored(priority=5), stored(), stored(ttl=0.2), stored()
    openai = stored(provider=LLMProviderType.OPENAI)
    for request in (done, failed, poison, expired, deferred, openai):
        await house.ledger.admit(request, reply_to="process")
    await claims.renew([], [])
    await claims.claim(str(done.queue_id), more=0)
    await claims.finish(ending(done.queue_id, cost=0.1))
    await claims.claim(str(failed.queue_id), more=0)
    await claims.finish(ending(failed.queue_id, QueueStatus.FAILED, CompletedBy.HOLDER))
    await claims.claim(str(poison.queue_id), more=0)
    await house.lapse_now(poison)
    assert len((await sweeps.take_back_lapsed())[1]) == 1
    await house.claims("custodian").finish(ending(poison.queue_id, QueueStatus.FAILED, CompletedBy.HOLDER))
    await apoll(sweeps.expired, 3)
    await claims.finish(ending(expired.queue_id, QueueStatus.EXPIRED, CompletedBy.UNCLAIMED))
    await claims.claim(str(deferred.queue_id), more=0)
    await claims.release([Release(deferred, delay=0.01, counts=True)])
    assert await apoll(lambda: sweeps.push_due(MOCK), 3) == 1
    await claims.claim(str(deferred.queue_id), more=0)
    await claims.finish(ending(deferred.queue_id))
    theirs = house.claims("google", provider=LLMProviderType.OPENAI)
    await theirs.claim(None, more=1)
    await theirs.finish(ending(openai.queue_id))
    await claims.claim(None, more=1)  # pointers that were left
    await house.confirm(*[row[0] for row in await house.entries()])
    await sweeps.hold_lock()
    await sweeps.release_lock()
    await claims.leave()

    assert int(await redis.get("umpire:bytes")) == 0
    assert await redis.xlen("umpire:outbox") == 0
    left = {key.decode(): await redis.ttl(key) for key in await redis.keys("*")}
    for_ever = {key for key, seconds in left.items() if seconds == -1}
    assert for_ever == {"umpire:bytes", "umpire:held", "umpire:outbox", "umpire:totals"}
    assert (await house.ledger.stats.books()).difference == 0
    assert set(await redis.hvals("umpire:held")) == {b"0"}
    kinds = {key.rsplit(":", 1)[0] for key in left if key not in for_ever}
    assert kinds == {"umpire:req", "umpire:answer", "umpire:day", "umpire:claimed"}
    assert sum(key.startswith("umpire:req:") for key in left) == 6
    today = await house.ledger.stats.today()
    assert (today.requests, today.cost) == (6, 0.1)
