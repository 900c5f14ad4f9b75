"""SharedTimer of many futures by one timer."""

import asyncio
import time

import pytest

from ledger.redis.group_commit import GroupCommit, SharedTimer


async def test_each_fails_at_its_own_time_and_not_before():
    deadlines, loop, started = SharedTimer(), asyncio.get_running_loop(), time.monotonic()
    ended: dict[float, float] = {}

    async def wait(seconds):
        future = loop.create_future()
        deadlines.add(started + seconds, future)
        with pytest.raises(TimeoutError):
            await future
        ended[seconds] = time.monotonic() - started

    # Neither in order nor all at once: a later one must not wait for those before it, nor hide an earlier one.
    order = [0.2, 0.1, 0.3, 0.05, 0.1001]
    async with asyncio.timeout(10):
        await asyncio.gather(*map(wait, order))
    assert list(ended) == sorted(order)
    assert all(took >= seconds for seconds, took in ended.items())


async def test_what_is_done_or_given_up_is_left_alone():
    deadlines, loop = SharedTimer(), asyncio.get_running_loop()
    done, given_up, late = (loop.create_future() for _ in range(3))
    soon = time.monotonic() + 0.02
    for future in (done, given_up, late):
        deadlines.add(soon, future)
    done.set_result(1)
    given_up.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(TimeoutError):
            await late
    assert done.result() == 1
    assert given_up.cancelled()


async def test_a_deadline_that_has_passed_fails_at_once_and_the_next_one_still_counts():
    deadlines, loop = SharedTimer(), asyncio.get_running_loop()
    for deadline in (time.monotonic() - 5, time.monotonic() + 0.02):
        future = loop.create_future()
        deadlines.add(deadline, future)
        async with asyncio.timeout(10):
            with pytest.raises(TimeoutError):
                await future


async def test_what_is_not_out_by_its_deadline_does_not_go_and_what_is_out_goes_on():
    sent, answer = [], asyncio.Event()

    async def commit(items):
        sent.append(list(items))
        await answer.wait()
        return items

    group = GroupCommit(commit)
    soon = time.monotonic() + 0.05
    out = asyncio.create_task(group.submit(1, deadline=soon))
    while not sent:
        await asyncio.sleep(0)
    waiting = asyncio.create_task(group.submit(2, deadline=soon))
    patient = asyncio.create_task(group.submit(3, deadline=time.monotonic() + 60))
    async with asyncio.timeout(10):
        for task in (out, waiting):
            with pytest.raises(TimeoutError):
                await task
        assert not patient.done()
        answer.set()
        assert await patient == 3
    assert sent == [[1], [3]]
