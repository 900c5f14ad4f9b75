"""Requests with an Idempotency-Key: one job for one key, whatever comes at once, comes back, or differs."""

import asyncio
from uuid import UUID, uuid4

import pytest
from umpire_ledger import House, stored

from contracts.errors import IdempotencyConflict, QueueFull
from contracts.http import LLMComparisonRequest
from contracts.settings import LedgerSettings
from ledger.idempotency import AlreadyAccepted, IdempotencyKey

pytestmark = pytest.mark.redis


def once(text: str = "the same", key: str = "key", scope: str = "") -> IdempotencyKey:
    return IdempotencyKey.of(key, LLMComparisonRequest(user_prompt=text, callback_topic="t"), scope=scope)


async def first_of(house: House, request, how: IdempotencyKey) -> UUID:
    """The queue id that a client would be told."""
    try:
        await house.ledger.admit(request, idempotency_key=how)
    except AlreadyAccepted as before:
        return before.queue_id
    return request.queue_id


async def test_fifty_at_once_make_one_job_and_learn_its_id(house):
    ids = await asyncio.gather(*(first_of(house, stored(), once()) for _ in range(50)))
    assert len(set(ids)) == 1
    assert len(await house.messages("umpire.mock:9")) == (await house.ledger.stats.sizes()).unfinished == 1
    assert (await house.record(ids[0]))["s"] == b"queued"


async def test_another_body_is_a_conflict_another_key_and_another_scope_are_not(house):
    request = stored()
    await house.ledger.admit(request, idempotency_key=once())
    with pytest.raises(IdempotencyConflict):
        await house.ledger.admit(stored(), idempotency_key=once("another"))
    others = [stored(), stored()]
    await house.ledger.admit(others[0], idempotency_key=once("another", key="another"))
    await house.ledger.admit(others[1], idempotency_key=once(scope="somebody else"))
    assert (await house.ledger.stats.sizes()).unfinished == 3


async def test_the_id_is_told_after_the_end_and_when_the_ledger_is_full(redis):
    house = House(redis, LedgerSettings(ledger_max_size=1))
    request = stored()
    await house.ledger.admit(request, idempotency_key=once())
    assert await first_of(house, stored(), once()) == request.queue_id
    await redis.delete(f"umpire:req:{request.queue_id}")  # ended, and forgotten since
    assert await first_of(house, stored(), once()) == request.queue_id


async def test_a_replay_of_the_same_request_is_no_repetition(house):
    request = stored()
    await house.ledger.admit(request, idempotency_key=once())
    assert await house.ledger.admit(request, idempotency_key=once()) == 0


async def test_what_was_not_accepted_does_not_use_up_its_key(redis):
    house = House(redis, LedgerSettings(ledger_max_size=1))
    await house.ledger.admit(stored(), idempotency_key=once(key="first"))
    with pytest.raises(QueueFull):
        await house.ledger.admit(stored(), idempotency_key=once())
    assert await redis.keys("umpire:once:*") == [f"umpire:once:{once(key='first').key}".encode()]


async def test_a_key_is_kept_for_its_time_and_nothing_readable_with_it(redis):
    house = House(redis, LedgerSettings(idempotency_ttl_seconds=100))
    await house.ledger.admit(stored(), idempotency_key=once("the essay", key="secret-key"))
    (name,) = await redis.keys("umpire:once:*")
    assert 98_000 < await redis.pttl(name) <= 100_000
    kept = name + await redis.get(name)
    assert b"secret-key" not in kept
    assert b"essay" not in kept


def test_requests_are_compared_as_they_are_understood():
    plain = {"user_prompt": "p", "callback_topic": "t", "metadata": {"a": 1, "b": [1, 2]}}
    same = [
        {"metadata": {"b": [1, 2], "a": 1}, "callback_topic": "t", "user_prompt": "p"},
        {**plain, "priority": 0, "processing_mode": None},
    ]
    other = [
        {**plain, "priority": 1},
        {**plain, "metadata": {"a": 1, "b": [2, 1]}},
        {**plain, "correlation_id": uuid4()},
        {**plain, "user_prompt": "P"},
    ]

    def fingerprint(body):
        return IdempotencyKey.of("k", LLMComparisonRequest.model_validate(body)).fingerprint

    assert {fingerprint(body) for body in same} == {fingerprint(plain)}
    assert len({fingerprint(body) for body in [plain, *other]}) == 5
