"""Kept results: how long they are kept, how much memory they take, and their redelivery through the outbox."""

import asyncio
import time
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from umpire_ledger import House, ending, stored

from contracts.enums import QueueStatus
from contracts.settings import LedgerSettings
from ledger.completion import CompletedBy, Completion, UnclaimedRequests
from ledger.outbox import Undelivered
from ledger.outbox.kept import CONFLICT, FOREIGN, FULL, NOT_KEPT, UNREADABLE, FoundResult, KeptResults, Redelivered
from ledger.request import StoredRequest
from ledger.stats import Kept

pytestmark = pytest.mark.redis

KEEP = LedgerSettings(results_keep_seconds=3600)


@pytest.fixture
def house(redis: Redis) -> House:
    return House(redis, KEEP)


@pytest.fixture
def results(house: House) -> KeptResults:
    return KeptResults(house.redis, house.settings)


async def ended(house: House, owner: str | None = None, size: int = 0, by: House | None = None) -> Completion:
    """A request that has ended with an event of at least `size` bytes."""
    request = stored(owner=owner)
    await house.admit(request)
    record = ending(request.queue_id)
    record = replace(record, event=record.event + b" " * size)
    assert await (by or house).claims().finish(record)
    return record


async def ids(house: House) -> list[str]:
    """Of the kept results, as the list of them has them."""
    return [fields[b"i"].decode() for _, fields in await house.redis.xrange("umpire:results")]


async def test_without_the_setting_nothing_is_kept(redis: Redis) -> None:
    house = House(redis)
    assert not house.settings.results_keep_seconds
    record = await ended(house)
    assert [key async for key in redis.scan_iter("umpire:result*")] == []
    results = KeptResults(redis, house.settings)
    assert await results.redeliver([record.queue_id]) == [Redelivered(NOT_KEPT, replayed=False)]
    assert await results.find([UUID(record.queue_id)]) == [FoundResult("completed", "", None)]


async def test_a_result_is_kept_for_its_time_with_all_that_a_redelivery_needs(house: House) -> None:
    record = await ended(house, owner="one")
    kept = await house.redis.hgetall(f"umpire:result:{record.queue_id}")
    assert kept == {b"t": b"answers", b"k": b"key", b"e": record.event, b"w": b"one"}
    for key in (f"umpire:result:{record.queue_id}", "umpire:results", "umpire:results:bytes"):
        assert 3590 <= await house.redis.ttl(key) <= 3600


async def test_every_end_is_kept(house: House, results: KeptResults) -> None:
    """Also those of requests that no worker holds, and of a request whose record Redis has lost."""
    idle, lost = stored(), stored()
    await house.admit(idle)
    write = UnclaimedRequests(house.redis, house.settings, owner="api").end
    cancelled = ending(idle.queue_id, QueueStatus.CANCELLED, CompletedBy.UNCLAIMED, code="LLM_REQUEST_CANCELLED")
    assert await write(cancelled)
    assert not await write(cancelled)
    assert await house.claims().finish(ending(lost.queue_id, claimed=time.monotonic()))
    assert await ids(house) == [str(idle.queue_id), str(lost.queue_id)]
    found = await results.find([idle.queue_id, lost.queue_id])
    assert [one and one.state for one in found] == ["cancelled", "completed"]


async def test_a_redelivery_is_an_outbox_entry_of_its_own_and_the_books_stay(
    house: House, results: KeptResults
) -> None:
    record = await ended(house)
    books, (first,) = await house.ledger.stats.books(), await house.entries()
    for number in (1, 2, 3):
        assert await results.redeliver([record.queue_id]) == [Redelivered(number, replayed=False)]
    entries = await house.entries()
    assert entries[0] == first
    same = {name: value for name, value in first[1].items() if name != b"f"}
    assert [fields for _, fields in entries[1:]] == [{**same, b"n": b"%d" % number} for number in (1, 2, 3)]
    taken, due = await house.outbox.take_due(10)
    assert (taken, [one.redelivery for one in due]) == (3, [1, 2, 3])
    assert {(one.queue_id, one.topic, one.key, one.event) for one in due} == {
        (record.queue_id, record.topic, record.key, record.event)
    }
    assert await house.ledger.stats.books() == books
    await house.confirm(*[entry_id for entry_id, _ in entries])
    assert await house.entries() == []
    assert int(await house.redis.get("umpire:bytes")) == 0


async def test_a_dead_letter_is_redelivered_to_its_own_topic_and_stays(house: House, results: KeptResults) -> None:
    record = await ended(house)
    (entry,) = await house.entries()
    await house.outbox.undelivered([Undelivered(entry[0], "TOPIC_AUTHORIZATION_FAILED", 0)])
    assert (await house.dead.ids(), await house.entries()) == ([record.queue_id], [])
    assert await results.redeliver([record.queue_id]) == [Redelivered(1, replayed=False)]
    ((again, fields),) = await house.entries()
    assert (fields[b"t"], fields[b"e"], fields[b"n"]) == (b"answers", record.event, b"1")
    # If Kafka refuses it again, it is the same dead letter.
    await house.outbox.undelivered([Undelivered(again, "TOPIC_AUTHORIZATION_FAILED", 0)])
    assert (await house.dead.ids(), await house.entries()) == ([record.queue_id], [])


async def test_concurrent_redeliveries_have_numbers_of_their_own(house: House, results: KeptResults) -> None:
    record = await ended(house)
    done = await asyncio.gather(*(results.redeliver([record.queue_id]) for _ in range(20)))
    assert sorted(one.number for (one,) in done) == list(range(1, 21))


async def test_of_another_owner_or_not_kept(house: House, results: KeptResults) -> None:
    mine, theirs, nobodys = [await ended(house, owner) for owner in ("me", "them", None)]
    names = [mine.queue_id, theirs.queue_id, nobodys.queue_id, str(uuid4())]
    assert [one.number for one in await results.redeliver(names, owner="me")] == [1, FOREIGN, FOREIGN, NOT_KEPT]
    assert [one.number for one in await results.redeliver(names)] == [2, 1, 1, NOT_KEPT]


async def test_an_idempotency_key_redelivers_once(house: House, results: KeptResults) -> None:
    one, other = await ended(house), await ended(house)
    assert await results.redeliver([one.queue_id], once=["hash"]) == [Redelivered(1, replayed=False)]
    await house.redis.delete(f"umpire:result:{one.queue_id}")
    assert await results.redeliver([one.queue_id], once=["hash"]) == [Redelivered(1, replayed=True)]
    assert [found.number for found in await results.redeliver([other.queue_id], once=["hash"])] == [CONFLICT]
    # A refusal is not remembered.
    assert [found.number for found in await results.redeliver([one.queue_id], once=["new"])] == [NOT_KEPT]
    assert not await house.redis.exists("umpire:once:new")
    assert len(await house.entries()) == 3


async def test_an_expired_result_is_not_kept(redis: Redis) -> None:
    house = House(redis, LedgerSettings(results_keep_seconds=1))
    results = KeptResults(redis, house.settings)
    old = await ended(house)
    await asyncio.sleep(1.1)
    assert [one.number for one in await results.redeliver([old.queue_id])] == [NOT_KEPT]
    assert await house.ledger.stats.kept() == Kept(0, 0)
    new = await ended(house)
    assert await ids(house) == [new.queue_id]


async def test_an_expired_result_leaves_the_list_with_the_next_one(redis: Redis) -> None:
    """A process with a longer time keeps the list alive."""
    short, long = House(redis, LedgerSettings(results_keep_seconds=1)), House(redis, KEEP)
    first = await ended(long)
    await asyncio.sleep(1.1)
    second = await ended(short)
    assert await ids(long) == [second.queue_id]
    assert not await redis.exists(f"umpire:result:{first.queue_id}")
    assert await redis.ttl("umpire:results") > 3000


async def test_the_memory_bound_drops_the_oldest(redis: Redis) -> None:
    house = House(redis, LedgerSettings(results_keep_seconds=3600, results_max_memory_mb=0.02))
    records = [await ended(house, size=1000) for _ in range(40)]
    results = KeptResults(redis, house.settings)
    kept = await ids(house)
    assert 5 <= len(kept) <= 15
    assert kept == [one.queue_id for one in records[-len(kept) :]]
    found = await results.find([UUID(one.queue_id) for one in records])
    assert [one is not None and one.topic is not None for one in found] == [False] * (40 - len(kept)) + [True] * len(
        kept
    )
    size = await house.ledger.stats.kept()
    assert size.results == len(kept)
    assert size.bytes <= 20_000


async def test_the_bytes_that_are_counted_are_those_that_redis_takes(house: House, results: KeptResults) -> None:
    for _ in range(200):
        await ended(house, size=1300)
    kept = sum([await house.redis.memory_usage(key) async for key in house.redis.scan_iter("umpire:result:*")])
    kept += await house.redis.memory_usage("umpire:results")
    counted = (await house.ledger.stats.kept()).bytes
    assert 0.9 <= counted / kept <= 1.1, (counted / 200, kept / 200)


async def test_a_lower_bound_is_reached_step_by_step(redis: Redis) -> None:
    house = House(redis, KEEP)
    for _ in range(300):
        await ended(house)
    low = House(redis, LedgerSettings(results_keep_seconds=3600, results_max_memory_mb=0.01))
    await ended(house, by=low)
    assert 195 <= len(await ids(house)) <= 205
    for _ in range(3):
        last = await ended(house, by=low)
    assert (await ids(house))[-1] == last.queue_id
    assert len(await ids(house)) < 15


async def test_a_full_outbox_refuses_redeliveries(redis: Redis) -> None:
    house = House(redis, LedgerSettings(results_keep_seconds=3600, ledger_max_size=30))
    records = [await ended(house) for _ in range(2)]
    results = KeptResults(redis, house.settings)
    names = [one.queue_id for one in records]
    assert [one.number for one in await results.redeliver(names)] == [1, FULL]
    assert len(await house.entries()) == 3


async def test_damaged_keys_stop_no_end(house: House, results: KeptResults) -> None:
    for key in ("umpire:results", "umpire:results:bytes"):
        await house.redis.sadd(key, "odd")
        record = await ended(house)
        assert (await house.record(record.queue_id))["s"] == b"completed"
        assert len(await house.entries()) >= 1
        await house.redis.delete(key)
    request = stored()
    await house.redis.set(f"umpire:result:{request.queue_id}", "odd")
    await house.admit(request)
    assert await house.claims().finish(ending(request.queue_id))


async def test_results_of_a_newer_version(house: House, results: KeptResults) -> None:
    known, other, new_type = await ended(house), await ended(house), await ended(house)
    await house.redis.delete(f"umpire:result:{other.queue_id}", f"umpire:result:{new_type.queue_id}")
    await house.redis.hset(f"umpire:result:{other.queue_id}", mapping={"z": "compressed", "w": ""})
    await house.redis.set(f"umpire:result:{new_type.queue_id}", "packed")
    await house.redis.hset(f"umpire:result:{known.queue_id}", mapping={"n": "first", "new": "field"})
    await house.redis.xadd("umpire:results", {"v": "2"})
    records = [known, other, new_type]
    names = [one.queue_id for one in records]
    assert [one.number for one in await results.redeliver(names)] == [1, UNREADABLE, UNREADABLE]
    found = await results.find([UUID(name) for name in names])
    assert [one and one.readable for one in found] == [True, False, False]
    rows = await results.page("-", "+", 10)
    assert [(row.queue_id, row.topic) for row in rows] == [
        (known.queue_id, "answers"),
        (other.queue_id, None),
        (new_type.queue_id, None),
        ("", None),
    ]


async def test_pages_in_the_order_of_the_ends(house: House, results: KeptResults) -> None:
    records = [await ended(house, owner) for owner in ("a", "b", "a")]
    first = await results.page("-", "+", 2)
    assert [(row.queue_id, row.topic, row.owner) for row in first] == [
        (records[0].queue_id, "answers", "a"),
        (records[1].queue_id, "answers", "b"),
    ]
    rest = await results.page(first[-1].entry_id, "+", 2)
    assert [row.queue_id for row in rest] == [records[2].queue_id]
    assert await results.page(rest[-1].entry_id, "+", 2) == []
    now = await house.sweeps().now_ms()
    assert await results.page(str(now + 1000), "+", 2) == []
    assert len(await results.page("-", str(now + 1000), 9)) == 3


async def test_a_request_that_has_not_ended(house: House, results: KeptResults) -> None:
    request: StoredRequest = stored(owner="me")
    await house.admit(request)
    assert await results.find([request.queue_id, uuid4()]) == [FoundResult("queued", "me", None), None]
