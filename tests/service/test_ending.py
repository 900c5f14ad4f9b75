"""A background task ends, whatever it does with its first cancel."""

import asyncio

from service.ending import end


async def test_a_task_that_swallows_a_cancel_is_ended_all_the_same():
    swallowed = 0

    async def stubborn():
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 2:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end(task)
    assert task.cancelled()
    await end(task)
