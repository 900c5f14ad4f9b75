"""`umpire outbox`: counts, one dead letter, replay and drop, on a real Redis."""

import json
from collections.abc import Callable
from subprocess import CompletedProcess
from uuid import UUID, uuid4

import pytest
from umpire_cli import umpire, verdict

from contracts.encoding import dumps
from ledger import keys
from ledger.outbox import Outbox, Undelivered
from ledger.outbox.dead_letters import DeadLetters
from ledger.redis.connection import connect

pytestmark = pytest.mark.redis

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run(redis_url: str) -> Run:
    def run(*arguments: object, **settings: str) -> CompletedProcess[str]:
        return umpire("outbox", *arguments, UMPIRE_REDIS_URL=redis_url, **settings)

    return run


async def fill(redis_url: str, dead: int) -> list[str]:
    """One result that waits, and so many dead letters. Returns the ids of these."""
    redis = connect(redis_url, timeout=5)
    try:
        ids = [str(uuid4()) for _ in range(dead + 1)]
        entries = [
            await redis.xadd(
                keys.OUTBOX,
                {"i": one, "t": "huleedu.llm_provider.comparison_result.v1.gone", "k": "key", "e": dumps(verdict(one))},
            )
            for one in ids
        ]
        outbox = Outbox(redis, max_dead=100)
        await outbox.undelivered([Undelivered(entry, "TOPIC_AUTHORIZATION_FAILED", 0) for entry in entries[1:]])
        return ids[1:]
    finally:
        await redis.aclose()


async def outbox_of(redis_url: str) -> list[dict[bytes, bytes]]:
    redis = connect(redis_url, timeout=5)
    try:
        assert await DeadLetters(redis).count() == await redis.zcard(keys.DEAD)
        return [fields for _, fields in await redis.xrange(keys.OUTBOX)]
    finally:
        await redis.aclose()


async def test_list_and_show_tell_text_only_where_it_is_asked_for(run: Run, redis_url: str) -> None:
    first, second = await fill(redis_url, 2)
    listed = run("list", "--json")
    told = json.loads(listed.stdout)
    assert (told["waiting"], told["dead"], told["dead_max"]) == (1, 2, 10_000)
    assert 0 <= told["oldest_waiting_seconds"] < 60
    assert {one["id"] for one in told["dead_letters"]} == {first, second}
    assert {(one["topic"], one["reason"]) for one in told["dead_letters"]} == {
        ("huleedu.llm_provider.comparison_result.v1.gone", "TOPIC_AUTHORIZATION_FAILED")
    }
    table = run("list")
    assert "1 waiting for Kafka" in table.stdout
    assert "2 dead letters" in table.stdout
    assert first in table.stdout
    assert "justification" not in listed.stdout + table.stdout
    shown = json.loads(run("show", first, "--json").stdout)
    assert (shown["id"], shown["key"], shown["event"]["data"]["justification"]) == (first, "key", "j")
    assert run("show", "nothing").returncode == 1


async def test_replay_and_drop(run: Run, redis_url: str) -> None:
    first, second, third = await fill(redis_url, 3)
    moved = run("replay", first, "unknown", "--topic", "other.topic", "--json")
    assert (json.loads(moved.stdout), moved.returncode) == ({"replayed": [first], "unknown": ["unknown"]}, 1)
    entry = (await outbox_of(redis_url))[-1]
    assert (entry[b"i"], entry[b"t"]) == (first.encode(), b"other.topic")
    # The same event, whose id consumers know it by.
    assert UUID(json.loads(entry[b"e"])["event_id"]) == verdict(first).event_id
    dropped = run("drop", second)
    assert (dropped.stdout.strip(), dropped.returncode) == ("1 dropped", 0)
    assert run("replay", "--all").stdout.strip() == "1 replayed: back in the outbox"
    assert [entry[b"i"] for entry in await outbox_of(redis_url)][1:] == [first.encode(), third.encode()]
    assert json.loads(run("list", "--json").stdout)["dead"] == 0


async def test_called_wrongly(run: Run) -> None:
    for wrong in (
        ["replay"],
        ["replay", "--all", "an-id"],
        ["replay", "--all", "--topic", "__consumer_offsets"],
        ["replay", "--all", "--topic", "other"],
    ):
        assert run(*wrong, UMPIRE_CALLBACK_TOPICS="mine.*").returncode == 2
    away = umpire("outbox", "list", UMPIRE_REDIS_URL="redis://127.0.0.1:1/0")
    assert (away.returncode, "Redis does not answer" in away.stderr) == (1, True)
