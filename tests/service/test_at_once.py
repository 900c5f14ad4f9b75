"""A timeout that is begun only where there is something to wait for; and an answer in one write."""

import asyncio
import gc
import weakref

import pytest

from service.at_once import within
from service.joined import CONTINUE, Joined


async def test_what_need_not_wait_gets_no_timer(monkeypatch):
    monkeypatch.setattr(asyncio, "timeout", None)  # would raise

    async def work():
        return 7

    assert await within(0.0, work()) == 7


async def test_what_waits_gets_its_answers_and_its_faults():
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

    assert await within(10, work()) == [0, 10, 2]


async def test_its_own_fault_comes_through_before_and_after_it_waited():
    async def work(waits):
        for _ in range(waits):
            await asyncio.sleep(0)
        raise KeyError(waits)

    for waits in (0, 1, 2):
        with pytest.raises(KeyError, match=str(waits)):
            await within(10, work(waits))


async def test_too_long_is_a_timeout_and_it_can_clear_up():
    cleared = []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleared.append(True)

    with pytest.raises(TimeoutError):
        await within(0.01, work())
    assert cleared == [True]


async def test_who_is_cancelled_from_outside_is_cancelled():
    begun, cleared = asyncio.Event(), []

    async def work():
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cleared.append(True)
            raise

    task = asyncio.create_task(within(10, work()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleared == [True]


class Wire(asyncio.Transport):
    def __init__(self):
        super().__init__()
        self.told = []
        self.closing = False

    def write(self, data):
        self.told.append(bytes(data))

    def close(self):
        self.told.append("closed")
        self.closing = True

    def is_closing(self):
        return self.closing

    def pause_reading(self):
        self.told.append("paused")

    resume_reading = abort = pause_reading


async def test_two_writes_are_one_and_one_alone_goes_with_the_loops_next_pass():
    wire = Wire()
    joined = Joined(wire, asyncio.get_running_loop())
    joined.write(b"head")
    joined.write(b"body")
    assert wire.told == [b"headbody"]
    joined.write(b"head")
    assert wire.told == [b"headbody"]
    await asyncio.sleep(0)
    assert wire.told == [b"headbody", b"head"]
    # One after another, as of a long answer: each is sent, and in order.
    for part in (b"1", b"2", b"3", b""):
        joined.write(part)
    await asyncio.sleep(0)
    assert b"".join(wire.told[2:]) == b"123"


async def test_what_is_held_goes_before_the_end_and_nothing_after_it():
    wire = Wire()
    joined = Joined(wire, asyncio.get_running_loop())
    joined.write(b"bye")
    joined.close()
    await asyncio.sleep(0)
    assert wire.told == [b"bye", "closed"]
    joined.write(b"too late")
    await asyncio.sleep(0)
    assert wire.told == [b"bye", "closed"]


async def test_what_a_client_waits_for_is_not_held():
    wire = Wire()
    joined = Joined(wire, asyncio.get_running_loop())
    joined.write(CONTINUE)
    joined.write(b"head")
    joined.write(b"body")
    assert wire.told == [CONTINUE, b"headbody"]


async def test_the_loop_may_close_what_is_beneath_once_all_is_let_go():
    wire = Wire()
    joined = Joined(wire, asyncio.get_running_loop())
    joined.write(b"head")
    joined.let_go()
    wire.close()
    await asyncio.sleep(0)
    assert wire.told == [b"head", "closed"]


async def test_who_was_cancelled_leaves_nothing_behind():
    class Held:
        pass

    async def work(held):
        await asyncio.Event().wait()

    async def begin():
        held = Held()
        seen.append(weakref.ref(held))
        await within(10, work(held))

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
