"""Permits of a process: first come, first served, nobody for ever; and slots follow them."""

import asyncio

import pytest

from devtools.servers import apoll
from guard.adaptive.local import Allocation
from providers.base import ProviderAnswer, RateHeaders, StopReason, Usage
from tasks.call.permit_queue import Permit, SharedPermits, header_limits
from tasks.slots import Slots


def permits(limit: int, slots: int = 64, **share: float) -> SharedPermits:
    made = SharedPermits(Slots(slots))
    made.follow(Allocation(limit, limit, **share))
    return made


def permit(shared: SharedPermits) -> Permit:
    granted = shared.try_acquire()
    assert granted is not None
    return granted


async def test_a_call_waits_until_another_ends_and_none_overtakes() -> None:
    shared = permits(1)
    first = permit(shared)
    order: list[int] = []

    async def wait(number: int) -> None:
        granted = await shared.acquire(5)
        order.append(number)
        shared.release(granted)

    waiting = [asyncio.create_task(wait(number)) for number in range(4)]
    await asyncio.sleep(0)
    assert shared.try_acquire() is None
    shared.release(first)
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2, 3]
    assert permit(shared).level == 1


async def test_whoever_gives_up_takes_no_turn_with_it() -> None:
    shared = permits(1)
    first = permit(shared)
    with pytest.raises(TimeoutError):
        await shared.acquire(0.01)
    cancelled = asyncio.create_task(shared.acquire(5))
    await asyncio.sleep(0)
    shared.release(first)  # its turn has come, and it is cancelled before it knows
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    assert permit(shared).level == 1


async def test_the_rate_lets_one_through_after_another_without_anybody_asking() -> None:
    shared = permits(64, rate=50.0)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(3):
        shared.acquire_now()
    await asyncio.gather(*(shared.acquire(5) for _ in range(10)))
    assert 0.15 < loop.time() - began < 5


async def test_at_the_end_all_are_let_through_at_once() -> None:
    shared = permits(1)
    permit(shared)
    waiting = [asyncio.create_task(shared.acquire(60)) for _ in range(5)]
    await asyncio.sleep(0)
    shared.close()
    await asyncio.wait_for(asyncio.gather(*waiting), 1)
    assert shared.try_acquire() is not None


async def test_slots_follow_the_limit_and_what_rests_in_them_is_besides() -> None:
    slots = Slots(64)
    shared = SharedPermits(slots)
    shared.follow(Allocation(4, 4))
    assert await slots.take(64) == 4 + 1
    more = asyncio.create_task(slots.take(64))
    await asyncio.sleep(0)
    assert not more.done()
    shared.back_off(2)
    assert await asyncio.wait_for(more, 1) == 2
    more = asyncio.create_task(slots.take(64))
    await asyncio.sleep(0)
    shared.follow(Allocation(14, 4))
    assert await asyncio.wait_for(more, 1) == 10


async def test_a_worker_with_nothing_to_do_wants_no_share() -> None:
    slots = Slots(1)
    shared = SharedPermits(slots)
    assert not shared.wants
    await slots.take(1)
    assert shared.wants
    waiting = asyncio.create_task(slots.take(1))
    slots.give(1)
    await apoll(waiting.done)
    slots.give(1)
    assert not shared.wants


async def test_what_answers_say_is_reported_once() -> None:
    shared = permits(4)
    headers = RateHeaders(requests_limit=600, requests_remaining=7, requests_reset=1.5, tokens_limit=9000)
    shared.answered(ProviderAnswer("", "m", Usage(80, 20), StopReason.END, headers), 0.5)
    tally, heard = shared.report(0.25)
    assert (tally.answers, tally.tokens, tally.seconds) == (1, 100, 0.5)
    assert heard[0] is not None
    assert (heard[0].limit, heard[0].remaining, heard[0].reset) == (600, 7, 1.5)
    assert heard[1] is None
    assert shared.report(0.25)[1] == (None, None)
    assert header_limits(None) == (None, None)
