"""The circuit breaker, on a real Redis: when it opens, who may probe, what closes it, and what does neither."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from umpire_guard import MOCK, Notes, breaker_settings

from contracts.enums import CircuitState, LLMProviderType
from contracts.errors import (
    InternalError,
    ParsingError,
    ProviderMisconfigured,
    ProviderRateLimited,
    ProviderRejected,
    ProviderServerError,
    ProviderTimeout,
    ProviderUnavailable,
    UmpireError,
    Unavailable,
)
from contracts.settings import Settings
from devtools.servers import apoll
from guard.availability import Availability, ProviderAvailability
from guard.breaker import Breaker, Transition
from ledger.redis.connection import connect

pytestmark = pytest.mark.redis

DOWN = ProviderUnavailable("529")
QUICK = {"failures": 4, "recovery_seconds": 0.2, "window_seconds": 60.0}


def breaker(redis: Redis, settings: Settings | None = None, **rules: Any) -> Breaker:
    return Breaker(redis, MOCK, settings or breaker_settings(**{**QUICK, **rules}))


async def status(redis: Redis, provider: LLMProviderType = MOCK) -> ProviderAvailability:
    return (await Availability(redis, [provider]).read())[provider]


async def opened(of: Breaker, failures: int = 4) -> Transition:
    for _ in range(failures - 1):
        assert await of.failed(DOWN) is None
    transition = await of.failed(DOWN)
    assert transition is not None
    return transition


async def lease(of: Breaker, owner: str, seconds: float = 30.0) -> Transition:
    """A probe's lease, as soon as the recovery time has passed."""
    return await apoll(lambda: of.lease_probe(owner, seconds), what=f"a lease for {owner}") or pytest.fail("no lease")


async def test_opens_at_the_volume_and_reports_that_once(redis: Redis) -> None:
    transition = await opened(breaker(redis))
    assert transition.provider is MOCK
    assert transition.state is CircuitState.OPEN
    assert transition.retry_after == 0.2
    now = await status(redis)
    assert (now.state, now.failure_count, now.since) == (CircuitState.OPEN, 4, transition.since)
    assert await breaker(redis).failed(DOWN) is None


async def test_failures_of_all_workers_count_together(redis: Redis) -> None:
    """Each worker sees too few to open it."""
    workers = [breaker(redis) for _ in range(4)]
    assert [bool(await worker.failed(DOWN)) for worker in workers] == [False, False, False, True]


async def test_one_request_alone_never_opens_it(redis: Redis) -> None:
    """The volume exceeds the attempts of one claim, whatever was set: an outage must cost no request its tries."""
    one = breaker(redis, breaker_settings(attempts=5, failures=1))
    for _ in range(5):
        assert await one.failed(DOWN) is None
    assert await one.failed(DOWN)


@pytest.mark.parametrize("error", [DOWN, ProviderServerError("500"), ProviderTimeout("slow")])
async def test_errors_that_trip_it(redis: Redis, error: UmpireError) -> None:
    one = breaker(redis)
    assert [bool(await one.failed(error)) for _ in range(4)] == [False, False, False, True]


@pytest.mark.parametrize(
    "error", [ProviderRateLimited("429"), ProviderRejected("400"), ProviderMisconfigured("401"), InternalError("ours")]
)
async def test_errors_that_are_neither_failure_nor_success(redis: Redis, error: UmpireError) -> None:
    one = breaker(redis)
    for _ in range(20):
        assert await one.failed(error) is None
    await one.flush()
    assert await status(redis) == ProviderAvailability()


async def test_an_answer_without_verdict_is_a_success(redis: Redis) -> None:
    one = breaker(redis)
    assert await one.failed(ParsingError("not JSON"), 0.5) is None
    await one.flush()
    now = await status(redis)
    assert now.last_success is not None
    assert now.average_response_time_ms == 500


async def test_stays_closed_while_most_calls_succeed(redis: Redis) -> None:
    """Successes that were not flushed yet count too: a failure takes them along."""
    one = breaker(redis)
    for _ in range(20):
        one.succeeded(0.1)
        one.succeeded(0.1)
        assert await one.failed(DOWN) is None
    assert (await status(redis)).state is CircuitState.CLOSED


async def test_opens_at_half_of_the_outcomes(redis: Redis) -> None:
    one = breaker(redis)
    for _ in range(10):
        one.succeeded(0.1)
    for _ in range(9):
        assert await one.failed(DOWN) is None
    assert await one.failed(DOWN)


async def test_many_in_a_row_open_it_however_busy_the_window_was(redis: Redis) -> None:
    one = breaker(redis)
    volume = breaker_settings(**QUICK).breaker_volume
    for _ in range(2_000):
        one.succeeded(0.1)
    await one.flush()
    for _ in range(4 * volume - 1):
        assert await one.failed(DOWN) is None
    one.succeeded(0.1)
    await one.flush()
    for _ in range(4 * volume - 1):
        assert await one.failed(DOWN) is None
    assert await one.failed(DOWN)


async def test_failures_reported_together_with_successes_are_not_in_a_row(redis: Redis) -> None:
    """They came in an order that nobody knows; only what follows without any success is a row."""
    one = breaker(redis)
    volume = breaker_settings(**QUICK).breaker_volume
    for _ in range(5_000):
        one.succeeded(0.1)
    await one.flush()
    for _ in range(4 * volume - 1):
        assert await one.failed(DOWN) is None
    for _ in range(44):
        one.succeeded(0.1)
    assert not any(await asyncio.gather(*(one.failed(DOWN) for _ in range(5 * volume))))
    assert (await status(redis)).state is CircuitState.CLOSED
    assert not any([await one.failed(DOWN) for _ in range(4 * volume - 1)])
    assert await one.failed(DOWN)


async def test_failures_leave_the_window(redis: Redis) -> None:
    one = breaker(redis, window_seconds=0.4)
    for _ in range(3):
        await one.failed(DOWN)
    await asyncio.sleep(0.5)  # the window itself
    for _ in range(3):
        assert await one.failed(DOWN) is None
    assert await one.failed(DOWN)


async def test_the_window_is_bounded_in_memory_and_leaves_nothing(redis: Redis) -> None:
    one = breaker(redis, window_seconds=0.2, failures=1000)
    until = time.monotonic() + 0.6
    most = 0
    while time.monotonic() < until:
        one.succeeded(0.1)
        await one.failed(DOWN)
        most = max(most, await redis.hlen("umpire:breaker:mock:window"))  # type: ignore[misc]
        await asyncio.sleep(0.005)
    assert most <= 2 * 20
    await apoll(lambda: _gone(redis, "umpire:breaker:mock:window"))


async def _gone(redis: Redis, key: str) -> bool:
    return not await redis.exists(key)


async def test_success_costs_no_round_trip_until_the_flush(redis: Redis) -> None:
    one = breaker(redis)
    for _ in range(10):
        one.succeeded(0.2)
    assert (await status(redis)).last_success is None
    assert await one.flush() is None
    now = await status(redis)
    assert now.last_success is not None
    assert now.average_response_time_ms == 200
    before = await _scripts_run(redis)
    await one.flush()
    assert await _scripts_run(redis) == before, "nothing to tell, nothing sent"


async def _scripts_run(redis: Redis) -> int:
    calls: int = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    return calls


async def test_failures_that_come_together_share_a_round_trip_and_one_transition(redis: Redis) -> None:
    """When a provider dies, all slots fail at once, more of them than there are connections."""
    one = breaker(redis)
    assert await one.failed(DOWN) is None
    before = await _scripts_run(redis)
    transitions = await asyncio.gather(*(one.failed(DOWN) for _ in range(500)))
    assert sum(transition is not None for transition in transitions) == 1
    assert (await status(redis)).failure_count == 501
    assert await _scripts_run(redis) - before <= 500 / 64 + 1


async def test_no_probe_while_closed_or_before_the_recovery_time(redis: Redis) -> None:
    one = breaker(redis, recovery_seconds=30.0)
    assert await one.lease_probe("a", 30.0) is None
    await opened(one)
    assert await one.lease_probe("a", 30.0) is None
    now = await status(redis)
    assert not now.available
    assert now.retry_after == pytest.approx(30.0, abs=1.0)


async def test_exactly_one_of_many_gets_the_probe(redis: Redis, redis_url: str) -> None:
    await opened(breaker(redis))
    await apoll(lambda: _available(redis))
    clients = [connect(redis_url, timeout=2.0) for _ in range(20)]
    leases = await asyncio.gather(*(breaker(c).lease_probe(f"w{i}", 30.0) for i, c in enumerate(clients)))
    (granted,) = [found for found in leases if found]
    assert granted.state is CircuitState.HALF_OPEN
    now = await status(redis)
    assert (now.state, now.available, now.since) == (CircuitState.HALF_OPEN, False, granted.since)
    assert now.retry_after == 5.0, "a hint to ask again soon, not the whole lease"
    for client in clients:
        await client.aclose()


async def _available(redis: Redis) -> bool:
    return (await status(redis)).available


async def test_a_successful_probe_closes_it(redis: Redis) -> None:
    one = breaker(redis)
    await opened(one)
    await lease(one, "a")
    transition = await one.probe_succeeded("a", 0.3)
    assert transition is not None
    assert (transition.state, transition.retry_after) == (CircuitState.CLOSED, None)
    now = await status(redis)
    assert (now.state, now.available, now.failure_count) == (CircuitState.CLOSED, True, 0)
    assert now.average_response_time_ms == 300
    assert now.last_success is not None
    for _ in range(3):
        assert await one.failed(DOWN) is None, "failures from before it opened are forgotten"


async def test_the_set_number_of_probes_must_succeed(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.breaker.SUCCESSES_NEEDED", 2)
    one = breaker(redis)
    await opened(one)
    await lease(one, "a")
    assert await one.probe_succeeded("a") is None
    assert (await status(redis)).state is CircuitState.HALF_OPEN
    assert await one.lease_probe("b", 30.0), "the next one may follow at once"
    assert await one.probe_succeeded("b")


async def test_a_failed_probe_reopens_it_and_its_successes_start_anew(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.breaker.SUCCESSES_NEEDED", 2)
    one = breaker(redis)
    await opened(one)
    await lease(one, "a")
    assert await one.probe_succeeded("a") is None
    assert await one.lease_probe("b", 30.0)
    transition = await one.probe_failed("b", DOWN)
    assert transition is not None
    assert (transition.state, transition.retry_after) == (CircuitState.OPEN, 0.2)
    assert await one.lease_probe("c", 30.0) is None, "another recovery period"
    await lease(one, "c")
    assert await one.probe_succeeded("c") is None


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ProviderTimeout("slow"), CircuitState.OPEN),
        (ProviderRateLimited("429"), CircuitState.CLOSED),
        (ProviderRejected("400"), CircuitState.CLOSED),
        (ProviderMisconfigured("401"), CircuitState.HALF_OPEN),
        (ParsingError("not JSON"), CircuitState.CLOSED),
        (InternalError("ours"), CircuitState.HALF_OPEN),
    ],
)
async def test_the_error_of_a_probe_decides_the_state(redis: Redis, error: UmpireError, state: CircuitState) -> None:
    """Any answer shows that the provider is back, but one that raises a hold; an error of our own shows nothing."""
    one = breaker(redis)
    await opened(one)
    await lease(one, "a")
    await one.probe_failed("a", error)
    now = await status(redis)
    assert now.state is state
    assert (now.last_success is not None) == (state is CircuitState.CLOSED)
    assert now.average_response_time_ms is None


async def test_a_released_lease_is_free_at_once(redis: Redis) -> None:
    """There was no work to probe with: requests must still be let in, or there would never be any."""
    one = breaker(redis)
    await opened(one)
    await lease(one, "a")
    await one.probe_released("a")
    now = await status(redis)
    assert (now.state, now.available) == (CircuitState.HALF_OPEN, True)
    assert await one.lease_probe("b", 30.0)


async def test_the_lease_of_a_frozen_worker_lapses_and_its_outcome_does_not_count(redis: Redis) -> None:
    one = breaker(redis)
    await opened(one)
    await lease(one, "frozen", 0.2)
    assert await one.lease_probe("b", 30.0) is None
    await lease(one, "b")
    assert await one.probe_succeeded("frozen") is None, "late: another holds the probe"
    assert await one.probe_failed("frozen", DOWN) is None
    await one.probe_released("frozen")
    assert await one.lease_probe("c", 30.0) is None, "b still holds it"
    assert await one.probe_succeeded("b")


async def test_the_outcome_of_a_probe_counts_after_its_lease_lapsed_if_no_other_took_it(redis: Redis) -> None:
    one = breaker(redis)
    await opened(one)
    await lease(one, "slow", 0.05)
    await apoll(lambda: _available(redis))
    assert await one.probe_succeeded("slow")


async def test_late_failures_do_not_extend_an_open_breaker(redis: Redis) -> None:
    one = breaker(redis, recovery_seconds=0.4)
    since = (await opened(one)).since
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        assert await one.failed(DOWN, 10.0) is None
        await asyncio.sleep(0.02)
    assert (await status(redis)).since == since
    await apoll(lambda: _available(redis), deadline=0.3)


async def test_a_late_success_does_not_close_an_open_or_half_open_breaker(redis: Redis) -> None:
    one = breaker(redis)
    await opened(one)
    one.succeeded(9.0)
    assert await one.flush() is None
    assert (await status(redis)).state is CircuitState.OPEN
    await lease(one, "a")
    one.succeeded(9.0)
    assert await one.flush() is None
    now = await status(redis)
    assert (now.state, now.available) == (CircuitState.HALF_OPEN, False)


async def test_calls_that_hung_while_it_was_open_do_not_open_it_again(redis: Redis) -> None:
    one = breaker(redis)
    await opened(one)
    await lease(one, "a")
    assert await one.probe_succeeded("a")
    for _ in range(20):
        assert await one.failed(ProviderTimeout("slow"), 36.0) is None
    assert (await status(redis)).state is CircuitState.CLOSED
    await opened(one)


async def test_providers_do_not_share_a_breaker(redis: Redis) -> None:
    await opened(breaker(redis))
    assert (await status(redis, LLMProviderType.OPENAI)).available


async def test_a_frozen_redis_loses_no_answer(redis_server: Callable[..., Any], notes: Notes) -> None:
    """Reports never raise; successes wait for the next flush; only the lease, which must be sure, says no."""
    server = redis_server()
    client = connect(server.url, timeout=0.3)
    one = Breaker(client, MOCK, breaker_settings(**QUICK), notes)
    assert await one.failed(DOWN) is None
    server.pause()
    one.succeeded(0.1)
    assert await one.flush() is None
    assert await one.failed(DOWN) is None
    assert await one.probe_succeeded("a") is None
    assert {note.labels["operation"] for note in notes.named("breaker.unreported")} == {"report", "settle"}
    with pytest.raises(Unavailable):
        await one.lease_probe("a", 1.0)
    server.resume()
    await apoll(lambda: _flushed(one, client))
    await client.aclose()


async def _flushed(one: Breaker, client: Redis) -> bool:
    await one.flush()
    return (await status(client)).last_success is not None


async def test_a_restarted_redis_that_forgot_the_script_gets_it_again(redis: Redis) -> None:
    one = breaker(redis)
    await one.failed(DOWN)
    await redis.script_flush()
    await opened(one, 3)


async def test_each_change_is_noted(redis: Redis, notes: Notes) -> None:
    one = Breaker(redis, MOCK, breaker_settings(**QUICK), notes)
    await opened(one)
    await lease(one, "a")
    await one.probe_succeeded("a")
    assert [note.labels["state"] for note in notes.named("breaker.changed")] == ["open", "half_open", "closed"]


async def test_the_note_of_an_opening_has_its_cause(redis: Redis, notes: Notes) -> None:
    """Failures in the window, or the probe's own; the code of the last one; when the next probe may start."""
    settings = breaker_settings(failures=3, window_seconds=20.0, recovery_seconds=0.05)
    one = Breaker(redis, MOCK, settings, notes)
    for _ in range(settings.breaker_volume):
        await one.failed(DOWN)
    await apoll(lambda: one.lease_probe("a", 30.0))
    await one.probe_failed("a", ProviderTimeout("slow"))
    first, half, again = notes.named("breaker.changed")
    volume = settings.breaker_volume
    assert (first.level, half.level, again.level) == ("warning", "info", "warning")
    numbers = {"failures": volume, "window_seconds": 20.0, "next_probe_seconds": 0.05}
    assert first.fields == {"error_code": "LLM_PROVIDER_UNAVAILABLE", **numbers}
    assert half.fields == {}
    assert again.fields == {**first.fields, "error_code": "LLM_PROVIDER_TIMEOUT", "failures": 1}


async def test_a_report_returns_an_opening_that_the_process_did_not_see(redis: Redis) -> None:
    one, other = breaker(redis), breaker(redis)
    assert other.known is CircuitState.CLOSED
    await opened(one)
    assert one.known is CircuitState.OPEN
    assert other.known is CircuitState.CLOSED
    assert await other.failed(DOWN) is None
    assert other.known is CircuitState.OPEN
