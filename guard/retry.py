"""Retries. The inner level: a few attempts within one claim, under one deadline for all of them; `decide` is the
policy, a pure function, and tenacity carries it out. The outer level: a request whose claim failed is deferred a few
times (`next_deferral`).
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

from tenacity import AsyncRetrying, RetryCallState

from contracts.errors import AnswerError, ProviderTimeout, UmpireError, is_permanent
from contracts.settings import RetrySettings
from guard.grace_timeout import GraceTimeout, within_grace
from telemetry.observer import Note, Observer

T = TypeVar("T")
S = TypeVar("S")

#: Answers without a verdict, each of which is paid, after which no further attempt is made.
MAX_ANSWERS = 2

#: Share of the remaining time for waits; attempts get the rest.
WAITS_SHARE = 0.1

#: A Retry-After is lengthened by up to this share, so that calls that received the same one do not return together.
RETRY_AFTER_SPREAD = 0.1

#: Deferrals are varied by this share either way, so that requests that failed together do not come back together.
DEFERRAL_SPREAD = 0.2


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """All in seconds, except `attempts`."""

    attempts: int
    deadline: float
    attempt_timeout: float
    initial: float
    retry_after_max: float

    @classmethod
    def from_settings(cls, settings: RetrySettings) -> Self:
        return cls(
            attempts=settings.retry_attempts,
            deadline=settings.call_deadline_seconds,
            attempt_timeout=settings.attempt_timeout,
            initial=settings.retry_initial_seconds,
            retry_after_max=settings.retry_after_max_seconds,
        )


def decide(
    error: UmpireError, attempt: int, answers: int, elapsed: float, policy: RetryPolicy, *, jitter: float = 1.0
) -> float | None:
    """Seconds to wait before the next attempt; None: there is none.

    `attempt` attempts were made, `answers` of them brought an answer without a verdict; `jitter` is a random number
    from 0 to 1.
    """
    left = policy.deadline - elapsed
    if left <= 0:
        return None
    if isinstance(error, AnswerError):
        # The provider is healthy: nothing to wait for. Such answers are counted apart from all other errors.
        return 0.0 if answers < MAX_ANSWERS else None
    if is_permanent(error) or attempt >= policy.attempts:
        return None
    wait = jitter * min(policy.initial * 2.0 ** (attempt - 1), _longest_wait(attempt, left, policy))
    if error.retry_after is None:
        return wait
    if error.retry_after > policy.retry_after_max:
        return None
    wait = max(wait, error.retry_after * (1 + jitter * RETRY_AFTER_SPREAD))
    # A wait that leaves the next attempt too little time would only produce a timeout, as if the provider were slow.
    return wait if left - wait >= min(policy.attempt_timeout, left / 2) else None


def _longest_wait(attempt: int, left: float, policy: RetryPolicy) -> float:
    """Longest wait that leaves every further attempt its time, and every further wait as much as this one."""
    further = policy.attempts - attempt
    return left / further - min(policy.attempt_timeout, (1 - WAITS_SHARE) * left / further)


async def attempts(
    call: Callable[[int], Awaitable[T]],
    policy: RetryPolicy,
    *,
    stopping: asyncio.Event,
    observer: Observer,
    before: Callable[[], Awaitable[object]] | None = None,
    failed: Callable[[UmpireError, float], Awaitable[object]] | None = None,
    answers: int = 0,
) -> T:
    """Result of the first attempt that succeeds; `call(n)` makes attempt n, from 1.

    `before()` runs before every attempt, within the deadline but outside the attempt's own timeout: the place to wait
    for a rate limit, which must not count as a slow provider. An error that it raises uses up the attempt.

    `failed(error, seconds)` is called after every failed attempt, before anything else happens. This includes timeouts,
    which `call` itself sees as a cancellation only: it is the place to report to the breaker. When `stopping` is set, a
    wait ends at once and no further attempt is made.

    `answers`: answers without a verdict in earlier claims of the same request; they count here too.

    Raises
    ------
    UmpireError
        The error of the last attempt, or ProviderTimeout if the attempt's timeout or the common deadline has passed.
        Any other exception of `call` passes through at once.
    """
    run = _Attempts(call, policy, stopping, observer, before, failed, answers)
    # Nearly all first attempts succeed. They do not pass through tenacity, which costs 17 µs.
    try:
        return await run.make()
    except UmpireError as error:
        if not run.plan_retry(error):
            raise
    await run.sleep(run.wait)
    async for attempt in AsyncRetrying(retry=run.may_retry, wait=lambda _: run.wait, sleep=run.sleep):
        with attempt:
            return await run.make()
    raise AssertionError("tenacity ends with a result or an error")


@dataclass(slots=True)
class _Attempts(Generic[T]):
    """The state of one claim's attempts. From the second on, tenacity calls `make`, `may_retry` and `sleep`."""

    call: Callable[[int], Awaitable[T]]
    policy: RetryPolicy
    stopping: asyncio.Event
    observer: Observer
    before: Callable[[], Awaitable[object]] | None
    failed: Callable[[UmpireError, float], Awaitable[object]] | None
    answers: int
    made: int = 0
    wait: float = 0.0
    error: UmpireError | None = None
    started: float = field(default_factory=time.monotonic)

    async def make(self) -> T:
        """Make one attempt."""
        self.made += 1
        if self.before is not None:
            # `failed` gets only errors that `before` raises: a timeout in it is not the provider's.
            await _within(self._left(), self._reporting(self.before()))
        limit = min(self.policy.attempt_timeout, self._left())
        return await self._reporting(_within(limit, self.call(self.made)))

    async def _reporting(self, step: Awaitable[S]) -> S:
        began = time.monotonic()
        try:
            return await step
        except UmpireError as error:
            self.answers += isinstance(error, AnswerError)
            if self.failed is not None:
                await self.failed(error, time.monotonic() - began)
            raise

    def may_retry(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome is not None else None
        return isinstance(error, UmpireError) and self.plan_retry(error)

    def plan_retry(self, error: UmpireError) -> bool:
        """Decide about another attempt, and set the wait before it."""
        if self.stopping.is_set():
            return False
        elapsed = self.policy.deadline - self._left()
        wait = decide(error, self.made, self.answers, elapsed, self.policy, jitter=random.random())
        if wait is None:
            return False
        self.wait, self.error = wait, error
        fields = {"attempt": self.made, "code": error.code.value}
        self.observer(Note("call.retry", "info", {"error": type(error).__name__}, wait, fields=fields))
        return True

    async def sleep(self, seconds: float) -> None:
        """Sleep, but raise the last error at once on shutdown."""
        if seconds > 0:
            await sleep_unless(self.stopping, seconds)
        if self.stopping.is_set() and self.error is not None:
            raise self.error

    def _left(self) -> float:
        return self.policy.deadline - (time.monotonic() - self.started)


async def _within(seconds: float, awaitable: Awaitable[S]) -> S:
    """Raises ProviderTimeout after `seconds`. A TimeoutError that `awaitable` itself raises passes through."""
    try:
        return await within_grace(seconds, awaitable)
    except GraceTimeout as error:
        raise ProviderTimeout("no whole answer in time") from error


async def sleep_unless(event: asyncio.Event, seconds: float) -> None:
    """Sleep for `seconds`, or until `event` is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def next_deferral(
    tries: int, settings: RetrySettings, rng: random.Random, *, retry_after: float | None = None
) -> float | None:
    """Seconds until a request that was deferred `tries` times may be claimed again; None: its tries are used up.

    Never shorter than the error's `retry_after`.
    """
    if tries >= settings.queue_max_retries:
        return None
    wait = settings.defer_seconds[min(tries, len(settings.defer_seconds) - 1)]
    wait *= rng.uniform(1 - DEFERRAL_SPREAD, 1 + DEFERRAL_SPREAD)
    return wait if retry_after is None else max(wait, retry_after * rng.uniform(1, 1 + DEFERRAL_SPREAD))
