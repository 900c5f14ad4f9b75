"""The inner level of retries: a few attempts within one claim, under one deadline for all of them.

`decide` is the policy, a pure function; tenacity carries it out.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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
    wait = jitter * min(policy.initial * 2.0 ** (attempt - 1), _room(attempt, left, policy))
    if error.retry_after is None:
        return wait
    if error.retry_after > policy.retry_after_max:
        return None
    wait = max(wait, error.retry_after * (1 + jitter * RETRY_AFTER_SPREAD))
    # A wait that leaves the next attempt no time to succeed would only make a healthy provider look slow.
    return wait if left - wait >= min(policy.attempt_timeout, left / 2) else None


def _room(attempt: int, left: float, policy: RetryPolicy) -> float:
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
    for a rate limit, which must not look like a slow provider. An error that it raises uses up the attempt.

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
    return await _Run(call, policy, stopping, observer, before, failed, answers).result()


class _Run(Generic[T]):
    """One claim's attempts."""

    def __init__(
        self,
        call: Callable[[int], Awaitable[T]],
        policy: RetryPolicy,
        stopping: asyncio.Event,
        observer: Observer,
        before: Callable[[], Awaitable[object]] | None,
        failed: Callable[[UmpireError, float], Awaitable[object]] | None,
        answers: int,
    ) -> None:
        self._call = call
        self._policy = policy
        self._stopping = stopping
        self._observer = observer
        self._before = before
        self._failed = failed
        self._started = time.monotonic()
        self._attempt = 0
        self._answers = answers
        self._wait = 0.0
        self._first: UmpireError | None = None
        self._error: UmpireError | None = None

    async def result(self) -> T:
        # Most first attempts succeed, and tenacity costs 50 µs each time: it is used only after a failure.
        try:
            return await self._one()
        except UmpireError as error:
            self._error = self._first = error
        retrying = AsyncRetrying(retry=self._again, wait=lambda _: self._wait, sleep=self._sleep)
        return await retrying(self._next)

    async def _next(self) -> T:
        """The function that tenacity calls: repeats the error of the first attempt, then makes the further ones."""
        first, self._first = self._first, None
        if first is not None:
            raise first
        return await self._one()

    async def _one(self) -> T:
        self._attempt += 1
        if self._before is not None:
            # `failed` gets only errors that `before` raises: running out of time in it says nothing about the provider.
            await _within(self._left(), self._told(self._before))
        limit = min(self._policy.attempt_timeout, self._left())
        return await self._told(lambda: _within(limit, self._call(self._attempt)))

    async def _told(self, step: Callable[[], Awaitable[S]]) -> S:
        began = time.monotonic()
        try:
            return await step()
        except UmpireError as error:
            self._answers += isinstance(error, AnswerError)
            if self._failed is not None:
                await self._failed(error, time.monotonic() - began)
            raise

    def _again(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome is not None else None
        if not isinstance(error, UmpireError) or self._stopping.is_set():
            return False
        wait = decide(error, self._attempt, self._answers, self._elapsed(), self._policy, jitter=random.random())
        if wait is None:
            return False
        self._wait = wait
        self._observer(
            Note(
                "call.retry",
                level="info",
                labels={"error": type(error).__name__},
                value=wait,
                fields={"attempt": self._attempt, "code": error.code.value},
            )
        )
        self._error = error
        return True

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but stop at once on shutdown."""
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()
            except TimeoutError:
                return
        if self._stopping.is_set() and self._error is not None:
            raise self._error

    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def _left(self) -> float:
        return self._policy.deadline - self._elapsed()


async def _within(seconds: float, awaitable: Awaitable[S]) -> S:
    """Raises ProviderTimeout after `seconds`. A TimeoutError that `awaitable` itself raises passes through."""
    try:
        return await within_grace(seconds, awaitable)
    except GraceTimeout as error:
        raise ProviderTimeout("no whole answer in time") from error
