"""Ending tasks: a cancellation that got lost is given again."""

import asyncio

from ledger.redis.tasks import cancel_and_wait


async def test_a_task_that_lost_its_first_cancellation_still_ends() -> None:
    """As redis-py does on Python 3.11: asyncio.wait_for swallows a cancellation at the moment of its result."""
    begun = asyncio.Event()
    lost = 0

    async def for_ever() -> None:
        nonlocal lost
        while True:
            begun.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
                if lost > 1:
                    raise

    task = asyncio.create_task(for_ever())
    await begun.wait()
    await asyncio.wait_for(cancel_and_wait(task), 5)
    assert task.cancelled()
    assert lost == 2


async def test_ended_tasks_are_no_trouble() -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    await task
    await asyncio.wait_for(cancel_and_wait(task), 5)
    await asyncio.wait_for(cancel_and_wait(), 5)
