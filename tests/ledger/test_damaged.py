"""Nothing fails between a request's state and its event, whatever stands in the keys beside it."""

import dataclasses
import math
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from umpire_ledger import House, ending, stored

from contracts.enums import QueueStatus
from ledger.completion import Completion
from telemetry.observer import Note

pytestmark = pytest.mark.redis


@pytest.mark.parametrize("cost", [math.inf, -math.inf, math.nan, -1.0, 1e400, 1e18])
async def test_a_cost_that_is_none_is_not_added_up(house: House, cost: float) -> None:
    request = stored(owner="k")
    await house.admit(request)
    claims = house.claims()
    await claims.claim(str(request.queue_id), more=0)
    assert await claims.finish(ending(request.queue_id, cost=cost)) is not None
    assert len(await house.entries()) == 1
    assert (await house.record(request.queue_id))["s"] == b"completed"
    assert await house.redis.hget("umpire:owned", "k") is None
    (day,) = await house.redis.keys("umpire:day:*")
    assert await house.redis.hget(day, "cost") is None


@pytest.mark.parametrize("text", ["inf", "nan", "1e999", "0x10", "", "abc"])
async def test_the_script_looks_at_a_cost_before_it_writes(house: House, text: str) -> None:
    """An older worker, or another one's fault: the argument itself is no cost."""
    request = stored(owner="k")
    await house.admit(request)
    claims = house.claims()
    await claims.claim(str(request.queue_id), more=0)
    script = claims._finish
    reply = await script(
        claims.owner, 60, "umpire:day:2026-01-01", "umpire:spent:2026-01-01", 0, 0,
        str(request.queue_id), "completed", "any", "t", "k", b"{}", text, "", "",
    )  # fmt: skip
    assert reply[0] == 0
    assert reply[1]
    assert len(await house.entries()) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("umpire:bytes", "many"),
        ("umpire:held", "text"),
        ("umpire:owned", "text"),
        ("umpire:spent", "text"),
        ("umpire:day", "text"),
    ],
)
async def test_damaged_sums_keep_no_request_from_ending(house: House, key: str, value: str) -> None:
    notes: list[Note] = []
    request = stored(owner="k")
    await house.admit(request)
    claims = house.claims()
    claims._observer = notes.append
    await claims.claim(str(request.queue_id), more=0)
    first = ending(stored().queue_id, cost=0.5)  # unknown: it only makes the day's keys known
    await claims.finish(first)
    names = [key] if key not in {"umpire:spent", "umpire:day"} else [f"{key}:{_today()}"]
    for name in names:
        await house.redis.set(name, value)
    assert await claims.finish(ending(request.queue_id, cost=0.5)) is not None
    assert len(await house.entries()) == 1
    assert (await house.record(request.queue_id))["s"] == b"completed"
    assert [note.what for note in notes] == ["ledger.sums_unwritten"]
    again = stored()
    await house.admit(again)
    assert (await house.record(again.queue_id))["s"] == b"queued", "and none from being accepted"


def _today() -> str:
    from contracts.clock import utcnow

    return utcnow().date().isoformat()


async def test_a_damaged_hold_keeps_nobody_out_and_leaves_no_half_record(house: House) -> None:
    await house.redis.set("umpire:hold:mock", "text")
    request = stored()
    await house.admit(request)
    assert [c.stored.queue_id for c in await house.claims().claim(None, more=1)] == [request.queue_id]


@pytest.mark.parametrize("lacking", ["e", "u", "p", "body", "t", "l"])
async def test_a_damaged_record_takes_no_other_with_it(house: House, lacking: str) -> None:
    damaged, others = stored(), [stored() for _ in range(3)]
    await house.admit(damaged, *others)
    if lacking == "body":
        await house.redis.delete(f"umpire:body:{damaged.queue_id}")
    else:
        await house.redis.hdel(f"umpire:req:{damaged.queue_id}", lacking)
    claims = house.claims()
    claimed = await claims.claim(str(damaged.queue_id), more=3)
    assert {request.queue_id for request in others} <= {c.stored.queue_id for c in claimed}
    sweeps = house.sweeps()
    await sweeps.expired()
    await sweeps.take_back_lapsed()
    await claims.finish(Completion(str(damaged.queue_id), QueueStatus.FAILED, ending("x").by, "t", "k", b"{}", 0.0))
    assert (await house.record(damaged.queue_id))["s"] == b"failed"


async def test_a_claim_whose_answer_was_lost_is_told_again_by_its_number(house: House) -> None:
    requests = [stored(owner="k") for _ in range(3)]
    await house.admit(*requests)
    claims = house.claims()
    script, leader = claims._claim, str(requests[0].queue_id)

    async def answer_lost(*arguments: Any, **beside: Any) -> None:
        await script(*arguments, **beside)
        raise RedisConnectionError("the answer was lost")

    claims._claim = answer_lost  # type: ignore[assignment]
    with pytest.raises(RedisConnectionError):
        await claims.claim(leader, more=1)
    claims._claim = script
    again = await claims.claim(leader, more=1)
    assert [c.stored.queue_id for c in again] == [request.queue_id for request in requests[:2]]
    (third,) = await claims.claim(None, more=5)
    assert third.stored.queue_id == requests[2].queue_id, "nothing more was leased by asking again"
    assert {c.fencing_token for c in again} != {third.fencing_token}


async def test_a_paid_verdict_of_a_record_that_redis_lost_is_published(house: House) -> None:
    """A stale replica was promoted: it does not know of the request."""
    lost, ended = stored(), stored()
    await house.admit(lost, ended)
    claims = house.claims()
    claimed = {c.stored.queue_id: c for c in await claims.claim(None, more=2)}
    for name in await house.redis.keys(f"umpire:*{lost.queue_id}*"):
        await house.redis.delete(name)
    verdict = dataclasses.replace(ending(lost.queue_id, cost=0.5), claimed=claimed[lost.queue_id].claimed)
    assert await claims.finish(verdict) is not None
    assert await claims.finish(verdict) is None, "once"
    assert len(await house.entries()) == 1
    old = dataclasses.replace(ending(stored().queue_id), claimed=claimed[lost.queue_id].claimed - 4000)
    assert await claims.finish(old) is None, "it may have ended, and have been forgotten since"
    other = dataclasses.replace(ending(ended.queue_id), claimed=claimed[ended.queue_id].claimed)
    assert await claims.finish(other) is not None
    assert await house.claims("late").finish(other) is None, "another ended it"
