"""Rows that a newer version of the service wrote stop nothing and nobody."""

import json
import time

import pytest
from redis.asyncio import Redis
from umpire_events import Remembered
from umpire_ledger import MOCK, House, ending, stored

from access.api_keys import ApiKeys, key_of
from access.authenticator import Authenticator
from contracts.clock import utcnow
from contracts.enums import CircuitState, HoldReason, LLMProviderType
from contracts.errors import IdempotencyConflict, ProviderUnavailable
from contracts.settings import BreakerSettings, LedgerSettings, Settings
from guard.adaptive.controller import Process
from guard.adaptive.exchange import LimitExchange
from guard.adaptive.local import CallCounts
from guard.availability import Availability
from guard.breaker import Breaker
from ledger.claims import Release
from ledger.completion import UnclaimedRequests
from ledger.idempotency import AlreadyAccepted, IdempotencyKey
from ledger.outbox import Outbox, Undelivered
from ledger.spend import SpendThresholds

pytestmark = pytest.mark.redis


async def test_workers_of_a_provider_that_is_not_known_here(house: House) -> None:
    soon = (time.time() + 60) * 1000
    await house.redis.zadd("umpire:workers", {"mistral|host.1": soon, "mock|host.2": soon, "mock|host.3": soon})
    assert await house.ledger.stats.workers() == {MOCK: 2}


async def test_a_lapsed_lease_of_such_a_provider_keeps_no_other_from_being_taken_back(house: House) -> None:
    theirs, ours = stored(), stored()
    await house.admit(theirs, ours)
    await house.claims("dead").claim(None, more=2)
    await house.redis.hset(f"umpire:req:{theirs.queue_id}", "p", "mistral")
    await house.lapse_now(theirs, ours)
    assert await house.sweeps().take_back_lapsed() == (1, [])
    assert (await house.record(ours.queue_id))["s"] == b"queued"
    assert (await house.record(theirs.queue_id))["s"] == b"processing"


async def test_more_of_them_than_one_look_takes(house: House) -> None:
    ours = stored()
    await house.admit(ours)
    await house.claims("dead").claim(None, more=1)
    for number in range(600):
        await house.redis.hset(f"umpire:req:theirs-{number}", mapping={"s": "processing", "p": "mistral"})
        await house.redis.zadd("umpire:leases", {f"theirs-{number}": 0})
    await house.lapse_now(ours)
    assert await house.sweeps().take_back_lapsed() == (1, [])


async def test_a_state_of_the_breaker_that_is_not_known_here_lets_a_probe_through(redis: Redis) -> None:
    await redis.hset("umpire:breaker:mock", mapping={"state": "throttled", "since": 5, "new": "field"})
    found = (await Availability(redis, [MOCK]).read())[MOCK]
    assert (found.state, found.available) == (CircuitState.HALF_OPEN, True)


@pytest.mark.parametrize(
    "row", ['{"ceiling": 4, "local": 2, "wants": true, "mood": "good"}', '{"slots": 9}', "?", "[]"]
)
async def test_a_peers_row_with_other_fields(redis: Redis, row: str) -> None:
    board = LimitExchange(redis, LLMProviderType.MOCK, "own")
    await board.report(Process(8, 8), CallCounts())
    for form in (f"{int(time.time() * 1000)} {row}", row):
        await redis.hset("umpire:adapt:mock:rows", "peer", form)
        word = await board.report(Process(8, 8), CallCounts())
        assert word.allocation.limit >= 1


async def test_a_record_that_cannot_be_read_is_not_cancelled(house: House) -> None:
    request = stored()
    await house.admit(request)
    body = json.loads((await house.record(request.queue_id))["b"])
    body["provider"] = "mistral"
    await house.redis.set(f"umpire:body:{request.queue_id}", json.dumps(body))
    found = await UnclaimedRequests(house.redis, LedgerSettings(), owner="door").find(request.queue_id)
    assert found is not None
    assert (found.state, found.stored, found.readable) == ("queued", None, False)


async def test_more_expired_ones_than_one_look_takes(house: House) -> None:
    """Neither those in another state nor those that cannot be read keep ours from its end."""
    ours = stored(ttl=0.001)
    await house.admit(ours)
    await house.redis.zadd("umpire:expiry", {str(ours.queue_id): 900})
    for number in range(600):
        await house.redis.hset(f"umpire:req:odd-{number}", mapping={"s": "reviewing", "p": "mistral", "e": 1, "n": 9})
        await house.redis.hset(f"umpire:req:new-{number}", mapping={"s": "queued", "p": "mistral", "e": 1, "n": 9})
        await house.redis.set(f"umpire:body:new-{number}", '{"provider": "mistral"}')
        await house.redis.zadd("umpire:expiry", {f"odd-{number}": 1, f"new-{number}": 2})
    assert [left.stored.queue_id for left in await house.sweeps().expired()] == [ours.queue_id]
    assert await house.redis.zcard("umpire:expiry") == 1201


async def test_more_deferred_ones_than_one_look_takes_and_they_keep_their_places(house: House) -> None:
    ours = stored()
    await house.admit(ours)
    claims = house.claims()
    await claims.claim(None, more=1)
    await claims.release([Release(ours, delay=0.001)])
    for number in range(600):
        await house.redis.hset(f"umpire:req:theirs-{number}", mapping={"s": "reviewing", "p": "mock"})
        await house.redis.zadd("umpire:deferred:mock", {f"theirs-{number}": 1})
    assert await house.sweeps().push_due(MOCK) == 1
    assert (await house.record(ours.queue_id))["s"] == b"queued"
    assert await house.redis.zcard("umpire:deferred:mock") == 600


async def test_a_state_that_is_not_known_here_keeps_its_lease_and_its_place_in_the_queue(house: House) -> None:
    theirs = stored()
    await house.admit(theirs)
    name = str(theirs.queue_id)
    await house.redis.hset(f"umpire:req:{name}", "s", "reviewing")
    await house.redis.zadd("umpire:leases", {name: 1})
    await house.redis.zadd("umpire:queued:mock", {name: 1})
    sweeps = house.sweeps()
    assert await sweeps.take_back_lapsed() == (0, [])
    assert await sweeps.push_lost(MOCK) == 0
    assert await house.redis.zscore("umpire:leases", name) == 1
    assert await house.redis.zscore("umpire:queued:mock", name) == 1


async def test_outbox_entries_of_another_form_are_counted_once_and_left_alone(house: House) -> None:
    ours = stored()
    await house.admit(ours)
    claims = house.claims()
    await claims.claim(None, more=1)
    await house.redis.xadd("umpire:outbox", {"v": "2", "z": "compressed"})
    entry_id = await claims.finish(ending(ours.queue_id))
    assert entry_id is not None
    await house.redis.xadd("umpire:outbox", {"v": "2"})
    notes = Remembered()
    outbox = Outbox(house.redis, max_dead=3, observer=notes)
    now = await house.sweeps().now_ms()
    for _ in range(2):
        after, entries = await outbox.older_than(now + 10, 0)
        assert [entry.entry_id for entry in entries] == [entry_id]
        assert after is not None
    assert [note.labels for note in notes.named("row.unknown")] == [{"kind": "outbox"}] * 2
    # What is due likewise, and what is no entry's id at all.
    ids = [row[0] for row in await house.entries()]
    await house.redis.zadd("umpire:outbox:due", {"v2:7": 0, **dict.fromkeys(ids, 1)})
    taken, entries = await outbox.take_due(10)
    assert (taken, [entry.entry_id for entry in entries]) == (4, [entry_id])
    assert [fate.value for fate, _ in await outbox.undelivered([Undelivered(i, "X", 0) for i in ids])] == [
        "waits", "dead", "waits",
    ]  # fmt: skip


async def test_dead_letters_of_another_form_are_passed_over(house: House) -> None:
    await house.redis.zadd("umpire:dead", {"theirs": 1})
    await house.redis.hset("umpire:dead:theirs", mapping={"v": "2"})
    assert await house.dead.newest(9) == []
    assert await house.dead.read("theirs") is None
    assert await house.dead.replay(["theirs"]) == []
    assert await house.dead.count() == 1


async def test_a_breaker_in_a_state_that_is_not_known_here_closes_by_its_probe(redis: Redis) -> None:
    await redis.hset(
        "umpire:breaker:mock", mapping={"state": "throttled", "since": "v2", "until": "v2", "average": "?"}
    )
    await redis.hset("umpire:breaker:mock:window", mapping={"x12": "3", "fv2": "1"})
    breaker = Breaker(redis, MOCK, Settings())
    assert await breaker.lease_probe("probe", 5.0)
    transition = await breaker.probe_succeeded("probe", 0.1)
    assert transition is not None
    assert transition.state is CircuitState.CLOSED


async def test_a_window_with_counts_of_another_kind(redis: Redis) -> None:
    await redis.hset("umpire:breaker:mock:window", mapping={"x12": "3", "fv2": "1"})
    settings = Settings(breaker=BreakerSettings(breaker_failures=3))
    breaker = Breaker(redis, MOCK, settings)
    for _ in range(settings.breaker_volume):
        transition = await breaker.failed(ProviderUnavailable("down"), 0.1)
    assert transition is not None
    assert transition.state is CircuitState.OPEN


@pytest.mark.parametrize("kept", ["1 2 v2", "v2 1", "v2", ""])
async def test_a_pause_of_another_form(redis: Redis, kept: str) -> None:
    await redis.set("umpire:gate:mock", kept)
    assert (await Availability(redis, [MOCK]).read())[MOCK].available


async def test_a_hold_for_a_reason_that_is_not_known_here(redis: Redis) -> None:
    await redis.hset("umpire:hold:mock", mapping={"reason": "audited", "since": "v2", "probe": "v2", "v": "2"})
    await redis.sadd("umpire:holds:mock", "some-model")
    await redis.hset("umpire:hold:mock:some-model", mapping={"reason": "audited", "lease": "v2", "owner": "o"})
    found = (await Availability(redis, [MOCK]).read())[MOCK]
    assert found.hold is not None
    assert found.hold.reason is HoldReason.MISCONFIGURED
    assert found.held_models.keys() == {"some-model"}


async def test_an_idempotency_key_with_more_behind_it(house: House) -> None:
    first = stored()
    once = IdempotencyKey("a" * 64, "b" * 64)
    await house.ledger.admit(first, idempotency_key=once)
    await house.redis.append("umpire:once:" + once.key, " v2 more")
    with pytest.raises(AlreadyAccepted) as before:
        await house.ledger.admit(stored(), idempotency_key=once)
    assert before.value.queue_id == first.queue_id
    assert await house.ledger.recall(once) == first.queue_id
    await house.redis.set("umpire:once:" + once.key, once.fingerprint + "v2:7")
    with pytest.raises(IdempotencyConflict):
        await house.ledger.admit(stored(), idempotency_key=once)
    with pytest.raises(IdempotencyConflict):
        await house.ledger.recall(once)


async def test_an_api_key_with_limits_of_another_form_lets_its_caller_in_and_no_other_out(redis: Redis) -> None:
    keys = ApiKeys(redis)
    theirs, text = await keys.create("theirs", frozenset({"comparisons:submit", "comparisons:watch"}), rate=5)
    ours, other = await keys.create("ours", frozenset(), rate=5, daily_cost=1.0)
    odd = {"rate": "5/second", "queued": "9 each", "cost": "1 EUR", "created": "2026-01-01", "mode": "batch", "v": "2"}
    await redis.hset(f"umpire:apikey:{theirs.id}", mapping=odd)
    await redis.set(f"umpire:rate:{ours.id}", "v2 7")
    door = Authenticator(redis, 60.0)
    known = (await door.authenticate(text, 1.0)).key
    assert (known.id, known.rate, known.max_queued, known.daily_cost) == (theirs.id, None, None, None)
    assert (await door.authenticate(other, 1.0)).rate is not None
    assert {use.key.id for use in await keys.uses()} == {theirs.id, ours.id}
    # Whatever stands there, it is revoked.
    assert key_of("k", {"revoked": "by v2"}).revoked is not None
    # And what it spends keeps no other key from its alert.
    day = f"umpire:spent:{utcnow().date().isoformat()}"
    await redis.hset(day, mapping={theirs.id: "1 EUR", ours.id: "2.0", "v2": "many"})
    assert {one.key_id for one in await SpendThresholds(redis).newly_crossed()} == {ours.id}


@pytest.mark.parametrize("kept", ["7 v2", "many"])
async def test_a_sum_of_bytes_of_another_form_loses_no_dead_letter(house: House, kept: str) -> None:
    ours = stored()
    await house.admit(ours)
    claims = house.claims()
    await claims.claim(None, more=1)
    entry_id = await claims.finish(ending(ours.queue_id))
    assert entry_id is not None
    await house.redis.set("umpire:bytes", kept)
    ((fate, entry),) = await house.outbox.undelivered([Undelivered(entry_id, "X", 0)])
    assert (fate.value, entry is not None) == ("dead", True)
    assert await house.dead.replay([str(ours.queue_id)]) == [str(ours.queue_id)]
    assert await house.dead.count() == 0
    ((again, _),) = await house.entries()
    await house.confirm(again)
    assert await house.entries() == []
