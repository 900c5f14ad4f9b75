"""A worker's side: claim, renew, finish, give back, defer. A lease is held by one owner, and one ending stands."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from redis.exceptions import OutOfMemoryError
from umpire_ledger import MOCK, House, ending, lease_of, stored

from contracts.clock import utcnow
from contracts.enums import LLMProviderType, QueueStatus
from contracts.settings import LedgerSettings
from devtools.servers import apoll
from ledger.claims import Claims, Release
from ledger.completion import CompletedBy
from ledger.message import pointer, pointer_list
from ledger.redis.connection import connect

pytestmark = pytest.mark.redis


def ids(claimed):
    return [str(c.stored.queue_id) for c in claimed]


async def lease(house, request):
    return await house.redis.zscore("umpire:leases", str(request.queue_id))


async def test_a_worker_that_claimed_it_again_does_not_speak_for_it_by_its_first_claim(house):
    """It stood still for longer than its lease, and what its first claim says comes late."""
    request, claims = stored(), house.claims()
    await house.admit(request)
    (stale,) = await claims.claim(None, more=1)
    await house.lapse_now(request)
    assert (await house.sweeps().take_back_lapsed())[0] == 1
    (claimed,) = await claims.claim(None, more=1)
    assert (stale.lapses, claimed.lapses) == (0, 1)
    gone = await claims.renew([stale.lease, claimed.lease], [])
    assert gone == ([stale.lease], [])
    assert await claims.release([Release(request, fencing_token=stale.fencing_token)]) == 0
    failed = ending(request.queue_id, QueueStatus.FAILED, CompletedBy.HOLDER)
    assert await claims.finish(replace(failed, fencing_token=stale.fencing_token)) is None
    assert (await house.record(request.queue_id))["s"] == b"processing"
    assert await claims.finish(replace(failed, fencing_token=claimed.fencing_token))


async def test_what_is_given_back_again_for_want_of_an_answer_leaves_the_next_claim_alone(house):
    """The same worker may have claimed it again by then, and pays for a call."""
    request, claims = stored(), house.claims()
    await house.admit(request)
    (first,) = await claims.claim(None, more=1)
    again = [Release(first.stored, fencing_token=first.fencing_token, counts=True)]
    assert await claims.release(again) == 1
    (second,) = await claims.claim(None, more=1)
    assert await claims.release(again) == 0
    assert await claims.renew([first.lease, second.lease], []) == ([first.lease], [])
    record = await house.record(request.queue_id)
    assert (record["s"], record["t"]) == (b"processing", b"1")
    assert await house.claims("other").claim(None, more=1) == []


async def test_a_record_that_cannot_be_read_holds_up_no_other(house):
    """A newer version wrote it, before a rollback."""
    told = []
    bad, good = stored(), stored()
    await house.admit(bad, good)
    await house.redis.set(f"umpire:body:{bad.queue_id}", b'{"request": {"user_prompt": "an essay"}}')
    claims = Claims(house.redis, MOCK, house.settings, owner="one", cap=60, observer=told.append)
    assert ids(await claims.claim(None, more=5)) == [str(good.queue_id)]
    (note,) = told
    assert (note.what, note.fields["queue_id"]) == ("record.unreadable", str(bad.queue_id))
    assert "an essay" not in str(note)
    # Nobody speaks for it, so that its lease lapses, and a worker that can read it may have it.
    assert (await house.record(bad.queue_id))["s"] == b"processing"


async def test_a_renewed_lease_is_no_shorter_after_redis_clock_was_set(house):
    """How long it may be renewed is the worker's to know: by Redis' clock the call's time may be over long ago."""
    request, claims = stored(), house.claims(cap=60)
    await house.admit(request)
    (claimed,) = await claims.claim(None, more=1)
    await house.lapse_now(request)
    await claims.renew([claimed.lease], [])
    assert await lease(house, request) > await now_ms(house)


async def now_ms(house):
    return await house.sweeps().now_ms()


async def test_a_claim_leases_the_request_whole_and_once(house):
    request = stored(prompt="Bedömning – 文")
    await house.admit(request)
    (claimed,) = await house.claims("one").claim(str(request.queue_id), more=0)
    assert claimed.stored.model_dump_json() == request.model_dump_json()
    assert (claimed.tries, claimed.lapses, claimed.spent) == (0, 0, b"")
    assert 0 <= claimed.waited < 5
    assert await house.claims("two").claim(str(request.queue_id), more=5) == []
    record = await house.record(request.queue_id)
    assert (record["s"], record["o"]) == (b"processing", b"one")
    sizes = await house.ledger.stats.sizes()
    assert (sizes.unfinished, sizes.processing) == (1, 1)
    assert (await house.ledger.stats.backlogs([MOCK]))[MOCK].queued == 0
    now = await now_ms(house)
    assert now < await lease(house, request) <= now + house.settings.lease_seconds * 1000


async def test_others_are_taken_along_most_urgent_first_then_oldest(house):
    requests = [stored(priority=priority) for priority in (0, 9, 4, 9, 0, 7)]
    await house.admit(*requests)
    # As Celery does: the leader's message is off the list when its task starts.
    leader = requests[0]
    await house.redis.rpop("umpire.mock:9")
    claimed = await house.claims().claim(str(leader.queue_id), more=4)
    assert ids(claimed) == [str(requests[i].queue_id) for i in (0, 1, 3, 5, 2)]
    assert len(await house.messages("umpire.mock:9")) == 1


async def test_concurrent_claims_of_two_owners_share_without_overlap(house):
    requests = [stored() for _ in range(60)]
    await house.admit(*requests)
    one, two = house.claims("one"), house.claims("two")
    rounds = await asyncio.gather(*(claims.claim(None, more=7) for claims in (one, two) * 10))
    taken = [queue_id for claimed in rounds for queue_id in ids(claimed)]
    assert sorted(taken) == sorted(str(request.queue_id) for request in requests)


async def test_pointers_too_many_are_dropped_and_do_not_use_up_the_slots(house):
    done, taken, gone, wanted = stored(), stored(), stored(), stored()
    await house.admit(done, taken, wanted)
    await house.claims("other").claim(str(taken.queue_id), more=0)
    await house.claims().finish(ending(done.queue_id))
    await house.redis.rpush("umpire.mock:9", pointer(str(gone.queue_id), MOCK, 0))
    assert ids(await house.claims().claim(None, more=1)) == [str(wanted.queue_id)]
    assert await house.messages("umpire.mock:9") == []


async def test_one_claim_looks_at_a_bounded_number_of_stale_pointers(house):
    wanted = stored()
    await house.admit(wanted)
    stale = pointer(str(stored().queue_id), MOCK, 0)
    await house.redis.rpush("umpire.mock:9", *[stale] * 2_500)
    claims = house.claims()
    assert await claims.claim(None, more=16) == []
    left = len(await house.messages("umpire.mock:9"))
    assert 1_400 < left < 2_501 - 900
    assert await claims.claim(None, more=16) == []
    assert ids(await claims.claim(None, more=16)) == [str(wanted.queue_id)]


async def test_a_message_of_another_task_stays_for_celery_and_what_stands_behind_it_goes_on(house):
    first, second, third = stored(), stored(), stored()
    await house.admit(first)
    foreign = b'{"headers":{"task":"another.task","id":"00000000-0000-0000-0000-000000000000"}}'
    await house.redis.lpush("umpire.mock:9", foreign)
    await house.admit(second, third)
    await house.redis.lpush("umpire.mock:9", foreign + b" ")
    claimed = await house.claims().claim(None, more=16)
    assert ids(claimed) == [str(one.queue_id) for one in (first, second, third)]
    assert await house.messages("umpire.mock:9") == [foreign, foreign + b" "]


async def test_messages_that_celery_restored_in_its_own_json_are_understood(house):
    request = stored()
    await house.admit(request)
    raw = await house.redis.rpop("umpire.mock:9")
    await house.redis.rpush("umpire.mock:9", raw.replace(b'":', b'": ').replace(b',"', b', "'))
    assert ids(await house.claims().claim(None, more=1)) == [str(request.queue_id)]


async def test_an_expired_request_and_one_of_another_provider_are_not_claimed(house):
    expired = stored().model_copy(update={"expires_at": utcnow() - timedelta(seconds=1)})
    foreign = stored(provider=LLMProviderType.OPENAI)
    await house.admit(expired, foreign)
    await asyncio.sleep(0.005)  # one ms is the least time to live
    assert await house.claims().claim(str(expired.queue_id), more=5) == []
    assert await house.claims().claim(str(foreign.queue_id), more=5) == []


async def test_a_field_that_a_newer_door_let_in_does_not_stop_an_older_worker(house):
    request = stored()
    await house.admit(request)
    key = f"umpire:body:{request.queue_id}"
    body = (await house.redis.get(key)).replace(b'"request":{', b'"news":1,"request":{"news":{"a":1},')
    await house.redis.set(key, body)
    (claimed,) = await house.claims().claim(str(request.queue_id), more=0)
    assert claimed.stored.request == request.request


async def test_a_heartbeat_renews_what_is_ours_and_tells_what_another_holds(house):
    ours, theirs, back, done = [stored() for _ in range(4)]
    await house.admit(ours, theirs, back, done)
    one, two = house.claims("one"), house.claims("two")
    await one.claim(str(ours.queue_id), more=0)
    await one.claim(str(done.queue_id), more=0)
    await two.claim(str(theirs.queue_id), more=0)
    await one.finish(ending(done.queue_id))
    before = await lease(house, ours)
    await asyncio.sleep(0.01)
    asked = [lease_of(ours, 1), lease_of(theirs, 1), lease_of(back, 1), lease_of(done, 2)]
    gone = await one.renew(asked, [])
    assert gone == (asked[1:3], asked[3:])
    assert await lease(house, ours) > before
    assert await lease(house, done) is None


async def test_a_lease_is_never_renewed_past_its_cap(house):
    request = stored()
    await house.admit(request)
    claims = house.claims(cap=0.4)
    (claimed,) = await claims.claim(str(request.queue_id), more=0)
    first = await lease(house, request)
    await asyncio.sleep(0.05)
    await claims.renew([claimed.lease], [])
    assert await lease(house, request) == pytest.approx(first, abs=20)
    await apoll(lambda: now_is_past(house, first), 2)
    lapsed, poison = await house.sweeps().take_back_lapsed()
    assert (lapsed, poison) == (1, [])


async def now_is_past(house, ms):
    return await now_ms(house) > ms


async def test_presence_is_told_by_heartbeats_lapses_and_is_taken_back(redis):
    house = House(redis, LedgerSettings(lease_seconds=1))
    one, two = house.claims("one"), house.claims("two")
    other = house.claims("three", provider=LLMProviderType.GOOGLE)
    for claims in (one, two, other):
        await claims.renew([], [])
    assert await house.ledger.stats.workers() == {MOCK: 2, LLMProviderType.GOOGLE: 1}
    await one.leave()
    assert await house.ledger.stats.workers() == {MOCK: 1, LLMProviderType.GOOGLE: 1}
    await apoll(lambda: no_workers(house), 3)
    await one.renew([], [])
    assert await house.redis.zcard("umpire:workers") == 1  # the dead are not kept


async def no_workers(house):
    return await house.ledger.stats.workers() == {}


async def test_finish_ends_it_in_one_step_and_forgets_the_text(house):
    request = stored(prompt="canary-essay")
    await house.ledger.admit(request, reply_to="process")
    claims = house.claims()
    await claims.claim(str(request.queue_id), more=0)
    entry = await claims.finish(ending(request.queue_id, cost=0.25))
    ((entry_id, fields),) = await house.entries()
    assert entry_id == entry
    assert fields[b"i"].decode() == str(request.queue_id)
    assert (fields[b"t"], fields[b"k"]) == (b"answers", b"key")
    record = await house.record(request.queue_id)
    assert record["s"] == b"completed"
    assert "b" not in record
    assert 0 < await house.redis.ttl(f"umpire:req:{request.queue_id}") <= house.settings.finished_retention_seconds
    assert await house.redis.get(f"umpire:answer:{request.queue_id}") == fields[b"e"]
    sizes = await house.ledger.stats.sizes()
    assert (sizes.unfinished, sizes.bytes, sizes.processing, sizes.outbox) == (0, len(fields[b"e"]), 0, 1)
    today = await house.ledger.stats.today()
    assert (today.requests, today.cost) == (1, 0.25)
    assert await house.ledger.stats.state(request.queue_id) == "completed"


async def test_no_answer_is_kept_where_nobody_waits(house):
    request = stored()
    await house.admit(request)
    await house.claims().finish(ending(request.queue_id))
    assert await house.redis.exists(f"umpire:answer:{request.queue_id}") == 0


async def test_costs_add_up_to_a_billionth(house):
    requests = [stored() for _ in range(30)]
    await house.admit(*requests)
    await asyncio.gather(*(house.claims().finish(ending(r.queue_id, cost=0.000_123_456)) for r in requests))
    today = await house.ledger.stats.today()
    assert (today.requests, round(today.cost, 9)) == (30, round(30 * 0.000_123_456, 9))


async def test_concurrent_endings_share_a_round_trip_and_each_request_ends_once(house):
    requests = [stored() for _ in range(20)]
    await house.admit(*requests)
    claims = house.claims()
    await claims.finish(ending("unknown"))
    stats = await house.redis.info("commandstats")
    entries = await asyncio.gather(*(claims.finish(ending(r.queue_id)) for r in requests * 2))
    after = await house.redis.info("commandstats")
    assert after["cmdstat_evalsha"]["calls"] - stats["cmdstat_evalsha"]["calls"] == 1
    assert len({entry for entry in entries if entry is not None}) == len(await house.entries()) == 20
    assert entries.count(None) == 20


@pytest.mark.parametrize("state", ["queued", "deferred", "ours", "theirs", "completed", "unknown"])
@pytest.mark.parametrize(
    ("by", "may"),
    [
        (CompletedBy.ANY, {"queued", "deferred", "ours", "theirs"}),
        (CompletedBy.HOLDER, {"ours"}),
        (CompletedBy.UNCLAIMED, {"queued", "deferred"}),
    ],
)
async def test_who_may_end_what(house, state, by, may):
    request = stored()
    one, two = house.claims("one"), house.claims("two")
    if state != "unknown":
        await house.admit(request)
    if state in {"deferred", "ours"}:
        await one.claim(str(request.queue_id), more=0)
    if state == "deferred":
        await one.release([Release(request, delay=60)])
    if state == "theirs":
        await two.claim(str(request.queue_id), more=0)
    if state == "completed":
        await two.finish(ending(request.queue_id))
    before = await house.record(request.queue_id)
    entry = await one.finish(ending(request.queue_id, QueueStatus.FAILED, by))
    assert (entry is not None) == (state in may)
    if entry is None:
        assert await house.record(request.queue_id) == before
    else:
        assert (await house.ledger.stats.sizes()).unfinished == 0
        assert await house.redis.get("umpire:bytes") == b"%d" % len((await house.entries())[0][1][b"e"])
        backlog = (await house.ledger.stats.backlogs([MOCK]))[MOCK]
        assert (backlog.queued, backlog.deferred) == (0, 0)


async def test_a_paid_verdict_ends_a_request_whose_lease_was_lost_and_the_second_one_is_told_so(house):
    request = stored()
    await house.admit(request)
    one, two = house.claims("one"), house.claims("two")
    await one.claim(str(request.queue_id), more=0)
    await house.lapse_now(request)
    await house.sweeps().take_back_lapsed()
    assert ids(await two.claim(None, more=1)) == [str(request.queue_id)]
    assert await one.finish(ending(request.queue_id, by=CompletedBy.ANY)) is not None
    assert await two.finish(ending(request.queue_id, by=CompletedBy.ANY)) is None
    assert await two.release([Release(request)]) == 0
    assert len(await house.entries()) == 1


@pytest.mark.parametrize("front", [True, False])
async def test_given_back_it_keeps_its_turn_in_front_or_loses_it_behind(house, front):
    request, other = stored(), stored()
    await house.admit(request)
    claims = house.claims()
    await claims.claim(None, more=1)
    pushed = (await house.record(request.queue_id))["u"]
    await house.admit(other)
    await asyncio.sleep(0.005)
    assert await claims.release([Release(request, front=front, spent=b"kept")]) == 1
    record = await house.record(request.queue_id)
    assert (record["s"], record["t"]) == (b"queued", b"0")
    assert (record["u"] == pushed) is front
    assert "o" not in record
    assert await lease(house, request) is None
    claimed = await house.claims("two").claim(None, more=2)
    expected = [request, other] if front else [other, request]
    assert ids(claimed) == [str(r.queue_id) for r in expected]
    assert {c.spent for c in claimed if c.stored.queue_id == request.queue_id} == {b"kept"}


async def test_what_is_deferred_waits_out_its_time_counts_its_try_and_keeps_its_priority(house):
    request = stored(priority=7)
    await house.admit(request)
    claims, sweeps = house.claims(), house.sweeps()
    await claims.claim(None, more=1)
    assert await claims.release([Release(request, delay=0.2, counts=True, spent=b"s")]) == 1
    assert (await house.ledger.stats.backlogs([MOCK]))[MOCK].deferred == 1
    assert await house.messages(list_of(request)) == []
    assert await sweeps.push_due(MOCK) == 0
    assert await apoll(lambda: sweeps.push_due(MOCK), 3) == 1
    assert len(await house.messages(list_of(request))) == 1
    (claimed,) = await claims.claim(None, more=1)
    assert (claimed.tries, claimed.spent, claimed.waited < 1) == (1, b"s", True)
    # Nothing said of it this time: as before.
    await claims.release([Release(request)])
    assert (await claims.claim(None, more=1))[0].spent == b"s"


def list_of(request):
    return pointer_list(request.provider, request.request.priority)


async def test_only_the_holder_gives_back(house):
    request = stored()
    await house.admit(request)
    await house.claims("one").claim(str(request.queue_id), more=0)
    assert await house.claims("two").release([Release(request)]) == 0
    assert await house.claims("one").release([]) == 0
    assert (await house.record(request.queue_id))["o"] == b"one"


async def test_a_pointer_that_was_not_claimed_goes_back_to_where_it_was(house):
    first, second = stored(), stored()
    await house.admit(first, second)
    before = (await house.record(first.queue_id))["u"]
    await house.redis.rpop("umpire.mock:9")
    claims = house.claims()
    await claims.push_again(str(first.queue_id), 0)
    assert (await house.record(first.queue_id))["u"] == before
    assert ids(await claims.claim(None, more=2)) == [str(first.queue_id), str(second.queue_id)]
    await claims.push_again(str(first.queue_id), 0)  # it runs: no message
    assert await house.messages("umpire.mock:9") == []


async def test_what_is_paid_is_kept_and_given_back_while_redis_is_out_of_memory(redis_server):
    redis = connect(redis_server().url, timeout=2.0)
    house = House(redis)
    one, other, third = stored(), stored(), stored()
    await house.admit(one, other, third)
    claims = house.claims(cap=60)
    await claims.claim(None, more=3)
    ids = [str(request.queue_id) for request in (one, other, third)]
    await redis.config_set("maxmemory", 1)
    with pytest.raises(OutOfMemoryError):
        await redis.set("anything", "x")
    before = await redis.zmscore("umpire:leases", ids)
    await asyncio.sleep(0.01)
    assert await claims.renew([lease_of(request) for request in (one, other, third)], []) == ([], [])
    assert min(await redis.zmscore("umpire:leases", ids)) > max(before)
    assert await claims.finish(ending(one.queue_id))
    assert await claims.release([Release(other)]) == 1
    assert await claims.release([Release(third, delay=60)]) == 1
    assert [(await house.record(queue_id))["s"] for queue_id in ids] == [b"completed", b"queued", b"deferred"]
    await redis.aclose()
