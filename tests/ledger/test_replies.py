"""Waiting for an answer: woken at once, and not left waiting by a lost connection."""

import asyncio
import time
from uuid import uuid4

import pytest
from redis.exceptions import RedisError
from umpire_ledger import House, ending, stored

from contracts.settings import LedgerSettings
from devtools.servers import apoll
from ledger import replies as replies_module
from ledger.ledger import Ledger
from ledger.redis.connection import connect
from ledger.replies import Replies
from telemetry.observer import Note

pytestmark = pytest.mark.redis


class Notes(list[Note]):
    def __call__(self, note: Note, /) -> None:
        self.append(note)


@pytest.fixture
async def replies(redis):
    replies = Replies(redis)
    await replies.start()
    yield replies
    await replies.stop()


async def answer(house, replies, *, after=0.0, wait=10.0):
    """One request, submitted and waited for; its worker answers `after` seconds. The answer, and how long it took."""
    request = stored()

    async def work():
        await asyncio.sleep(after)
        await house.claims().finish(ending(request.queue_id))

    with replies.expect(request.queue_id) as waiter:
        await house.ledger.admit(request, reply_to=replies.name)
        started = time.monotonic()
        worker = asyncio.create_task(work())
        result = await waiter.result(wait)
        took = time.monotonic() - started
        await worker
    assert result in {None, ending(request.queue_id).event}
    return result, took


async def subscribers(house, replies):
    ((_, count),) = await house.redis.pubsub_numsub(f"umpire:replies:{replies.name}")
    return count


async def test_the_waiter_is_woken_by_the_answer(house, replies):
    result, took = await answer(house, replies, after=0.2)
    assert result
    assert 0.2 <= took < 2


async def test_an_answer_that_came_before_the_wait_is_there_at_once(house, replies):
    request = stored()
    with replies.expect(request.queue_id) as waiter:
        await house.ledger.admit(request, reply_to=replies.name)
        await house.claims().finish(ending(request.queue_id))
        await asyncio.sleep(0.1)
        started = time.monotonic()
        assert await waiter.result(10) == ending(request.queue_id).event
        assert time.monotonic() - started < 1


async def test_the_answer_comes_with_the_word_of_it(house, replies, monkeypatch):
    async def unread(*_):
        raise AssertionError("read once more")

    monkeypatch.setattr(replies._redis, "get", unread)
    result, _ = await answer(house, replies, after=0.1)
    assert result


async def test_a_word_without_an_answer_makes_the_waiter_read_it(house, replies):
    """As workers of earlier versions sent it."""
    request = stored()
    with replies.expect(request.queue_id) as waiter:
        await house.redis.set(f"umpire:answer:{request.queue_id}", b"an event")
        await house.redis.publish(f"umpire:replies:{replies.name}", str(request.queue_id))
        started = time.monotonic()
        assert await waiter.result(10) == b"an event"
        assert time.monotonic() - started < 2


async def test_no_answer_within_the_time_is_none(replies):
    with replies.expect(uuid4()) as waiter:
        started = time.monotonic()
        assert await waiter.result(0.3) is None
        assert 0.3 <= time.monotonic() - started < 1.5
        assert await waiter.result(0) is None


async def test_hundreds_woken_together_all_get_their_own_answer(house, replies):
    requests = [stored() for _ in range(300)]

    async def one(request):
        with replies.expect(request.queue_id) as waiter:
            await house.ledger.admit(request, reply_to=replies.name)
            return await waiter.result(20)

    waiting = [asyncio.create_task(one(request)) for request in requests]
    await apoll(lambda: all_admitted(house, len(requests)), 10)
    started = time.monotonic()
    claims = house.claims()
    await asyncio.gather(*(claims.finish(ending(request.queue_id)) for request in requests))
    assert await asyncio.gather(*waiting) == [ending(request.queue_id).event for request in requests]
    assert time.monotonic() - started < 8  # nobody was left to its deadline
    assert replies._waiting == {}


async def all_admitted(house, count):
    return (await house.ledger.stats.sizes()).unfinished == count


async def test_an_idle_subscription_outlives_the_clients_timeout(redis_url):
    client = connect(redis_url, timeout=0.2)
    notes = Notes()
    replies = Replies(client, notes)
    await replies.start()
    await asyncio.sleep(0.7)
    assert notes == []
    await replies.stop()
    await client.aclose()


async def test_what_was_sent_while_the_connection_was_down_is_read_after_the_reconnect(house, redis, monkeypatch):
    monkeypatch.setattr(replies_module, "RECONNECT_SECONDS", 0.5)
    notes = Notes()
    replies = Replies(redis, notes)
    await replies.start()
    request = stored()
    with replies.expect(request.queue_id) as waiter:
        await house.ledger.admit(request, reply_to=replies.name)
        waiting = asyncio.create_task(waiter.result(15))
        await asyncio.sleep(0.05)
        assert await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub") == 1
        await house.claims().finish(ending(request.queue_id))  # nobody listens now
        started = time.monotonic()
        assert await waiting == ending(request.queue_id).event
        assert time.monotonic() - started < 5
    assert [note.what for note in notes] == ["replies.lost"]
    # And it listens as before.
    assert await subscribers(house, replies) == 1
    assert (await answer(house, replies, after=0.1))[1] < 2
    await replies.stop()
    assert await apoll(lambda: nobody_listens(house, replies), 3)


async def nobody_listens(house, replies):
    return await subscribers(house, replies) == 0


async def test_a_process_that_started_while_redis_was_away_wakes_its_waiters_once_it_is_back(redis_server):
    server = redis_server()
    server.kill()
    client = connect(server.url, timeout=1.0)
    replies = Replies(client)
    await replies.start()
    server.start()
    house = House(client)
    await apoll(lambda: subscribers(house, replies), 5)
    result, took = await answer(house, replies, after=0.1)
    assert result
    assert took < 2
    await replies.stop()
    await client.aclose()


async def test_a_redis_that_restarts_meanwhile_keeps_the_promise(redis_server):
    server = redis_server(aof=True)
    client = connect(server.url, timeout=1.0)
    house, replies = House(client), Replies(client)
    await replies.start()
    request = stored()
    with replies.expect(request.queue_id) as waiter:
        await house.ledger.admit(request, reply_to=replies.name)
        waiting = asyncio.create_task(waiter.result(20))
        server.restart()
        other = connect(server.url, timeout=1.0)
        assert (await Ledger(other, LedgerSettings()).stats.sizes()).unfinished == 1
        await apoll(lambda: finished(house, request), 5)
        assert await waiting == ending(request.queue_id).event
        await other.aclose()
    await replies.stop()
    await client.aclose()


async def finished(house, request):
    try:
        return await house.claims().finish(ending(request.queue_id))
    except (RedisError, OSError):
        return None


async def test_its_reader_goes_on_after_a_fault_of_ours(house, monkeypatch):
    notes = []
    replies = Replies(house.redis, notes.append)
    hear, faults = replies._deliver, iter([KeyError("a fault")])

    def faulty(message):
        for fault in faults:
            raise fault
        hear(message)

    monkeypatch.setattr(replies, "_deliver", faulty)
    monkeypatch.setattr("telemetry.outage.RESTART_SECONDS", 0.01)
    await replies.start()
    try:
        for _ in range(2):
            request = stored()
            with replies.expect(request.queue_id) as waiter:
                await house.redis.publish(f"umpire:replies:{replies.name}", str(request.queue_id).encode() + b"{}")
                if notes:
                    assert await waiter.result(5) == b"{}"
                else:
                    await apoll(lambda: notes, 5)
    finally:
        await replies.stop()
    assert [note.what for note in notes] == ["error.unexpected"]
