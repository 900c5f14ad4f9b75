"""The limits of a provider in Redis: shared by all processes, looked at by one at a time, each with its share."""

import asyncio
import math

import pytest
from redis.asyncio import Redis
from umpire_guard import MOCK

from contracts.enums import LLMProviderType
from devtools.servers import apoll
from guard.adaptive.controller import Controller, Process, split
from guard.adaptive.exchange import REPORT_SECONDS, LimitExchange, LimitUpdate, ProcessReport
from guard.adaptive.header_rate import HeaderLimit
from guard.adaptive.local import FIRST, CallCounts

pytestmark = pytest.mark.redis

BUSY = CallCounts(starts=20, above=20, full=5, answers=10, seconds=1.5, tokens=1000)


def report(
    ceiling: int = 64, local: int = FIRST, counts: CallCounts | None = None, *, wants: bool = True
) -> ProcessReport:
    return ProcessReport(Process(ceiling, local, wants), counts or CallCounts())


async def update(board: LimitExchange, told: ProcessReport) -> LimitUpdate:
    """Report until it is this one's turn to look."""
    words: list[LimitUpdate] = []

    async def looked() -> bool:
        words.append(await board.report(told if not words else told._replace(counts=CallCounts())))
        return words[-1].before is not None

    await apoll(looked, 5)
    return words[-1]


async def test_the_first_look_gives_each_process_a_few_calls(redis: Redis) -> None:
    word = await LimitExchange(redis, MOCK, "a").report(report())
    assert word.allocation.limit == FIRST
    assert word.allocation.rate == math.inf
    assert word.before is not None


async def test_the_limit_grows_by_what_others_saw_too(redis: Redis) -> None:
    first, second = LimitExchange(redis, MOCK, "a"), LimitExchange(redis, MOCK, "b")
    await first.report(report())
    await second.report(report(counts=BUSY))
    word = await update(first, report())
    assert word.control.concurrency.limit == 4 * FIRST
    assert word.control.tokens_a_call == 100
    assert word.allocation.limit == 2 * FIRST  # half of it
    assert (await second.report(report())).allocation.limit == 2 * FIRST


async def test_only_one_looks_at_a_time(redis: Redis) -> None:
    boards = [LimitExchange(redis, MOCK, name) for name in "abcdefgh"]
    await asyncio.sleep(2 * REPORT_SECONDS)
    words = await asyncio.gather(*(board.report(report()) for board in boards))
    assert sum(word.before is not None for word in words) == 1


async def test_refusals_lower_it_to_what_all_hold_themselves_to(redis: Redis) -> None:
    first, second = LimitExchange(redis, MOCK, "a"), LimitExchange(redis, MOCK, "b")
    await first.report(report())
    await update(second, report())
    await first.report(report(local=11, counts=CallCounts(starts=16, above=16, refused=5, refused_above=5)))
    word = await update(second, report(local=9))
    assert word.control.concurrency.limit == 20
    assert word.allocation.limit + (await first.report(report())).allocation.limit == 20


async def test_what_headers_said_reaches_all(redis: Redis) -> None:
    first, second = LimitExchange(redis, MOCK, "a"), LimitExchange(redis, MOCK, "b")
    await first.report(report())
    headers = (HeaderLimit(limit=600, remaining=300, reset=30.0), None)
    await second.report(report()._replace(headers=headers))
    word = await update(first, report())
    assert word.control.rate == pytest.approx(9.8)
    assert word.allocation.rate == pytest.approx(4.9)


async def test_a_process_that_left_and_one_that_is_missed_have_no_share(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.adaptive.exchange.MISSED_SECONDS", 0.5)
    stays, leaves, dies = (LimitExchange(redis, MOCK, name) for name in "abc")
    for board in (stays, leaves, dies):
        await board.report(report())
    assert (await stays.report(report())).allocation.limit < FIRST
    await leaves.leave()
    await apoll(lambda: _alone(stays), 5)


async def _alone(board: LimitExchange) -> bool:
    return (await board.report(report())).allocation.limit == FIRST


async def test_providers_do_not_share_a_limit(redis: Redis) -> None:
    refused = CallCounts(starts=9, above=9, refused=6, refused_above=6)
    await update(LimitExchange(redis, MOCK, "a"), report(local=3, counts=refused))
    assert (await LimitExchange(redis, LLMProviderType.OPENAI, "a").report(report())).control.concurrency.limit == FIRST


async def test_what_another_version_kept_is_found_anew(redis: Redis) -> None:
    board = LimitExchange(redis, MOCK, "a")
    await board.report(report())
    await redis.hset("umpire:adapt:mock", "limits", '{"concurrency": "many"}')
    assert (await update(board, report())).control.concurrency.limit == FIRST


async def test_what_was_found_outlives_its_processes_for_a_while_only(redis: Redis) -> None:
    await update(LimitExchange(redis, MOCK, "a"), report(counts=BUSY))
    assert 3000 < await redis.ttl("umpire:adapt:mock") <= 3600
    assert 3000 < await redis.ttl("umpire:adapt:mock:rows") <= 3600


def test_the_whole_limit_is_given_and_no_more() -> None:
    processes = [Process(8, 1), Process(64, 1), Process(64, 1)]
    for limit in range(1, 200):
        parts = split(limit, processes, 0.0)
        assert sum(parts) == min(limit, 8 + 64 + 64)
        assert max(parts) - min(parts) <= 1 or parts[0] == 8


def test_fewer_calls_than_processes_go_to_those_that_want_them_in_turn() -> None:
    processes = [Process(8, 1), Process(8, 1, wants=False), Process(8, 1)]
    turns = [split(1, processes, at) for at in (0.0, 60.0, 120.0)]
    assert turns == [[1, 0, 0], [0, 0, 1], [1, 0, 0]]


def test_limits_are_kept_whole() -> None:
    control = Controller()
    control.update(BUSY, (HeaderLimit(limit=600, remaining=5, reset=1.0), None), [Process(64, 16)], 1000.0, 0.25)
    assert Controller.model_validate_json(control.model_dump_json()) == control
