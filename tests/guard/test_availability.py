"""Availability of providers, as API processes read it before each request: one shared read, at most `ttl` old."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from umpire_guard import MOCK, breaker_settings

from contracts.clock import utcnow
from contracts.enums import CircuitState, LLMProviderType
from contracts.errors import ProviderUnavailable, Unavailable
from guard.availability import Availability, ProviderAvailability
from guard.breaker import Breaker
from guard.gate import Gate
from ledger.redis.connection import connect

pytestmark = pytest.mark.redis
ALL = list(LLMProviderType)


async def test_all_providers_are_available_before_anything_happened(redis: Redis) -> None:
    assert await Availability(redis, ALL).read() == {provider: ProviderAvailability() for provider in ALL}


async def test_each_provider_has_its_own(redis: Redis) -> None:
    settings = breaker_settings(failures=4)
    down, well = Breaker(redis, LLMProviderType.OPENAI, settings), Breaker(redis, MOCK, settings)
    for _ in range(4):
        await down.failed(ProviderUnavailable("529"))
    well.succeeded(0.25)
    well.succeeded(0.75)
    await well.flush()
    await Gate(redis, LLMProviderType.GOOGLE).pause(12.0)
    found = await Availability(redis, ALL).read()
    openai, google, mock = found[LLMProviderType.OPENAI], found[LLMProviderType.GOOGLE], found[MOCK]
    assert (openai.state, openai.available, openai.failure_count) == (CircuitState.OPEN, False, 4)
    assert openai.retry_after == pytest.approx(30.0, abs=1.0)
    assert openai.last_success is None
    for moment in (openai.since, openai.last_failure, mock.last_success):
        assert moment is not None
        assert abs((utcnow() - moment).total_seconds()) < 5
    assert (google.state, google.available) == (CircuitState.CLOSED, False)
    assert google.retry_after == pytest.approx(12.0, abs=1.0)
    assert (mock.available, mock.average_response_time_ms) == (True, 500.0)
    assert found[LLMProviderType.ANTHROPIC] == ProviderAvailability()


async def test_the_average_moves_with_the_latest_calls(redis: Redis) -> None:
    breaker = Breaker(redis, MOCK, breaker_settings())
    for seconds, low, high in ((1.0, 1000, 1000), (2.0, 1050, 1150), (2.0, 1150, 1250)):
        breaker.succeeded(seconds)
        await breaker.flush()
        average = (await Availability(redis, [MOCK]).read())[MOCK].average_response_time_ms
        assert average is not None
        assert low <= average <= high
    for _ in range(100):
        breaker.succeeded(4.0)
    await breaker.flush()
    assert (await Availability(redis, [MOCK]).read())[MOCK].average_response_time_ms == pytest.approx(4000, abs=5)


async def test_many_readers_share_one_read(redis: Redis) -> None:
    availability = Availability(redis, ALL, ttl=0.2)
    before = (await redis.info("commandstats")).get("cmdstat_time", {"calls": 0})["calls"]
    answers = await asyncio.gather(*(availability.read() for _ in range(200)))
    assert all(answer is answers[0] for answer in answers)
    assert await availability.read() is answers[0]
    assert (await redis.info("commandstats"))["cmdstat_time"]["calls"] == before + 1
    await asyncio.sleep(0.25)  # the time to live itself
    await Gate(redis, MOCK).pause(5.0)
    assert not (await availability.read())[MOCK].available


async def test_a_reader_that_goes_away_takes_nothing_from_the_others(redis: Redis) -> None:
    availability = Availability(redis, ALL, ttl=0.2)
    first, second = asyncio.create_task(availability.read()), asyncio.create_task(availability.read())
    await asyncio.sleep(0)
    first.cancel()
    assert (await second)[MOCK].available


@pytest.mark.parametrize("ttl", [0.0, 0.1])
async def test_a_frozen_redis_is_unavailable_and_then_forgotten(redis_server: Callable[..., Any], ttl: float) -> None:
    """An error is no answer to keep: the next reader asks again."""
    server = redis_server()
    client = connect(server.url, timeout=0.2)
    availability = Availability(client, ALL, ttl=ttl)
    server.pause()
    for outcome in await asyncio.gather(*(availability.read() for _ in range(5)), return_exceptions=True):
        assert isinstance(outcome, Unavailable)
    server.resume()
    assert (await availability.read())[MOCK].available
    await client.aclose()
