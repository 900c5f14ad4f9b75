"""The books: what was accepted has ended once or is unfinished, to the last request."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from umpire_ledger import MOCK, House, ending, stored

from contracts.enums import LLMProviderType, QueueStatus
from contracts.errors import QueueFull
from contracts.settings import LedgerSettings
from ledger.claims import Claims
from ledger.completion import CompletedBy
from ledger.idempotency import AlreadyAccepted, IdempotencyKey
from ledger.ledger import Ledger
from ledger.outbox import Undelivered
from ledger.redis.connection import connect

pytestmark = pytest.mark.redis

OPENAI = LLMProviderType.OPENAI


@pytest.fixture
async def house(redis_url: str) -> AsyncIterator[House]:
    redis: Redis = connect(redis_url, timeout=2.0)
    yield House(redis)
    await redis.aclose()


async def totals(house: House) -> dict[str, int]:
    found = await house.redis.hgetall("umpire:totals")
    return {field.decode(): int(count) for field, count in found.items() if field != b"base"}


async def test_each_request_counts_once_where_it_is_accepted(house: House) -> None:
    first, spooled = stored(), stored(provider=OPENAI)
    await house.admit(first)
    await house.ledger.admit(first)  # its answer was lost: the client's request is sent again
    await house.ledger.admit(spooled, accepted=True)
    once = IdempotencyKey("a" * 64, "f" * 64)
    await house.ledger.admit(stored(), idempotency_key=once)
    with pytest.raises(AlreadyAccepted):
        await house.ledger.admit(stored(), idempotency_key=once)
    full = Ledger(house.redis, LedgerSettings(ledger_max_size=1), timeout=5.0)
    with pytest.raises(QueueFull):
        await full.admit(stored())
    assert await totals(house) == {"accepted.mock": 2, "accepted.openai": 1}
    books = await house.ledger.stats.books()
    assert (books.accepted, books.ended, books.unfinished, books.difference) == (3, 0, 3, 0)


async def test_each_end_counts_once_with_its_state_and_code(house: House) -> None:
    requests = [stored() for _ in range(5)]
    await house.admit(*requests)
    completed, failed, expired, cancelled, running = requests
    claims = house.claims()
    for request in (completed, failed, running):
        await claims.claim(str(request.queue_id), more=0)
    ends = [
        (completed, QueueStatus.COMPLETED, CompletedBy.ANY, "-"),
        (failed, QueueStatus.FAILED, CompletedBy.HOLDER, "LLM_PROVIDER_UNAVAILABLE"),
        (expired, QueueStatus.EXPIRED, CompletedBy.UNCLAIMED, "LLM_REQUEST_EXPIRED"),
        (cancelled, QueueStatus.CANCELLED, CompletedBy.UNCLAIMED, "LLM_REQUEST_CANCELLED"),
    ]
    for request, state, by, code in ends:
        assert await claims.finish(ending(request.queue_id, state, by, code=code)) is not None
        assert await claims.finish(ending(request.queue_id, state, by, code=code)) is None
    expected = {f"ended.mock.{state.value}.{code}": 1 for _, state, _, code in ends}
    assert await totals(house) == {"accepted.mock": 5, **expected}
    books = await house.ledger.stats.books()
    assert (books.accepted, books.ended, books.unfinished, books.difference) == (5, 4, 1, 0)


async def test_requests_that_end_together_are_all_counted(house: House) -> None:
    requests = [stored() for _ in range(7)]
    await house.admit(*requests)
    claims = house.claims()
    assert len(await claims.claim(None, more=7)) == 7
    await claims._finish_all([ending(request.queue_id) for request in requests])
    assert await totals(house) == {"accepted.mock": 7, "ended.mock.completed.-": 7}


async def test_a_dead_letter_is_no_end(house: House) -> None:
    request = stored()
    await house.admit(request)
    entry_id = await house.claims().finish(ending(request.queue_id))
    assert entry_id is not None
    await house.outbox.undelivered([Undelivered(entry_id, "TOPIC_FORBIDDEN", 0.0)])
    assert await totals(house) == {"accepted.mock": 1, "ended.mock.completed.-": 1}


async def test_a_verdict_of_a_request_that_redis_lost_is_no_end(house: House) -> None:
    """A stale replica was promoted: its books have lost the acceptance, too."""
    request = stored()
    await house.admit(request)
    (claimed,) = await house.claims().claim(None, more=1)
    await house.redis.flushall()
    assert await house.claims().finish(ending(request.queue_id, claimed=claimed.claimed)) is not None
    assert await totals(house) == {}
    assert (await house.ledger.stats.books()).difference == 0


async def test_a_difference_shows_what_is_missing_and_what_ended_twice(house: House) -> None:
    request = stored()
    await house.admit(request)
    assert (await house.ledger.stats.books()).difference == 0
    await house.redis.zrem("umpire:expiry", str(request.queue_id))
    assert (await house.ledger.stats.books()).difference == 1
    await house.redis.hincrby("umpire:totals", "ended.mock.failed.-", 2)
    assert (await house.ledger.stats.books()).difference == -1


async def test_books_of_a_ledger_that_an_older_version_filled_begin_at_0(house: House) -> None:
    old = [stored() for _ in range(3)]
    await house.admit(*old)
    await house.redis.delete("umpire:totals")  # the older version wrote none
    books = await house.ledger.stats.books()
    assert (books.base, books.difference) == (-3, 0)
    claims = Claims(house.redis, MOCK, house.settings, owner="new", cap=60.0)
    await claims.claim(None, more=3)
    for request in old:
        await claims.finish(ending(request.queue_id))
    await house.admit(stored())
    assert (await house.ledger.stats.books()).difference == 0


async def test_after_a_mixed_time_the_books_begin_again_at_0(house: House) -> None:
    request = stored()
    await house.ledger.stats.books()
    await house.admit(request)
    await house.redis.hdel("umpire:totals", "accepted.mock")  # an older process accepted it
    assert (await house.ledger.stats.books()).difference == -1
    await house.redis.hdel("umpire:totals", "base")
    assert (await house.ledger.stats.books()).difference == 0


async def test_damaged_books_keep_no_request_from_being_accepted_and_ended(house: House) -> None:
    await house.redis.set("umpire:totals", "text")
    request = stored()
    await house.admit(request)
    claims = house.claims()
    await claims.claim(None, more=1)
    assert await claims.finish(ending(request.queue_id)) is not None
