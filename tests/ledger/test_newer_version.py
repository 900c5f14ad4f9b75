"""Rows that a newer version of the service wrote stop nothing and nobody."""

import json
import time

import pytest
from redis.asyncio import Redis
from umpire_ledger import MOCK, House, stored

from contracts.enums import CircuitState, LLMProviderType
from contracts.settings import LedgerSettings
from guard.availability import Availability
from guard.board import Board, Report
from guard.control import Process
from guard.turnstile import Tally
from ledger.unstarted import Unstarted

pytestmark = pytest.mark.redis


async def test_workers_of_a_provider_that_is_not_known_here(house: House) -> None:
    soon = (time.time() + 60) * 1000
    await house.redis.zadd("umpire:workers", {"mistral|host.1": soon, "mock|host.2": soon, "mock|host.3": soon})
    assert await house.ledger.workers() == {MOCK: 2}


async def test_a_lapsed_lease_of_such_a_provider_keeps_no_other_from_being_taken_back(house: House) -> None:
    theirs, ours = stored(), stored()
    await house.admit(theirs, ours)
    await house.claims("dead").claim(None, more=2)
    await house.redis.hset(f"umpire:req:{theirs.queue_id}", "p", "mistral")
    await house.lapse_now(theirs, ours)
    assert await house.custody().take_back_lapsed() == (1, [])
    assert (await house.record(ours.queue_id))["s"] == b"queued"
    assert (await house.record(theirs.queue_id))["s"] == b"processing"


async def test_more_of_them_than_one_look_takes(house: House) -> None:
    ours = stored()
    await house.admit(ours)
    await house.claims("dead").claim(None, more=1)
    for number in range(600):
        await house.redis.hset(f"umpire:req:theirs-{number}", mapping={"s": "processing", "p": "mistral"})
        await house.redis.zadd("umpire:leases", {f"theirs-{number}": 0})
    await house.lapse_now(ours)
    assert await house.custody().take_back_lapsed() == (1, [])


async def test_a_state_of_the_breaker_that_is_not_known_here_lets_a_probe_through(redis: Redis) -> None:
    await redis.hset("umpire:breaker:mock", mapping={"state": "throttled", "since": 5, "new": "field"})
    found = (await Availability(redis, [MOCK]).read())[MOCK]
    assert (found.state, found.available) == (CircuitState.HALF_OPEN, True)


@pytest.mark.parametrize(
    "row", ['{"ceiling": 4, "local": 2, "wants": true, "mood": "good"}', '{"slots": 9}', "?", "[]"]
)
async def test_a_peers_row_with_other_fields(redis: Redis, row: str) -> None:
    board = Board(redis, LLMProviderType.MOCK, "own")
    await board.report(Report(Process(8, 8), Tally()))
    for form in (f"{int(time.time() * 1000)} {row}", row):
        await redis.hset("umpire:adapt:mock:rows", "peer", form)
        word = await board.report(Report(Process(8, 8), Tally()))
        assert word.share.limit >= 1


async def test_a_record_that_cannot_be_read_is_not_cancelled(house: House) -> None:
    request = stored()
    await house.admit(request)
    body = json.loads((await house.record(request.queue_id))["b"])
    body["provider"] = "mistral"
    await house.redis.set(f"umpire:body:{request.queue_id}", json.dumps(body))
    found = await Unstarted(house.redis, LedgerSettings(), owner="door").find(request.queue_id)
    assert found is not None
    assert (found.state, found.stored, found.readable) == ("queued", None, False)
