"""The outbox: at least once, in order, always the same bytes."""

import asyncio

from umpire_store import NOW, event, running


async def test_events_come_in_order_as_the_bytes_that_were_stored(store):
    events = [event(value=bytes([n]) * 3) for n in range(5)]
    await store.outbox.add(events, now=NOW)
    claimed = await store.outbox.claim(now=NOW, limit=99, lease_seconds=30)
    assert [one.event for one in claimed] == events
    assert await store.outbox.find(events[2].event_id) == events[2]


async def test_an_event_that_was_stored_before_is_left_as_it_is(store):
    first = event()
    await store.outbox.add([first], now=NOW)
    await store.outbox.add([event(value=b"other"), type(first)(first.event_id, "x", "y", {}, b"changed")], now=NOW)
    claimed = await store.outbox.claim(now=NOW, limit=99, lease_seconds=30)
    assert [one.event.value for one in claimed] == [first.value, b"other"]


async def test_an_event_that_was_not_published_comes_again_and_one_that_was_does_not(store):
    await store.outbox.add([event() for _ in range(3)], now=NOW)
    first, second, third = await store.outbox.claim(now=NOW, limit=99, lease_seconds=30)
    await store.outbox.published([second.number], now=NOW + 1)
    assert await store.outbox.claim(now=NOW + 29, limit=99, lease_seconds=30) == []
    assert await store.outbox.claim(now=NOW + 30, limit=99, lease_seconds=30) == [first, third]
    assert await store.outbox.oldest(now=NOW + 31) == 31
    await store.outbox.published([first.number, third.number], now=NOW + 40)
    assert await store.outbox.oldest(now=NOW + 50) == 0
    assert await store.outbox.claim(now=NOW + 1e9, limit=99, lease_seconds=30) == []
    assert await store.outbox.forget(published_before=NOW + 40) == 1
    assert await store.outbox.find(second.event.event_id) is None
    assert await store.outbox.find(third.event.event_id) == third.event


async def test_claims_at_once_never_share_an_event(store):
    await store.outbox.add([event() for _ in range(30)], now=NOW)
    shares = await asyncio.gather(*(store.outbox.claim(now=NOW, limit=5, lease_seconds=30) for _ in range(8)))
    numbers = [one.number for share in shares for one in share]
    assert len(numbers) == len(set(numbers))
    rest = await store.outbox.claim(now=NOW, limit=99, lease_seconds=30)
    assert len(numbers) + len(rest) == 30


async def test_events_of_a_step_are_stored_with_it(store):
    its_id = await running(store)
    one = event()
    async with store.assessments.locked(its_id) as unit:
        await unit.save(unit.state, now=NOW, decided=True, events=[one, one])
    async with store.assessments.locked(its_id) as unit:
        await unit.save(unit.state, now=NOW, decided=True, events=[one])
    assert [queued.event for queued in await store.outbox.claim(now=NOW, limit=9, lease_seconds=1)] == [one]
