"""What a real worker tells Flower of itself, and of requests that fail, wait or are put off."""

import asyncio
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import Celery
from umpire_account import ANTHROPIC, KEY_REJECTED, MODEL_FORBIDDEN, Account
from umpire_worker import desk, reach, worker

from contracts.enums import LLMProviderType
from devtools.servers import apoll
from devtools.upstream import Connection, upstream
from tasks.app import SETTINGS

pytestmark = [pytest.mark.redis, pytest.mark.kafka]

MOCK = LLMProviderType.MOCK

Events = dict[str, list[dict[str, Any]]]


@contextmanager
def events_of(redis_url: str) -> Iterator[tuple[Celery, Events]]:
    """As Flower receives them."""
    app, heard, stop = Celery("test", broker=redis_url, set_as_current=False), defaultdict(list), threading.Event()
    app.conf.update(SETTINGS)

    def listen() -> None:
        with app.connection() as connection:
            receiver = app.events.Receiver(connection, handlers={"*": lambda event: heard[event["type"]].append(event)})
            while not stop.is_set():
                try:
                    receiver.capture(limit=None, timeout=0.5)
                except TimeoutError:
                    continue

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield app, heard
    finally:
        stop.set()
        thread.join(10)


async def test_the_heartbeat_has_what_is_in_flight_and_the_pool_its_slots(redis_url: str, kafka_bootstrap: str) -> None:
    async with desk(redis_url, kafka_bootstrap) as at:
        settings = {**at.settings, "UMPIRE_MOCK_LATENCY_MS": "4000", "UMPIRE_MOCK_CONCURRENCY": "8"}
        settings["UMPIRE_ADAPTIVE_CONCURRENCY"] = "false"
        with events_of(redis_url) as (app, heard):
            queue_ids = [await at.submit(MOCK) for _ in range(12)]
            async with worker(MOCK, **settings):
                await apoll(
                    lambda: any(event["active"] == 8 for event in heard["worker-heartbeat"]), 30, what="8 in flight"
                )
                assert heard["worker-heartbeat"][-1]["slots"] == 8
                stats = await asyncio.to_thread(lambda: app.control.inspect(timeout=5).stats())
                (told,) = stats.values()
                assert told["pool"]["max-concurrency"] == 8
                await at.inbox.until(queue_ids, 60)
                await apoll(lambda: heard["worker-heartbeat"][-1]["succeeded"] == 12, 20, what="its totals")
                last = heard["worker-heartbeat"][-1]
                assert (last["active"], last["processed"], last["failed"]) == (0, 12, 0)


@pytest.mark.parametrize(
    ("code", "event", "row"),
    [
        ("LLM_CONTENT_TOO_LONG", "task-failed", "failed: LLM_CONTENT_TOO_LONG, attempt 1"),
        ("LLM_PROVIDER_TIMEOUT", "task-retried", "deferred: LLM_PROVIDER_TIMEOUT, attempt 2"),
    ],
)
async def test_rows_of_what_fails_carry_code_and_attempt(
    code: str, event: str, row: str, redis_url: str, kafka_bootstrap: str
) -> None:
    async with desk(redis_url, kafka_bootstrap) as at:
        settings = {**at.settings, "UMPIRE_MOCK_LATENCY_MS": "0", "UMPIRE_RETRY_ATTEMPTS": "2"}
        settings |= {
            "UMPIRE_MOCK_ERROR_RATE": "1",
            "UMPIRE_MOCK_ERROR_CODES": code,
            "UMPIRE_TEST_RETRY_INITIAL_SECONDS": "0",
        }
        with events_of(redis_url) as (_, heard):
            async with worker(MOCK, **settings):
                queue_id = await at.submit(MOCK)
                await apoll(lambda: heard[event], 30, what=event)
        told = heard[event][0]
        assert (told["uuid"], told["exception"]) == (queue_id, row)


async def test_in_an_outage_rows_say_what_the_provider_did(redis_url: str, kafka_bootstrap: str) -> None:
    async with desk(redis_url, kafka_bootstrap) as at:
        settings = {**at.settings, "UMPIRE_MOCK_LATENCY_MS": "0", "UMPIRE_TEST_RETRY_INITIAL_SECONDS": "0"}
        settings |= {"UMPIRE_MOCK_ERROR_RATE": "1", "UMPIRE_BREAKER_FAILURES": "1"}
        with events_of(redis_url) as (_, heard):
            async with worker(MOCK, **settings):
                for _ in range(30):
                    await at.submit(MOCK)
                await apoll(lambda: heard["task-retried"], 30, what="rows of what was put off")
        named = re.compile(
            r"returned: breaker( after LLM_PROVIDER_UNAVAILABLE, attempt [1-9]\d*|, attempt 0)"
            r"|deferred: LLM_PROVIDER_UNAVAILABLE, attempt \d+"
        )
        assert [one["exception"] for one in heard["task-retried"] if not named.fullmatch(one["exception"])] == []


@pytest.mark.parametrize(
    ("fault", "reason"), [(KEY_REJECTED, "hold"), (MODEL_FORBIDDEN, "model_hold")], ids=["hold", "model hold"]
)
async def test_rows_of_what_a_hold_gives_back_carry_code_and_attempt(
    fault: Callable[[Connection], Any], reason: str, redis_url: str, kafka_bootstrap: str
) -> None:
    account = Account(fault)
    async with desk(redis_url, kafka_bootstrap) as at, upstream(account.serve) as provider:
        account.upstream = provider
        with events_of(redis_url) as (_, heard):
            async with worker(ANTHROPIC, **at.settings, **reach(ANTHROPIC, provider.url)):
                queue_id = await at.submit(ANTHROPIC)
                await apoll(lambda: heard["task-retried"], 30, what="the row of what was given back")
        told = heard["task-retried"][0]
        # Its attempt may be a probe's: the receiver is not always there for the first one.
        row = rf"returned: {reason} after LLM_CONFIGURATION_ERROR, attempt [1-9]"
        assert told["uuid"] == queue_id
        assert re.fullmatch(row, told["exception"])


async def test_the_row_of_one_that_is_given_back_before_its_next_call_has_the_code_of_its_last(
    redis_url: str, kafka_bootstrap: str
) -> None:
    """Its first claim was deferred after an error; the second one finds the minute's only call used."""
    async with desk(redis_url, kafka_bootstrap) as at:
        settings = {**at.settings, "UMPIRE_MOCK_LATENCY_MS": "0", "UMPIRE_MOCK_ERROR_RATE": "1"}
        settings |= {"UMPIRE_TEST_MOCK_RPM": "1", "UMPIRE_RETRY_ATTEMPTS": "1", "UMPIRE_TEST_DEFER_SECONDS": "0.1"}
        with events_of(redis_url) as (_, heard):
            async with worker(MOCK, **settings):
                queue_id = await at.submit(MOCK)
                await apoll(lambda: len(heard["task-retried"]) >= 2, 40, what="both rows")
        assert [(one["uuid"], one["exception"]) for one in heard["task-retried"][:2]] == [
            (queue_id, "deferred: LLM_PROVIDER_UNAVAILABLE, attempt 1"),
            (queue_id, "returned: rate_limit after LLM_PROVIDER_UNAVAILABLE, attempt 1"),
        ]
