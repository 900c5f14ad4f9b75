"""An answer's head and body leave in one write."""

import asyncio

from web.connection.coalescing_transport import CONTINUE, CoalescingTransport


class Wire(asyncio.Transport):
    def __init__(self):
        super().__init__()
        self.calls = []
        self.closing = False

    def write(self, data):
        self.calls.append(bytes(data))

    def close(self):
        self.calls.append("closed")
        self.closing = True

    def is_closing(self):
        return self.closing

    def pause_reading(self):
        self.calls.append("paused")

    resume_reading = abort = pause_reading


async def test_two_writes_are_joined_and_a_single_one_is_sent_in_the_next_iteration():
    wire = Wire()
    transport = CoalescingTransport(wire, asyncio.get_running_loop())
    transport.write(b"head")
    transport.write(b"body")
    assert wire.calls == [b"headbody"]
    transport.write(b"head")
    assert wire.calls == [b"headbody"]
    await asyncio.sleep(0)
    assert wire.calls == [b"headbody", b"head"]
    # One after another, as of a long answer: each is sent, and in order.
    for part in (b"1", b"2", b"3", b""):
        transport.write(part)
    await asyncio.sleep(0)
    assert b"".join(wire.calls[2:]) == b"123"


async def test_a_held_write_is_sent_before_close_and_none_after_it():
    wire = Wire()
    transport = CoalescingTransport(wire, asyncio.get_running_loop())
    transport.write(b"bye")
    transport.close()
    await asyncio.sleep(0)
    assert wire.calls == [b"bye", "closed"]
    transport.write(b"too late")
    await asyncio.sleep(0)
    assert wire.calls == [b"bye", "closed"]


async def test_100_continue_is_not_held():
    wire = Wire()
    transport = CoalescingTransport(wire, asyncio.get_running_loop())
    transport.write(CONTINUE)
    transport.write(b"head")
    transport.write(b"body")
    assert wire.calls == [CONTINUE, b"headbody"]


async def test_the_loop_may_close_what_is_beneath_once_all_is_let_go():
    wire = Wire()
    transport = CoalescingTransport(wire, asyncio.get_running_loop())
    transport.write(b"head")
    transport.flush()
    wire.close()
    await asyncio.sleep(0)
    assert wire.calls == [b"head", "closed"]
