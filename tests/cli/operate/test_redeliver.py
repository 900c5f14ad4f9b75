"""`umpire redeliver` on a real Redis: which results, how many, and a run that was stopped."""

import asyncio
import json
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from subprocess import CompletedProcess
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from umpire_cli import UMPIRE, environment, umpire
from umpire_ledger import House, stored

from contracts.enums import QueueStatus
from contracts.settings import LedgerSettings
from devtools.redis import RedisServer
from devtools.servers import ROOT, poll
from ledger.completion import CompletedBy, Completion
from ledger.outbox import bulk
from ledger.outbox.bulk import BulkRedelivery, Selection
from ledger.outbox.kept import KeptResults
from ledger.redis.connection import connect

pytestmark = pytest.mark.redis

KEEP = LedgerSettings(results_keep_seconds=3600)

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run(redis_url: str) -> Run:
    def run(*arguments: object, **settings: str) -> CompletedProcess[str]:
        kept = {"UMPIRE_RESULTS_KEEP_SECONDS": "3600"}
        return umpire("redeliver", *arguments, UMPIRE_REDIS_URL=redis_url, **{**kept, **settings})

    return run


async def fill(url: str, *rows: tuple[str, str], settings: LedgerSettings = KEEP) -> list[str]:
    """Ended requests of these topics and owners. Returns their queue ids."""
    redis: Redis = connect(url, timeout=5)
    try:
        house = House(redis, settings)
        queue_ids = []
        for topic, owner in rows:
            request = stored(owner=owner or None)
            await house.admit(request)
            name = str(request.queue_id)
            record = Completion(name, QueueStatus.COMPLETED, CompletedBy.ANY, topic, "k", b'{"event":1}', 0.0)
            assert await house.claims().finish(record)
            queue_ids.append(name)
        await redis.delete("umpire:outbox")
        return queue_ids
    finally:
        await redis.aclose()


async def redelivered(url: str) -> list[tuple[str, int]]:
    """Queue id and number of each redelivery in the outbox."""
    redis: Redis = connect(url, timeout=5)
    try:
        return [(fields[b"i"].decode(), int(fields[b"n"])) for _, fields in await redis.xrange("umpire:outbox")]
    finally:
        await redis.aclose()


async def test_by_ids(run: Run, redis_url: str) -> None:
    one, other = await fill(redis_url, ("t", ""), ("t", ""))
    unknown = str(uuid4())
    dry = run(one, other, unknown, "--dry-run")
    assert (dry.returncode, dry.stdout) == (1, "2 would be redelivered\n")
    assert await redelivered(redis_url) == []
    done = run(one, UUID(one).hex, unknown)
    assert (done.returncode, done.stdout) == (1, "1 redelivered\n")
    assert done.stderr == f"{unknown} has no result that is kept\n"
    assert await redelivered(redis_url) == [(one, 1)]
    again = run(one, other, "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout) == {"redelivered": [one, other], "unknown": []}
    assert await redelivered(redis_url) == [(one, 1), (one, 2), (other, 1)]


async def test_of_a_time_by_topic_and_key(run: Run, redis_url: str) -> None:
    ids = await fill(redis_url, ("a", "k1"), ("b", "k1"), ("a", "k2"), ("a", ""))
    dry = run("--since", "1h", "--dry-run", "--json")
    assert json.loads(dry.stdout) == {"would_redeliver": 4, "expired": 0, "topics": {"a": 3, "b": 1}}
    assert await redelivered(redis_url) == []
    done = run("--since", "1h", "--topic", "a", "--key", "k1")
    assert (done.returncode, done.stdout.split()) == (0, ["1", "redelivered", "1", "a"])
    assert run("--since", "1h", "--key", "nobody").stdout == "0 redelivered\n"
    assert run("--since", "1h", "--topic", "a").returncode == 0
    assert await redelivered(redis_url) == [(ids[0], 1), (ids[0], 2), (ids[2], 1), (ids[3], 1)]


async def test_results_before_that_time_are_left_out(run: Run, redis_url: str) -> None:
    old, redis = str(uuid4()), connect(redis_url, timeout=5)
    await redis.hset(f"umpire:result:{old}", mapping={"t": "a", "k": "k", "e": "{}", "w": ""})
    two_hours_ago = int(time.time() * 1000) - 7_200_000
    await redis.xadd("umpire:results", {"i": old, "n": 1}, id=f"{two_hours_ago}-0")
    await redis.aclose()
    late = await fill(redis_url, ("a", ""), settings=LedgerSettings(results_keep_seconds=14_400))
    assert run("--since", "1h").stdout.startswith("1 redelivered")
    assert {queue_id for queue_id, _ in await redelivered(redis_url)} == set(late)
    assert run("--since", "3h").stdout.startswith("2 redelivered")


async def test_expired_results_are_counted(run: Run, redis_url: str) -> None:
    gone, kept = await fill(redis_url, ("a", ""), ("a", ""))
    redis: Redis = connect(redis_url, timeout=5)
    await redis.delete(f"umpire:result:{gone}")
    await redis.aclose()
    done = run("--since", "1h")
    assert done.stdout.split("\n")[0] == "1 redelivered, 1 not kept any more"
    assert await redelivered(redis_url) == [(kept, 1)]


@pytest.mark.parametrize(
    "arguments",
    [
        (), (uuid4(), "--since", "1h"), (uuid4(), "--topic", "t"), (uuid4(), "--key", "k"), ("no-id",),
        ("--since", "soon"), ("--since", "1h", "--after", "x"),
    ],
)  # fmt: skip
def test_wrong_options_are_exit_code_2(run: Run, arguments: tuple[object, ...]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("umpire: ")


async def test_a_run_that_ctrl_c_stops_can_be_continued(redis_url: str) -> None:
    ids = await fill(redis_url, *[("a", "")] * 900)
    command = [*UMPIRE, "redeliver", "--since", "1h", "--topic", "a"]
    env = environment(UMPIRE_REDIS_URL=redis_url, UMPIRE_RESULTS_KEEP_SECONDS="3600")
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    redis: Redis = connect(redis_url, timeout=5)
    async with asyncio.timeout(20):
        while await redis.xlen("umpire:outbox") < 200:
            await asyncio.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=20)
    assert process.returncode == 130
    first = len(await redelivered(redis_url))
    assert 200 <= first < 900
    stopped = re.search(r"^stopped: (\d+) redelivered; to continue: umpire redeliver (.*)$", complaint, re.MULTILINE)
    assert stopped, complaint
    assert int(stopped[1]) <= first
    rest = umpire("redeliver", *shlex.split(stopped[2]), UMPIRE_REDIS_URL=redis_url)
    assert rest.returncode == 0, rest.stderr
    found = await redelivered(redis_url)
    assert {queue_id for queue_id, _ in found} == set(ids)
    assert len(found) <= 900 + 100, "at most one step is repeated"
    await redis.aclose()


async def test_a_full_outbox_is_waited_for_and_the_rate_is_kept(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_FULL_SECONDS", 0.05)
    settings = LedgerSettings(results_keep_seconds=3600, ledger_max_size=500)
    ids = await fill(redis_url, *[("a", "")] * 250, settings=settings)
    redis: Redis = connect(redis_url, timeout=5)
    waited = []

    def progress(run: BulkRedelivery) -> None:
        waited.append(run.waits_for_kafka)

    run = BulkRedelivery(KeptResults(redis, settings), rate=1000, progress=progress)

    async def confirm() -> None:
        """As Kafka would, only when the outbox is full."""
        while True:
            await asyncio.sleep(0.02)
            if await redis.xlen("umpire:outbox") >= 50:
                await redis.xtrim("umpire:outbox", maxlen=0)

    confirming = asyncio.create_task(confirm())
    began = time.monotonic()
    await run.of_time(Selection(0, 10**14))
    assert time.monotonic() - began >= 0.24
    confirming.cancel()
    assert any(waited)
    assert sorted(run.redelivered) == sorted(ids)
    assert run.missing == []
    await redis.aclose()


async def test_without_redis_it_says_how_far_it_came(redis_server: Callable[..., RedisServer]) -> None:
    server = redis_server(aof=True)
    await fill(server.url, *[("a", "")] * 900)
    command = [*UMPIRE, "redeliver", "--since", "1h"]
    env = environment(UMPIRE_REDIS_URL=server.url)
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    redis: Redis = connect(server.url, timeout=5)
    async with asyncio.timeout(20):
        while await redis.xlen("umpire:outbox") < 100:
            await asyncio.sleep(0.02)
    server.kill()
    poll(lambda: process.poll() is not None, 30)
    _, complaint = process.communicate()
    assert process.returncode == 1
    assert "to continue: umpire redeliver --since 1h --after " in complaint
    await redis.aclose()
