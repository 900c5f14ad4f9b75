"""The sweep against a local upstream with a limit, and its budgets."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cli.tune.budget import Budget, most_usage
from cli.tune.call import TuneCaller
from cli.tune.level import find_knee, is_limited
from cli.tune.round import Rules
from cli.tune.run import quota_of, sample_requests
from cli.tune.sweep import INTERRUPTED, Sweep
from contracts.enums import LLMProviderType
from contracts.errors import ProviderMisconfigured
from contracts.settings import Settings
from devtools.providers import body_of, settings_for
from devtools.upstream import Connection, Upstream, answer, hang, upstream
from providers.base import RateHeaders, Usage
from providers.factory import make_provider
from providers.models.manifest import Manifest

ANTHROPIC = LLMProviderType.ANTHROPIC
INFO = Manifest.load().default(ANTHROPIC)
REQUEST = sample_requests()
LIMITS = {"anthropic-ratelimit-requests-limit": "4000", "anthropic-ratelimit-tokens-limit": "400000"}
RATE_LIMIT = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}

Answer = Callable[[Connection], Any]


def queueing(places: int, seconds: float) -> Answer:
    """Works on so many calls at a time and lets the others wait."""
    free = asyncio.Semaphore(places)

    async def send(connection: Connection) -> None:
        async with free:
            await asyncio.sleep(seconds)
        await answer(200, body_of(ANTHROPIC), LIMITS)(connection)

    return send


def refusing(places: int, seconds: float, headers: dict[str, str]) -> Answer:
    """Works on so many calls at a time and sends the others away."""
    inside = 0

    async def send(connection: Connection) -> None:
        nonlocal inside
        if inside >= places:
            await answer(429, RATE_LIMIT, headers)(connection)
            return
        inside += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            inside -= 1
        await answer(200, body_of(ANTHROPIC), LIMITS)(connection)

    return send


def budget(calls: int | None = None, dollars: float | None = None) -> Budget:
    return Budget(INFO, most_usage(REQUEST(0), INFO), calls=calls, dollars=dollars)


@asynccontextmanager
async def sweeping(at: Upstream, spend: Budget | None = None, **rules: Any) -> AsyncIterator[tuple[Sweep, TuneCaller]]:
    adapter = make_provider(ANTHROPIC, settings_for(ANTHROPIC, at.url, concurrency=64))
    caller = TuneCaller(adapter, INFO, REQUEST, spend or budget(), timeout=20.0)
    chosen = {"seconds": 0.6, "calls": None, "longest_pause": 10.0, "pause": 0.02, **rules}
    try:
        yield Sweep(caller, Rules(**chosen), asyncio.Event()), caller
    finally:
        await adapter.close()


async def test_it_finds_the_knee_of_a_provider_that_lets_calls_wait_and_goes_no_further() -> None:
    """Calls of 0.3 s, two at a time: 6.7/s, from 2 in flight on."""
    async with upstream(queueing(2, 0.3)) as at, sweeping(at) as (sweep, caller):
        await sweep.run([1, 2, 8, 16], lambda _: None)
    assert "no longer grows" in sweep.stopped
    knee = find_knee(sweep.levels)
    assert knee
    assert knee.concurrency == 2
    assert is_limited(sweep.levels, knee)
    assert knee.rate < 7, "no more than it can"
    assert caller.announced.requests_limit == 4000
    assert caller.budget.made == len(at.calls)


async def test_it_stops_where_calls_are_refused() -> None:
    async with upstream(refusing(4, 0.1, {})) as at, sweeping(at) as (sweep, _):
        await sweep.run([1, 2, 32, 64], lambda _: None)
    assert [level.concurrency for level in sweep.levels] == [1, 2, 32]
    assert "were refused at 32 in flight" in sweep.stopped
    refused = sweep.levels[-1]
    assert refused.refusals == refused.errors["LLM_PROVIDER_RATE_LIMIT"] > 0
    assert refused.failed == 0


async def test_a_retry_after_concerns_all_calls() -> None:
    """At the second call the provider asks for 0.5 s of patience; until then nobody calls."""
    moments: list[float] = []

    async def send(connection: Connection) -> None:
        moments.append(asyncio.get_running_loop().time())
        if len(moments) == 2:
            await answer(429, RATE_LIMIT, {"retry-after": "0.5"})(connection)
        else:
            await answer(200, body_of(ANTHROPIC))(connection)

    async with upstream(send) as at, sweeping(at, seconds=2.0, calls=6) as (sweep, _):
        await sweep.run([1], lambda _: None)
    assert len(moments) == 8
    assert moments[2] - moments[1] >= 0.5


async def test_a_provider_that_wants_to_be_left_alone_for_long_is() -> None:
    async with upstream(refusing(1, 0.05, {"retry-after": "600"})) as at, sweeping(at) as (sweep, _):
        await sweep.run([1, 8, 16], lambda _: None)
    assert "asked for a pause of 600 s" in sweep.stopped
    assert [level.concurrency for level in sweep.levels] == [1, 8]
    assert sweep.levels[-1].cut


async def test_a_budget_of_calls_is_kept() -> None:
    async with upstream(answer(200, body_of(ANTHROPIC))) as at, sweeping(at, budget(calls=25)) as (sweep, _):
        await sweep.run([1, 8, 64], lambda _: None)
        assert len(at.calls) == 25
    assert "--max-calls" in sweep.stopped


async def test_a_budget_of_dollars_is_kept_with_all_calls_in_flight_at_their_worst() -> None:
    spend = budget(dollars=0.02)
    assert spend.each == pytest.approx(0.0048, abs=0.0005)
    async with upstream(answer(200, body_of(ANTHROPIC))) as at, sweeping(at, spend) as (sweep, _):
        await sweep.run([8, 64], lambda _: None)
        assert len(at.calls) == spend.made
    assert "--max-cost" in sweep.stopped
    assert 0 < (spend.spent or 0) <= 0.02
    assert sweep.levels[-1].concurrency == 8, "five at their worst are too many"


async def test_the_calls_of_a_level_are_bounded() -> None:
    async with upstream(queueing(64, 0.02)) as at, sweeping(at, seconds=60.0, calls=30) as (sweep, _):
        await sweep.run([4], lambda _: None)
        assert 1 + 4 + 30 <= len(at.calls) < 200, "one alone, those until each slot has made one, and 30"
    assert not sweep.levels[0].cut


async def test_an_interrupted_sweep_keeps_what_it_has() -> None:
    """Its third call never ends."""
    good = answer(200, body_of(ANTHROPIC))
    async with upstream(good, good, hang) as at, sweeping(at, seconds=60.0) as (sweep, _):
        running = asyncio.create_task(sweep.run([1, 2], lambda _: None))
        while len(at.calls) < 3:
            await asyncio.sleep(0.01)
        sweep.stop.set()
        await asyncio.wait_for(running, 10)
    assert sweep.stopped == INTERRUPTED
    assert [(level.concurrency, level.verdicts, level.cut) for level in sweep.levels] == [(1, 1, True)]


async def test_a_wrong_key_ends_it_with_the_first_call() -> None:
    wrong = answer(401, {"type": "error", "error": {"type": "authentication_error", "message": "no"}})
    async with upstream(wrong) as at, sweeping(at) as (sweep, _):
        with pytest.raises(ProviderMisconfigured):
            await sweep.run([1], lambda _: None)
        assert len(at.calls) == 1


async def test_answers_without_a_verdict_are_failures_that_were_paid() -> None:
    unread = answer(200, body_of(ANTHROPIC, "I prefer the first one."))
    async with upstream(unread) as at, sweeping(at) as (sweep, caller):
        called = await caller.call()
    assert called
    assert (called.code, called.refused) == ("LLM_PARSING_ERROR", False)
    assert called.cost == caller.budget.spent > 0
    assert sweep.levels == []


def test_a_call_that_was_given_up_counts_as_paid() -> None:
    spend = budget(dollars=0.01)
    assert spend.take()
    spend.failed(perhaps_paid=True)
    assert spend.take()
    assert not spend.take()
    assert spend.spent == 0.0, "what is known"


def test_a_price_that_is_not_known_is_none() -> None:
    model = Manifest.load().find(LLMProviderType.OPENAI, "gpt-4o")
    assert model
    unknown = Budget(model, Usage(1000, 1000), calls=10)
    assert (unknown.each, unknown.most_dollars) == (None, None)
    assert budget(calls=10).most_dollars == pytest.approx(10 * (budget().each or 0))


def test_announced_limits_go_before_configured_ones_but_openrouters_which_say_no_time() -> None:
    settings = settings_for(ANTHROPIC, "http://x", rpm=50)
    told = RateHeaders(requests_limit=4000)
    assert quota_of(told, settings, ANTHROPIC).rpm == 4000
    assert quota_of(RateHeaders(), settings, ANTHROPIC).rpm == 50
    assert quota_of(told, Settings(), LLMProviderType.OPENROUTER).rpm is None
