"""Admission: the record and its message together or not at all, within bounds, once, and many in one round trip."""

import asyncio
import json
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from umpire_ledger import House, redis_is_up, stored

from contracts.clock import utcnow
from contracts.enums import LLMProviderType
from contracts.errors import IdempotencyConflict, QueueFull, Unavailable
from contracts.settings import LedgerSettings
from devtools.servers import apoll
from ledger.idempotency import AlreadyAccepted, IdempotencyKey
from ledger.ledger import Ledger, Submission
from ledger.redis.connection import connect
from ledger.stats import Backlog

pytestmark = pytest.mark.redis


async def calls(redis, command="evalsha"):
    stats = await redis.info("commandstats")
    return stats.get(f"cmdstat_{command}", {}).get("calls", 0)


async def test_the_record_and_its_message_appear_in_one_step(house):
    request = stored(ttl=100)
    await house.ledger.admit(request, reply_to="process")
    record = await house.record(request.queue_id)
    now = int((await house.redis.time())[0]) * 1000
    assert (record["s"], record["p"], record["q"], record["r"]) == (b"queued", b"mock", b"9", b"process")
    assert json.loads(record["b"]) == json.loads(request.model_dump_json(exclude_none=True))
    assert now + 98_000 < int(record["e"]) <= now + 102_000
    assert int(record["u"]) > 1_700_000_000_000
    (message,) = await house.messages("umpire.mock:9")
    assert json.loads(message)["headers"]["id"] == str(request.queue_id)
    assert await house.redis.zscore("umpire:expiry", str(request.queue_id)) == int(record["e"])
    assert await house.redis.zscore("umpire:queued:mock", str(request.queue_id)) == int(record["u"])
    assert await house.redis.ttl(f"umpire:req:{request.queue_id}") == -1


async def test_the_count_ahead_is_of_the_same_provider(house):
    assert await house.ledger.admit(stored(provider=LLMProviderType.OPENAI)) == 0
    assert [await house.ledger.admit(stored()) for _ in range(3)] == [0, 1, 2]
    backlogs = await house.ledger.stats.backlogs([LLMProviderType.MOCK, LLMProviderType.OPENAI, LLMProviderType.GOOGLE])
    assert backlogs[LLMProviderType.MOCK] == Backlog(queued=3, deferred=0)
    assert [b.queued for b in backlogs.values()] == [3, 1, 0]


async def test_a_replay_changes_nothing_in_any_state(house):
    request = stored()
    claims = house.claims()
    await house.ledger.admit(request)
    before = await house.record(request.queue_id)
    assert await house.ledger.admit(request, reply_to="another") == 0
    assert await house.record(request.queue_id) == before
    await claims.claim(str(request.queue_id), more=0)
    await house.ledger.admit(request)
    assert (await house.record(request.queue_id))["s"] == b"processing"
    assert len(await house.messages("umpire.mock:9")) == 1
    sizes = await house.ledger.stats.sizes()
    assert (sizes.unfinished, sizes.processing) == (1, 1)
    assert sizes.bytes == len(request.model_dump_json(exclude_none=True).encode())


async def test_a_batch_that_names_one_request_twice_admits_it_once(house):
    request = stored()
    await asyncio.gather(*(house.ledger.admit(request) for _ in range(5)))
    assert len(await house.messages("umpire.mock:9")) == 1
    assert (await house.ledger.stats.sizes()).unfinished == 1


async def test_a_full_ledger_still_knows_a_replay(redis):
    house = House(redis, LedgerSettings(ledger_max_size=1))
    request = stored()
    await house.ledger.admit(request)
    assert await house.ledger.admit(request) == 0


async def test_concurrent_admits_share_round_trips(house):
    await house.admit(stored())  # loads the script
    before = await calls(house.redis)
    await asyncio.gather(*(house.ledger.admit(stored()) for _ in range(129)))
    # One goes at once (here: with all that were ready by then), the others 64 at a time.
    assert await calls(house.redis) - before == 3
    assert (await house.ledger.stats.sizes()).unfinished == 130


async def test_an_expired_request_is_admitted_and_ends_as_any_other_expiry(house):
    request = stored().model_copy(update={"expires_at": utcnow() - timedelta(seconds=5)})
    await house.ledger.admit(request)
    sweeps = house.sweeps()
    left = await apoll(sweeps.expired, 2)
    assert [entry.stored.queue_id for entry in left] == [request.queue_id]


async def test_a_script_flush_and_a_killed_connection_are_survived(house):
    await house.admit(stored())
    await house.redis.script_flush()
    await house.admit(stored())
    admin = connect(f"redis://127.0.0.1:{house.redis.connection_pool.connection_kwargs['port']}/0", timeout=2)
    await admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await admin.aclose()
    await house.admit(stored())
    assert (await house.ledger.stats.sizes()).unfinished == 3


async def test_a_redis_that_is_gone_is_unavailable_at_once(redis_server):
    server = redis_server()
    client = connect(server.url, timeout=0.5)
    ledger = Ledger(client, LedgerSettings(), timeout=0.5)
    server.kill()
    with pytest.raises(Unavailable) as error:
        await ledger.admit(stored())
    assert error.value.retry_after
    assert await ledger.stats.redis_state() == "down"
    await client.aclose()


async def test_a_frozen_redis_is_unavailable_within_the_time_for_all_who_wait(redis_server):
    server = redis_server()
    client = connect(server.url, timeout=0.5)
    ledger = Ledger(client, LedgerSettings(), timeout=0.5)
    await ledger.admit(stored())
    server.pause()
    started = asyncio.get_running_loop().time()
    outcomes = await asyncio.gather(*(ledger.admit(stored()) for _ in range(200)), return_exceptions=True)
    assert asyncio.get_running_loop().time() - started < 1.5
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    server.resume()
    # What had been sent may be in; what waited for its turn behind it was given up, and must not be.
    assert await apoll(lambda: redis_is_up(ledger), 5)
    await ledger.admit(stored())
    # On a busy machine the last of the 200 begin later, and a second batch is sent within their time.
    assert (await ledger.stats.sizes()).unfinished <= 2 + 2 * 64
    await client.aclose()


async def test_a_caller_that_gave_up_before_its_turn_is_not_admitted(house):
    release, entered, rounds = asyncio.Event(), asyncio.Event(), []
    admit = house.ledger._group.commit

    async def slow(rows):
        rounds.append(len(rows))
        entered.set()
        await release.wait()
        return await admit(rows)

    house.ledger._group.commit = slow
    first = asyncio.create_task(house.ledger.admit(stored()))
    await entered.wait()
    waiting = stored()
    second = asyncio.create_task(house.ledger.admit(waiting))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    release.set()
    await first
    await asyncio.sleep(0)
    await house.ledger.admit(stored())
    assert rounds == [1, 1]
    assert await house.record(waiting.queue_id) == {}


async def test_one_failing_round_trip_fails_its_own_batch_only(house):
    admit, failures = house.ledger._group.commit, iter([ConnectionError("lost")])

    async def flaky(rows):
        for error in failures:
            raise error
        return await admit(rows)

    house.ledger._group.commit = flaky
    with pytest.raises(Unavailable):
        await house.ledger.admit(stored())
    assert await house.ledger.admit(stored()) == 0


async def test_a_wave_of_commands_waits_for_connections_rather_than_failing(redis_url):
    client = connect(redis_url, timeout=2.0, max_connections=4)
    key = f"umpire:test:{uuid4()}"
    assert sorted(await asyncio.gather(*(client.incr(key) for _ in range(300)))) == list(range(1, 301))
    await client.aclose()


@pytest.mark.parametrize("size", [100, 500, 1_000, 1_700, 2_200, 2_700, 3_200, 10_000])
async def test_a_queued_request_takes_little_more_memory_than_its_body(house, size):
    """Of the body as a client sends it; whatever size of block the allocator keeps for it."""

    async def used():
        return (await house.redis.info("memory"))["used_memory"]

    prompt = "x" * (size - len(json.dumps({"user_prompt": "", "callback_topic": "answers"})))
    await house.admit(*[stored(prompt=prompt) for _ in range(50)])
    before, count = await used(), 1_000
    await asyncio.gather(*[house.ledger.admit(stored(prompt=prompt)) for _ in range(count)])
    assert (await used() - before) / count <= 1.3 * size + 2048


def by() -> float:
    return time.monotonic() + 1


async def test_a_batch_is_a_script_for_each_25_and_its_answers_are_in_order(house):
    await house.ledger.admit(stored())
    before = await calls(house.redis)
    batch = [Submission(stored(), None) for _ in range(200)]
    assert await house.ledger.admit_all(batch, by=by()) == list(range(1, 201))
    assert await calls(house.redis) - before == 200 / 25
    await house.ledger.admit_all(batch[:2], by=by())
    assert (await house.ledger.stats.sizes()).unfinished == 201, "the same queue ids are admitted once"
    assert await house.ledger.admit_all([], by=by()) == []


async def test_a_large_batch_is_a_few_scripts(house, monkeypatch):
    monkeypatch.setattr("ledger.redis.group_commit.MAX_BATCH_BYTES", 10_000)
    await house.ledger.admit(stored())
    before = await calls(house.redis)
    assert await house.ledger.admit_all([Submission(stored(), None) for _ in range(40)], by=by()) == list(range(1, 41))
    assert 2 <= await calls(house.redis) - before <= 10


async def test_each_of_a_batch_has_its_own_answer(redis):
    house = House(redis, LedgerSettings(ledger_max_size=3))
    one, two, three, four = (stored() for _ in range(4))
    key, other = IdempotencyKey("a" * 64, "f" * 64), IdempotencyKey("a" * 64, "0" * 64)
    batch = [Submission(one, key), Submission(two, key), Submission(three, other), Submission(four, None)]
    outcomes = await house.ledger.admit_all([*batch, *(Submission(stored(), None) for _ in range(2))], by=by())
    assert outcomes[0] == 0
    assert isinstance(outcomes[1], AlreadyAccepted)
    assert outcomes[1].queue_id == one.queue_id
    assert isinstance(outcomes[2], IdempotencyConflict)
    assert outcomes[3:5] == [1, 2]
    assert isinstance(outcomes[5], QueueFull)
