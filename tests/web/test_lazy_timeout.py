"""A timeout that is armed only if the coroutine suspends."""

import asyncio
import gc
import weakref

import pytest

from web.lazy_timeout import lazy_timeout


async def test_work_that_does_not_suspend_gets_no_timer(monkeypatch):
    monkeypatch.setattr(asyncio, "timeout", None)  # would raise

    async def work():
        return 7

    assert await lazy_timeout(0.0, work()) == 7


async def test_suspended_work_gets_its_results_and_exceptions():
    async def work():
        seen = []
        for n in range(3):
            future = asyncio.get_running_loop().create_future()
            if n == 1:
                asyncio.get_running_loop().call_soon(future.set_exception, KeyError(n))
            else:
                asyncio.get_running_loop().call_soon(future.set_result, n)
            try:
                seen.append(await future)
            except KeyError as error:
                seen.append(error.args[0] * 10)
            await asyncio.sleep(0)
        return seen

    assert await lazy_timeout(10, work()) == [0, 10, 2]


async def test_an_exception_of_the_work_is_raised_before_and_after_it_suspends():
    async def work(waits):
        for _ in range(waits):
            await asyncio.sleep(0)
        raise KeyError(waits)

    for waits in (0, 1, 2):
        with pytest.raises(KeyError, match=str(waits)):
            await lazy_timeout(10, work(waits))


async def test_work_that_takes_too_long_times_out_and_can_clean_up():
    cleared = []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleared.append(True)

    with pytest.raises(TimeoutError):
        await lazy_timeout(0.01, work())
    assert cleared == [True]


async def test_a_cancellation_from_outside_is_passed_on():
    begun, cleared = asyncio.Event(), []

    async def work():
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cleared.append(True)
            raise

    task = asyncio.create_task(lazy_timeout(10, work()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleared == [True]


async def test_cancelled_work_leaves_no_reference_cycle():
    class Held:
        pass

    async def work(held):
        await asyncio.Event().wait()

    async def begin():
        held = Held()
        seen.append(weakref.ref(held))
        await lazy_timeout(10, work(held))

    seen: list[weakref.ref[Held]] = []
    gc.disable()
    try:
        task = asyncio.create_task(begin())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        del task
        await asyncio.sleep(0)
        assert [one() for one in seen] == [None]
    finally:
        gc.enable()
