"""The adaptive limits in Redis: shared by all processes, updated by one at a time; each process gets its share."""

import asyncio
import math
from typing import NamedTuple

import pytest
from redis.asyncio import Redis
from umpire_guard import MOCK

from contracts.enums import LLMProviderType
from devtools.servers import apoll
from guard.adaptive.controller import Controller, Process, split
from guard.adaptive.exchange import REPORT_SECONDS, LimitExchange, LimitUpdate
from guard.adaptive.header_rate import HeaderLimit
from guard.adaptive.local import FIRST, CallCounts

pytestmark = pytest.mark.redis

BUSY = CallCounts(starts=20, above=20, full=5, answers=10, seconds=1.5, tokens=1000)


class Report(NamedTuple):
    process: Process
    counts: CallCounts
    headers: tuple[HeaderLimit | None, HeaderLimit | None] = (None, None)


def report(ceiling: int = 64, local: int = FIRST, counts: CallCounts | None = None, *, wants: bool = True) -> Report:
    return Report(Process(ceiling, local, wants), counts or CallCounts())


async def update(exchange: LimitExchange, sent: Report) -> LimitUpdate:
    """Report until it is this one's turn to look."""
    updates: list[LimitUpdate] = []

    async def updated() -> bool:
        updates.append(await exchange.report(*(sent if not updates else sent._replace(counts=CallCounts()))))
        return updates[-1].before is not None

    await apoll(updated, 5)
    return updates[-1]


async def test_the_first_update_gives_each_process_a_few_calls(redis: Redis) -> None:
    latest = await LimitExchange(redis, MOCK, "a").report(*report())
    assert latest.allocation.limit == FIRST
    assert latest.allocation.rate == math.inf
    assert latest.before is not None


async def test_the_limit_grows_by_the_reports_of_other_processes_too(redis: Redis) -> None:
    first, second = LimitExchange(redis, MOCK, "a"), LimitExchange(redis, MOCK, "b")
    await first.report(*report())
    await second.report(*report(counts=BUSY))
    latest = await update(first, report())
    assert latest.control.concurrency.limit == 4 * FIRST
    assert latest.control.tokens_a_call == 100
    assert latest.allocation.limit == 2 * FIRST  # half of it
    assert (await second.report(*report())).allocation.limit == 2 * FIRST


async def test_only_one_process_updates_the_limits_at_a_time(redis: Redis) -> None:
    exchanges = [LimitExchange(redis, MOCK, name) for name in "abcdefgh"]
    await asyncio.sleep(2 * REPORT_SECONDS)
    updates = await asyncio.gather(*(exchange.report(*report()) for exchange in exchanges))
    assert sum(latest.before is not None for latest in updates) == 1


async def test_refusals_lower_the_limit_to_the_sum_of_all_local_limits(redis: Redis) -> None:
    first, second = LimitExchange(redis, MOCK, "a"), LimitExchange(redis, MOCK, "b")
    await first.report(*report())
    await update(second, report())
    await first.report(*report(local=11, counts=CallCounts(starts=16, above=16, refused=5, refused_above=5)))
    latest = await update(second, report(local=9))
    assert latest.control.concurrency.limit == 20
    assert latest.allocation.limit + (await first.report(*report())).allocation.limit == 20


async def test_rate_limit_headers_of_one_process_limit_all(redis: Redis) -> None:
    first, second = LimitExchange(redis, MOCK, "a"), LimitExchange(redis, MOCK, "b")
    await first.report(*report())
    headers = (HeaderLimit(limit=600, remaining=300, reset=30.0), None)
    await second.report(*report()._replace(headers=headers))
    latest = await update(first, report())
    assert latest.control.rate == pytest.approx(9.8)
    assert latest.allocation.rate == pytest.approx(4.9)


async def test_a_process_that_left_or_stopped_reporting_has_no_share(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.adaptive.exchange.MISSED_SECONDS", 0.5)
    stays, leaves, dies = (LimitExchange(redis, MOCK, name) for name in "abc")
    for exchange in (stays, leaves, dies):
        await exchange.report(*report())
    assert (await stays.report(*report())).allocation.limit < FIRST
    await leaves.leave()
    await apoll(lambda: _alone(stays), 5)


async def _alone(exchange: LimitExchange) -> bool:
    return (await exchange.report(*report())).allocation.limit == FIRST


async def test_providers_do_not_share_a_limit(redis: Redis) -> None:
    refused = CallCounts(starts=9, above=9, refused=6, refused_above=6)
    await update(LimitExchange(redis, MOCK, "a"), report(local=3, counts=refused))
    others = await LimitExchange(redis, LLMProviderType.OPENAI, "a").report(*report())
    assert others.control.concurrency.limit == FIRST


async def test_limits_that_cannot_be_read_are_found_again(redis: Redis) -> None:
    exchange = LimitExchange(redis, MOCK, "a")
    await exchange.report(*report())
    await redis.hset("umpire:adapt:mock", "limits", '{"concurrency": "many"}')
    assert (await update(exchange, report())).control.concurrency.limit == FIRST


async def test_limits_expire_an_hour_after_the_last_report(redis: Redis) -> None:
    await update(LimitExchange(redis, MOCK, "a"), report(counts=BUSY))
    assert 3000 < await redis.ttl("umpire:adapt:mock") <= 3600
    assert 3000 < await redis.ttl("umpire:adapt:mock:rows") <= 3600


def test_the_shares_add_up_to_the_limit() -> None:
    processes = [Process(8, 1), Process(64, 1), Process(64, 1)]
    for limit in range(1, 200):
        parts = split(limit, processes, 0.0)
        assert sum(parts) == min(limit, 8 + 64 + 64)
        assert max(parts) - min(parts) <= 1 or parts[0] == 8


def test_processes_that_want_calls_take_turns_if_there_are_fewer_calls_than_processes() -> None:
    processes = [Process(8, 1), Process(8, 1, wants=False), Process(8, 1)]
    turns = [split(1, processes, at) for at in (0.0, 60.0, 120.0)]
    assert turns == [[1, 0, 0], [0, 0, 1], [1, 0, 0]]


def test_stored_limits_are_read_back_unchanged() -> None:
    control = Controller()
    control.update(BUSY, (HeaderLimit(limit=600, remaining=5, reset=1.0), None), [Process(64, 16)], 1000.0, 0.25)
    assert Controller.model_validate_json(control.model_dump_json()) == control
