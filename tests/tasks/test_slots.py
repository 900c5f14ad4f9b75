"""Slots: what is taken is given back, first come first served, and nobody waits for ever."""

import asyncio

from devtools.servers import apoll
from tasks.slots import GATHER_FROM, Slots


async def test_takes_as_many_as_are_free_and_no_more() -> None:
    slots = Slots(5)
    assert await slots.take(3) == 3
    assert await slots.take(3) == 2
    assert slots.free == 0


async def test_waits_for_a_slot_that_is_given_back() -> None:
    slots = Slots(1)
    await slots.take(1)
    waiting = asyncio.create_task(slots.take(16))
    await asyncio.sleep(0)
    assert not waiting.done()
    slots.give(1)
    assert await asyncio.wait_for(waiting, 1) == 1


async def test_who_waited_gathers_what_falls_free_a_moment_later() -> None:
    slots = Slots(GATHER_FROM)
    await slots.take(GATHER_FROM)
    waiting = asyncio.create_task(slots.take(16))
    await asyncio.sleep(0)
    slots.give(1)
    asyncio.get_running_loop().call_soon(slots.give, 2)
    assert await asyncio.wait_for(waiting, 1) == 3


async def test_first_come_first_served() -> None:
    slots = Slots(1)
    await slots.take(1)
    order: list[int] = []

    async def take(number: int) -> None:
        await slots.take(1)
        order.append(number)

    takers = [asyncio.create_task(take(number)) for number in range(5)]
    for done in range(1, 6):
        slots.give(1)
        await apoll(lambda done=done: len(order) == done)
    assert order == [0, 1, 2, 3, 4]
    await asyncio.gather(*takers)


async def test_closing_ends_every_wait_and_gives_nothing() -> None:
    slots = Slots(1)
    await slots.take(1)
    waiting = [asyncio.create_task(slots.take(1)) for _ in range(3)]
    await asyncio.sleep(0)
    slots.close()
    assert await asyncio.wait_for(asyncio.gather(*waiting), 1) == [0, 0, 0]
    slots.give(1)
    assert await slots.take(1) == 0
    assert slots.free == 1


async def test_a_cancelled_wait_takes_nothing_with_it() -> None:
    slots = Slots(1)
    await slots.take(1)
    given_up, patient = asyncio.create_task(slots.take(1)), asyncio.create_task(slots.take(1))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait([given_up])
    slots.give(1)
    assert await asyncio.wait_for(patient, 1) == 1


async def test_no_more_are_used_than_there_is_room_for() -> None:
    slots, room = Slots(16), 3
    slots.follow(lambda: room)
    assert await slots.take(16) == 3
    waiting = asyncio.create_task(slots.take(16))
    await asyncio.sleep(0)
    slots.give(1)
    assert await asyncio.wait_for(waiting, 1) == 1
    waiting = asyncio.create_task(slots.take(16))
    room = 1
    slots.give(1)
    await asyncio.sleep(0.05)
    assert not waiting.done()
    room = 9
    slots.wake()
    assert await asyncio.wait_for(waiting, 1) == 7
