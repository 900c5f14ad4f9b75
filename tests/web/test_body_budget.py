"""The budget of large bodies: bounded, first come first served, and released after every kind of failure."""

import asyncio

import pytest

import web.body_budget
from contracts.errors import QueueFull
from devtools.servers import apoll
from web.body_budget import BodyBudget


async def test_a_body_that_does_not_fit_waits_its_turn() -> None:
    budget, order = BodyBudget(100), list[str]()

    async def take(name: str, size: int) -> None:
        await budget.acquire(size)
        order.append(name)

    await budget.acquire(80)
    waiting = [asyncio.create_task(take(name, size)) for name, size in (("large", 90), ("small", 5))]
    await asyncio.sleep(0)
    assert not order, "the small one does not overtake"
    budget.release(80)
    await apoll(lambda: order == ["large", "small"])
    await asyncio.gather(*waiting)


async def test_a_body_larger_than_the_budget_is_admitted_alone() -> None:
    budget = BodyBudget(10)
    await budget.acquire(1_000)
    waiting = asyncio.create_task(budget.acquire(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    budget.release(1_000)
    await asyncio.wait_for(waiting, 1)


async def test_a_body_that_waits_too_long_is_refused_and_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.body_budget, "WAIT_SECONDS", 0.05)
    budget = BodyBudget(10)
    await budget.acquire(8)
    with pytest.raises(QueueFull) as refused:
        await budget.acquire(5)
    assert refused.value.retry_after
    await budget.acquire(2)
    budget.release(10)
    await budget.acquire(10)


async def test_a_cancelled_wait_lets_the_next_body_in(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = BodyBudget(10)
    await budget.acquire(8)
    gone, patient = asyncio.create_task(budget.acquire(9)), asyncio.create_task(budget.acquire(2))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait_for(patient, 1)
    # Let in and cancelled in the same moment: its room is free again.
    late = asyncio.create_task(budget.acquire(10))
    await asyncio.sleep(0)
    budget.release(10)
    late.cancel()
    await asyncio.wait([late])
    await asyncio.wait_for(budget.acquire(10), 1)


async def test_one_caller_gets_half_and_does_not_block_others() -> None:
    """However slowly the first caller sends."""
    budget = BodyBudget(100)
    for _ in range(2):
        await budget.acquire(25, "one")
    third = asyncio.create_task(budget.acquire(25, "one"))
    await asyncio.sleep(0)
    assert not third.done()
    await asyncio.wait_for(budget.acquire(25, "other"), 1)
    assert not third.done()
    budget.release(25, "one")
    await asyncio.wait_for(third, 1)
    # Alone it may have more than half, else it could never send one so large.
    budget.release(50, "one")
    await asyncio.wait_for(budget.acquire(70, "one"), 1)
