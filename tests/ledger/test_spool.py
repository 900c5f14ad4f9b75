"""The spool keeps what was accepted while Redis is away: on disk, bounded, and for all processes of a host."""

import asyncio
import sqlite3
import subprocess
import sys
from datetime import timedelta
from uuid import uuid4

import pytest

from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from contracts.errors import QueueFull, Unavailable
from contracts.http import LLMComparisonRequest
from contracts.settings import SpoolSettings
from ledger.request import StoredRequest
from ledger.spool import Spool


def request(prompt="p"):
    return StoredRequest(
        queue_id=uuid4(),
        correlation_id=uuid4(),
        request=LLMComparisonRequest(user_prompt=prompt, callback_topic="t"),
        provider=LLMProviderType.MOCK,
        model="mock-judge",
        requested_at=utcnow(),
        expires_at=utcnow() + timedelta(hours=1),
    )


@pytest.fixture
async def make(tmp_path):
    made = []

    def make(owner="a", **settings):
        made.append(Spool(SpoolSettings(spool_path=tmp_path / "s.sqlite3", **settings), owner))
        return made[-1]

    yield make
    for spool in made:
        await spool.close()


async def test_requests_come_back_oldest_first_and_whole(make):
    spool, put = make(), [request(str(n)) for n in range(5)]
    for one in put:
        await spool.put(one)
    assert [one.request.user_prompt for one in await spool.oldest(3)] == ["0", "1", "2"]
    await spool.remove([str(one.queue_id) for one in put[:2]])
    assert [one.queue_id for one in await spool.oldest(10)] == [one.queue_id for one in put[2:]]


async def test_the_same_request_twice_is_one(make):
    spool, one = make(), request()
    await asyncio.gather(*(spool.put(one) for _ in range(5)))
    assert (await spool.size()).requests == 1


async def test_it_refuses_from_the_high_mark_until_it_has_drained_to_the_low_one(make):
    """Hysteresis, seen by another process of the same host and after a restart."""
    spool, other = make(queue_max_size=10), make("b", queue_max_size=10)
    put = [request() for _ in range(8)]
    await asyncio.gather(*(spool.put(one) for one in put))
    with pytest.raises(QueueFull) as full:
        await spool.put(request())
    assert full.value.retry_after
    await spool.remove([str(one.queue_id) for one in put[:1]])
    with pytest.raises(QueueFull):
        await other.put(request())
    await spool.close()
    again = make("c", queue_max_size=10)
    assert (await again.size()).refusing
    await again.remove([str(one.queue_id) for one in put[1:2]])
    await again.put(request())
    assert (await other.size()).requests == 7


async def test_bytes_are_bounded_too(make):
    spool = make(queue_max_memory_mb=0.01)
    await spool.put(request("x" * 6_000))
    with pytest.raises(QueueFull):
        await spool.put(request("x" * 6_000))


async def test_one_process_drains_at_a_time_and_another_takes_over(make):
    first, second = make("a"), make("b")
    assert await first.lease(0.2)
    assert await first.lease(0.2)
    assert not await second.lease(0.2)
    deadline = asyncio.get_running_loop().time() + 5
    while not await second.lease(5):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)
    assert not await first.lease(5)


async def test_what_was_confirmed_survives_a_kill(tmp_path):
    """The process is killed in the moment after the confirmation."""
    code = """
import asyncio, os, signal, sys
sys.path.insert(0, "tests/ledger")
from pathlib import Path
from test_spool import request
from contracts.settings import SpoolSettings
from ledger.spool import Spool
async def main():
    await Spool(SpoolSettings(spool_path=Path(sys.argv[1])), "a").put(request("kept"))
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    path = tmp_path / "s.sqlite3"
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    spool = Spool(SpoolSettings(spool_path=path), "b")
    assert [one.request.user_prompt for one in await spool.oldest(5)] == ["kept"]
    await spool.close()


async def test_the_file_is_private_and_keeps_no_essay_after_the_drain(make, tmp_path):
    spool, secret = make(), "canary-" + uuid4().hex
    one = request(secret)
    await spool.put(one)
    assert (tmp_path / "s.sqlite3").stat().st_mode & 0o077 == 0
    await spool.remove([str(one.queue_id)])
    # While it is open, too: a running process must not keep it in the log beside the file.
    assert all(secret.encode() not in path.read_bytes() for path in tmp_path.iterdir())
    await spool.close()


async def test_a_file_in_use_is_scrubbed_later(make, tmp_path):
    spool, secret = make(), "canary-" + uuid4().hex
    one = request(secret)
    await spool.put(one)
    reader = sqlite3.connect(tmp_path / "s.sqlite3", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM request").fetchall()
    await spool.remove([str(one.queue_id)])
    assert not await spool.scrub()
    reader.close()
    assert await spool.scrub()
    assert all(secret.encode() not in path.read_bytes() for path in tmp_path.iterdir())
    await spool.close()


async def test_a_spool_that_cannot_be_written_is_unavailable(tmp_path):
    (tmp_path / "file").write_text("no folder")
    spool = Spool(SpoolSettings(spool_path=tmp_path / "file" / "s.sqlite3"), "a")
    with pytest.raises(Unavailable):
        await spool.put(request())
    await spool.close()


async def test_a_locked_file_is_waited_for(make, tmp_path):
    spool = make()
    await spool.put(request())
    other = sqlite3.connect(tmp_path / "s.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    asyncio.get_running_loop().call_later(0.2, other.execute, "COMMIT")
    await spool.put(request())
    assert (await spool.size()).requests == 2
    other.close()


async def test_a_batch_is_one_transaction_and_its_end_is_refused(make):
    spool, batch = make(queue_max_size=10), [request(str(n)) for n in range(12)]
    outcomes = await spool.put_all(batch)
    assert [type(outcome) for outcome in outcomes] == [type(None)] * 8 + [QueueFull] * 4
    assert [one.request.user_prompt for one in await spool.oldest(20)] == [str(n) for n in range(8)]
    assert await spool.put_all(batch[:2]) == [None, None], "twice is once"
