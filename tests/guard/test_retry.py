"""Retries within a claim: how often the provider is called, when the attempts end, and with which result."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import pytest
from umpire_guard import Notes

from contracts.errors import (
    InternalError,
    InvalidPrompt,
    InvalidResponse,
    ParsingError,
    ProviderMisconfigured,
    ProviderRateLimited,
    ProviderRejected,
    ProviderServerError,
    ProviderTimeout,
    ProviderUnavailable,
    SpendLimitReached,
    UmpireError,
)
from devtools.servers import apoll
from guard.retry import RetryPolicy, attempts


def policy(**changes: float) -> RetryPolicy:
    values = {"attempts": 3, "deadline": 30.0, "attempt_timeout": 10.0, "initial": 0.001, "retry_after_max": 10.0}
    return RetryPolicy(**{**values, **changes})  # type: ignore[arg-type]


class Script:
    """A provider that fails with these errors, then answers; it counts its calls."""

    def __init__(self, *failures: UmpireError) -> None:
        self.failures = failures
        self.calls: list[int] = []

    async def __call__(self, n: int) -> str:
        self.calls.append(n)
        await asyncio.sleep(0)
        if n <= len(self.failures):
            raise self.failures[n - 1]
        return "verdict"


async def run(
    call: Callable[[int], Awaitable[str]],
    rules: RetryPolicy | None = None,
    *,
    stopping: asyncio.Event | None = None,
    notes: Notes | None = None,
    before: Callable[[], Awaitable[object]] | None = None,
    failed: Callable[[UmpireError, float], Awaitable[object]] | None = None,
) -> str:
    return await attempts(
        call,
        rules or policy(),
        stopping=stopping or asyncio.Event(),
        observer=Notes() if notes is None else notes,
        before=before,
        failed=failed,
    )


T1, T2, T3 = ProviderUnavailable("529"), ProviderServerError("500"), ProviderTimeout("slow")
A1, A2 = ParsingError("not JSON"), InvalidResponse("no winner")


@pytest.mark.parametrize(
    ("failures", "retry_attempts", "calls", "outcome"),
    [
        ([], 3, 1, "verdict"),
        ([T1], 3, 2, "verdict"),
        ([T1, T2], 3, 3, "verdict"),
        ([T1, T2, T3], 3, 3, T3),
        ([T1], 1, 1, T1),
        ([ProviderRateLimited("429")] * 3, 2, 2, ProviderRateLimited),
        ([ProviderMisconfigured("401")], 3, 1, ProviderMisconfigured),
        ([SpendLimitReached("budget")], 3, 1, SpendLimitReached),
        ([ProviderRejected("400")], 3, 1, ProviderRejected),
        ([InvalidPrompt("refused")], 3, 1, InvalidPrompt),
        ([InternalError("ours")], 3, 1, InternalError),
        ([T1, ProviderMisconfigured("401")], 3, 2, ProviderMisconfigured),
        ([A1], 1, 2, "verdict"),
        ([A1, A2], 1, 2, A2),
        ([A1, A2], 10, 2, A2),
        ([T1, A1, A2], 3, 3, A2),
        ([T1, T2, A1, A2], 3, 4, A2),
        ([T1, T2, A1], 3, 4, "verdict"),
        ([A1, T1, A2], 3, 3, A2),
        ([A1, T1], 1, 2, T1),
        ([T1, T2, A1, T3], 3, 4, T3),
    ],
)
async def test_calls_and_outcome(
    failures: Sequence[UmpireError], retry_attempts: int, calls: int, outcome: str | UmpireError | type[UmpireError]
) -> None:
    """The exact number of calls for each course of errors: 1 when permanent, at most 2 answers without a verdict."""
    provider = Script(*failures)
    if isinstance(outcome, str):
        assert await run(provider, policy(attempts=retry_attempts)) == outcome
    else:
        with pytest.raises(UmpireError) as caught:
            await run(provider, policy(attempts=retry_attempts))
        assert caught.value is outcome or type(caught.value) is outcome
    assert provider.calls == list(range(1, calls + 1))


async def test_an_unexpected_exception_passes_through_without_a_retry() -> None:
    """A bug must not be retried, nor an unrelated TimeoutError be taken for the provider's."""
    for bug in (KeyError("x"), TimeoutError("not ours")):
        calls = []

        async def call(n: int, bug: Exception = bug, calls: list[int] = calls) -> str:
            calls.append(n)
            raise bug

        with pytest.raises(type(bug)) as caught:
            await run(call)
        assert caught.value is bug
        assert calls == [1]


async def test_waiting_before_an_attempt_counts_for_the_deadline_and_not_for_the_attempts_timeout() -> None:
    """Waiting for a rate limit must not make a healthy provider look slow, nor stretch the claim."""
    reported: list[UmpireError] = []

    async def failed(error: UmpireError, seconds: float) -> None:
        reported.append(error)

    async def wait(seconds: float) -> None:
        await asyncio.sleep(seconds)

    provider = Script()
    rules = policy(attempts=1, attempt_timeout=0.1, deadline=0.6)
    assert await run(provider, rules, before=lambda: wait(0.3), failed=failed) == "verdict"
    began = time.monotonic()
    with pytest.raises(ProviderTimeout):
        await run(provider, rules, before=lambda: wait(9.0), failed=failed)
    assert time.monotonic() - began < 1.0
    assert (provider.calls, reported) == ([1], [])


async def test_a_failure_before_an_attempt_uses_it_up_and_is_reported() -> None:
    """OpenRouter's model list, which is asked before the call, can be down as well: it must not be asked for ever."""
    reported: list[str] = []

    async def failed(error: UmpireError, seconds: float) -> None:
        reported.append(error.message)

    async def list_is_down() -> None:
        raise T1

    provider = Script()
    with pytest.raises(ProviderUnavailable):
        await run(provider, before=list_is_down, failed=failed)
    assert (provider.calls, reported) == ([], ["529"] * 3)


async def test_each_attempt_is_bounded_and_a_hang_is_a_timeout() -> None:
    reported: list[tuple[type[UmpireError], float]] = []

    async def failed(error: UmpireError, seconds: float) -> None:
        reported.append((type(error), seconds))

    async def hang(n: int) -> str:
        await asyncio.Event().wait()
        return "never"

    with pytest.raises(ProviderTimeout):
        await run(hang, policy(attempts=2, attempt_timeout=0.1), failed=failed)
    assert [kind for kind, _ in reported] == [ProviderTimeout, ProviderTimeout]
    assert all(0.09 < seconds < 0.5 for _, seconds in reported)


async def test_a_server_that_drips_does_not_stretch_the_deadline() -> None:
    """Each read is quick, so that no read timeout ever ends it: only the deadline over the whole call does."""
    reads = 0

    async def drip(n: int) -> str:
        nonlocal reads
        while True:
            await asyncio.wait_for(asyncio.sleep(0.02), timeout=1.0)
            reads += 1

    began = time.monotonic()
    with pytest.raises(ProviderTimeout):
        await run(drip, policy(attempts=10, attempt_timeout=60.0, deadline=0.5))
    assert 0.45 < time.monotonic() - began < 1.0
    assert reads > 5


async def test_the_deadline_bounds_attempts_and_waits_together() -> None:
    async def slow(n: int) -> str:
        await asyncio.sleep(0.15)
        raise T1

    began = time.monotonic()
    with pytest.raises((ProviderTimeout, ProviderUnavailable)):
        await run(slow, policy(attempts=10, attempt_timeout=0.2, deadline=0.6, initial=5.0))
    assert time.monotonic() - began < 0.9


async def test_a_retry_after_is_waited_out() -> None:
    provider = Script(ProviderRateLimited("429", retry_after=0.3))
    began = time.monotonic()
    assert await run(provider) == "verdict"
    assert 0.3 <= time.monotonic() - began < 0.8


async def test_a_retry_after_that_is_too_long_is_raised_at_once() -> None:
    error = ProviderRateLimited("429", retry_after=60.0)
    provider = Script(error)
    began = time.monotonic()
    with pytest.raises(ProviderRateLimited) as caught:
        await run(provider)
    assert caught.value is error
    assert provider.calls == [1]
    assert time.monotonic() - began < 0.5


async def test_stopping_ends_a_wait_and_makes_no_further_attempt() -> None:
    error = ProviderUnavailable("529", retry_after=8.0)
    provider, stopping, notes = Script(error), asyncio.Event(), Notes()
    running = asyncio.create_task(run(provider, stopping=stopping, notes=notes))
    await apoll(lambda: notes.named("call.retry"))
    began = time.monotonic()
    stopping.set()
    with pytest.raises(ProviderUnavailable) as caught:
        await running
    assert caught.value is error
    assert time.monotonic() - began < 0.5
    assert provider.calls == [1]


@pytest.mark.parametrize("error", [T1, A1])
async def test_stopping_lets_the_attempt_in_flight_finish_and_makes_no_other(error: UmpireError) -> None:
    stopping = asyncio.Event()
    calls = []

    async def call(n: int) -> str:
        calls.append(n)
        stopping.set()
        raise error

    notes = Notes()
    with pytest.raises(type(error)):
        await run(call, stopping=stopping, notes=notes)
    assert (calls, notes) == ([1], [])

    async def answers(n: int) -> str:
        await asyncio.sleep(0.05)
        return "verdict"

    assert await run(answers, stopping=stopping) == "verdict"


@pytest.mark.parametrize("where", ["attempt", "wait"])
async def test_cancellation_passes_through(where: str) -> None:
    notes = Notes()
    started = asyncio.Event()

    async def call(n: int) -> str:
        started.set()
        if where == "wait":
            raise ProviderUnavailable("529", retry_after=9.0)
        await asyncio.Event().wait()
        return "never"

    running = asyncio.create_task(run(call, notes=notes))
    await started.wait()
    if where == "wait":
        await apoll(lambda: notes.named("call.retry"))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_each_retry_is_noted_once_without_the_errors_message() -> None:
    notes = Notes()
    secret = "the essay said"
    await run(Script(ProviderUnavailable(secret), ParsingError(secret)), notes=notes)
    assert [note.labels for note in notes.named("call.retry")] == [
        {"error": "ProviderUnavailable"},
        {"error": "ParsingError"},
    ]
    assert [note.fields["attempt"] for note in notes] == [1, 2]
    assert secret not in repr(notes)


async def test_every_failed_attempt_is_reported_before_the_next_one() -> None:
    order: list[str] = []

    async def failed(error: UmpireError, seconds: float) -> None:
        order.append(error.message)

    async def call(n: int) -> str:
        order.append(f"call {n}")
        raise (T1, A1, T2)[n - 1]

    with pytest.raises(ProviderServerError):
        await run(call, failed=failed)
    assert order == ["call 1", "529", "call 2", "not JSON", "call 3", "500"]
