"""Turns of a process: first come, first served, nobody for ever; and slots follow them."""

import asyncio

import pytest
from umpire_servers import apoll

from guard.adaptive.local import Allocation
from providers.base import ProviderAnswer, RateHeaders, StopReason, Usage
from tasks.slots import Slots
from tasks.turns import Passed, SharedTurns, said


def turns(limit: int, slots: int = 64, **share: float) -> SharedTurns:
    made = SharedTurns(Slots(slots))
    made.follow(Allocation(limit, limit, **share))
    return made


def passed(shared: SharedTurns) -> Passed:
    turn = shared.at_once()
    assert turn is not None
    return turn


async def test_a_call_waits_until_another_ends_and_none_overtakes() -> None:
    shared = turns(1)
    first = passed(shared)
    order: list[int] = []

    async def wait(number: int) -> None:
        turn = await shared.wait(5)
        order.append(number)
        shared.over(turn)

    waiting = [asyncio.create_task(wait(number)) for number in range(4)]
    await asyncio.sleep(0)
    assert shared.at_once() is None
    shared.over(first)
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2, 3]
    assert passed(shared).level == 1


async def test_whoever_gives_up_takes_no_turn_with_it() -> None:
    shared = turns(1)
    first = passed(shared)
    with pytest.raises(TimeoutError):
        await shared.wait(0.01)
    cancelled = asyncio.create_task(shared.wait(5))
    await asyncio.sleep(0)
    shared.over(first)  # its turn has come, and it is cancelled before it knows
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    assert passed(shared).level == 1


async def test_the_rate_lets_one_through_after_another_without_anybody_asking() -> None:
    shared = turns(64, rate=50.0)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(3):
        shared.anyhow()
    await asyncio.gather(*(shared.wait(5) for _ in range(10)))
    assert 0.15 < loop.time() - began < 5


async def test_at_the_end_all_are_let_through_at_once() -> None:
    shared = turns(1)
    passed(shared)
    waiting = [asyncio.create_task(shared.wait(60)) for _ in range(5)]
    await asyncio.sleep(0)
    shared.end()
    await asyncio.wait_for(asyncio.gather(*waiting), 1)
    assert shared.at_once() is not None


async def test_slots_follow_the_limit_and_what_rests_in_them_is_besides() -> None:
    slots = Slots(64)
    shared = SharedTurns(slots)
    shared.follow(Allocation(4, 4))
    assert await slots.take(64) == 4 + 1
    more = asyncio.create_task(slots.take(64))
    await asyncio.sleep(0)
    assert not more.done()
    shared.rest(2)
    assert await asyncio.wait_for(more, 1) == 2
    more = asyncio.create_task(slots.take(64))
    await asyncio.sleep(0)
    shared.follow(Allocation(14, 4))
    assert await asyncio.wait_for(more, 1) == 10


async def test_a_worker_with_nothing_to_do_wants_no_share() -> None:
    slots = Slots(1)
    shared = SharedTurns(slots)
    assert not shared.wants
    await slots.take(1)
    assert shared.wants
    waiting = asyncio.create_task(slots.take(1))
    slots.give(1)
    await apoll(waiting.done)
    slots.give(1)
    assert not shared.wants


async def test_what_answers_say_is_reported_once() -> None:
    shared = turns(4)
    headers = RateHeaders(requests_limit=600, requests_remaining=7, requests_reset=1.5, tokens_limit=9000)
    shared.answered(ProviderAnswer("", "m", Usage(80, 20), StopReason.END, headers), 0.5)
    tally, heard = shared.report(0.25)
    assert (tally.answers, tally.tokens, tally.seconds) == (1, 100, 0.5)
    assert heard[0] is not None
    assert (heard[0].limit, heard[0].remaining, heard[0].reset) == (600, 7, 1.5)
    assert heard[1] is None
    assert shared.report(0.25)[1] == (None, None)
    assert said(None) == (None, None)
