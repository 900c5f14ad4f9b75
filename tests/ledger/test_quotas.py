"""What an API key may have unfinished, and spend a day: counted where it is admitted and where it ends."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from umpire_ledger import ending, stored

from contracts.clock import until_midnight, utcnow
from contracts.enums import QueueStatus
from contracts.errors import CostLimitReached, QuotaExceeded
from ledger import keys
from ledger.claims import Release
from ledger.completion import CompletedBy
from ledger.idempotency import IdempotencyKey

pytestmark = pytest.mark.redis


async def owned(house):
    return {key.decode(): int(count) for key, count in (await house.redis.hgetall(keys.OWNED)).items()}


async def spent(house):
    spending = await house.redis.hgetall(keys.spent(utcnow().date()))
    return {key.decode(): float(cost) for key, cost in spending.items()}


async def test_a_key_has_no_more_unfinished_than_it_may_and_others_have_nothing_to_do_with_it(house):
    await house.key("ann", queued=3)
    requests = [stored(owner="ann") for _ in range(5)]
    outcomes = await asyncio.gather(*(house.ledger.admit(one) for one in requests), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, QuotaExceeded)]
    assert len(refused) == 2
    assert all(error.retry_after and error.details == {"limit": "max_queued"} for error in refused)
    await house.admit(stored(owner="ben"), stored())
    assert await owned(house) == {"ann": 3, "ben": 1}
    # In whatever state: only an end makes room.
    (claimed,) = await house.claims().claim(str(requests[0].queue_id), more=0)
    await house.claims().release([Release(claimed.stored, delay=60)])
    with pytest.raises(QuotaExceeded):
        await house.ledger.admit(stored(owner="ann"))
    await house.claims().finish(ending(requests[0].queue_id, QueueStatus.CANCELLED, CompletedBy.UNCLAIMED))
    await house.ledger.admit(stored(owner="ann"))


async def test_an_owner_is_known_after_the_end_and_counted_once(house):
    request = stored(owner="ann")
    await house.admit(request, request)
    assert await owned(house) == {"ann": 1}
    claims = house.claims()
    assert await claims.finish(ending(request.queue_id))
    assert await claims.finish(ending(request.queue_id)) is None
    await house.ledger.admit(request)  # a replay that comes late
    assert await owned(house) == {}
    record = await house.record(request.queue_id)
    assert (record["w"], "b" in record) == (b"ann", False)


async def test_a_replay_at_the_limit_is_no_new_request(house):
    await house.key("ann", queued=1)
    request = stored(owner="ann")
    await house.admit(request)
    assert await house.ledger.admit(request) == 0
    assert await owned(house) == {"ann": 1}


async def test_what_was_accepted_before_goes_in_past_the_limits_and_counts(house):
    await house.key("ann", queued=1, cost=0)
    request = stored(owner="ann")
    for _ in range(2):
        await house.ledger.admit(request, accepted=True)
    await house.ledger.admit(stored(owner="ann"), accepted=True)
    assert await owned(house) == {"ann": 2}


async def test_a_refused_request_does_not_use_up_its_idempotency_key(house):
    await house.key("ann", queued=0)
    request = stored(owner="ann")
    once = IdempotencyKey.of("key", request.request)
    with pytest.raises(QuotaExceeded):
        await house.ledger.admit(request, idempotency_key=once)
    await house.key("ann")
    assert await house.ledger.admit(request, idempotency_key=once) == 0


async def test_the_days_cost_is_bounded_and_whatever_was_paid_counts(house):
    await house.key("ann", cost="0.3")
    requests = [stored(owner="ann") for _ in range(3)]
    await house.admit(*requests)
    # A verdict, an error after a paid attempt, and one that expired after one: 0.1 each, exactly the limit.
    for request, state in zip(requests, (QueueStatus.COMPLETED, QueueStatus.FAILED, QueueStatus.EXPIRED), strict=True):
        await house.ledger.admit(stored())
        await house.claims().finish(ending(request.queue_id, state, cost=0.1))
    assert await spent(house) == {"ann": 0.3}
    with pytest.raises(CostLimitReached) as reached:
        await house.ledger.admit(stored(owner="ann"))
    assert reached.value.details == {"limit": "daily_cost"}
    assert reached.value.retry_after == pytest.approx(until_midnight(utcnow()), abs=5)
    await house.admit(stored(owner="ben"), stored())
    assert 0 < await house.redis.ttl(keys.spent(utcnow().date())) <= 3 * 86_400


async def test_yesterdays_spending_is_yesterdays(house):
    await house.key("ann", cost=1)
    await house.redis.hset(keys.spent(utcnow().date() - timedelta(days=1)), "ann", 5)
    await house.ledger.admit(stored(owner="ann"))


async def test_an_unknown_price_counts_as_nothing(house):
    await house.key("ann", cost=1)
    request = stored(owner="ann")
    await house.admit(request)
    await house.claims().finish(ending(request.queue_id, cost=0.0))
    assert await spent(house) == {}
    assert await owned(house) == {}


async def test_a_claim_says_whether_its_owner_may_spend_and_where_it_may_publish(house):
    await house.key("ann", cost=1, topics="team.*,other")
    await house.key("ben")
    requests = [stored(owner="ann"), stored(owner="ben"), stored()]
    await house.admit(*requests)
    await house.redis.hset(keys.spent(utcnow().date()), "ann", 1)
    claimed = {one.stored.owner: one for one in await house.claims().claim(None, more=3)}
    assert {owner: (one.may_spend, one.topics) for owner, one in claimed.items()} == {
        "ann": (False, "team.*,other"),
        "ben": (True, ""),
        None: (True, ""),
    }


async def test_a_forbidden_ending_is_marked_in_the_outbox(house):
    request = stored(owner="ann")
    await house.admit(request)
    entry_id = await house.claims().finish(replace(ending(request.queue_id), forbidden=True))
    (entry,) = await house.outbox.read([entry_id])
    assert entry.forbidden
