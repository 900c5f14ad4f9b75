"""Permits of the adaptive limits: calls wait here, first come first served, until this process may start one more."""

import asyncio
import math
from collections import deque
from typing import NamedTuple

from guard.adaptive.header_rate import HeaderLimit
from guard.adaptive.local import Allocation, CallCounts, LocalLimiter
from providers.base import ProviderAnswer, RateHeaders
from tasks.slots import Slots


class Permit(NamedTuple):
    """A call's permit. `level`: calls in flight, including this one; `probing`: that is more than the provider is known
    to accept, to find out whether it is too many.
    """

    level: int
    probing: bool = False


class PermitQueue:
    """Without adaptive limits: every request that has a slot may call at once."""

    def try_acquire(self) -> Permit | None:
        """A permit, if the call need not wait for it; else None."""
        return Permit(0)

    def acquire_now(self) -> Permit:
        """A permit for a call that must not wait, even above the limit."""
        return Permit(0)

    async def acquire(self, seconds: float) -> Permit:  # noqa: ARG002 - SharedPermits waits
        """Wait for a permit. Raises TimeoutError if none comes within `seconds`."""
        return Permit(0)

    def release(self, permit: Permit, *, refused: bool = False) -> None:
        """Return the permit: the call has ended. `refused`: by a 429 or another answer with a Retry-After."""

    def answered(self, completion: ProviderAnswer, seconds: float) -> None:
        """Count the answer of a call that took `seconds`."""

    def back_off(self, requests: int) -> None:
        """`requests` more requests (negative: fewer) wait in a slot for their next attempt, and need no permit yet."""

    def close(self) -> None:
        """On shutdown: let all waiting calls through, and all later ones at once."""


class SharedPermits(PermitQueue):
    """Gives permits from this process' share of the provider's limits, and uses only the slots that the share needs."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._limiter = LocalLimiter(slots.count)
        self._waiting: deque[asyncio.Future[Permit]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._backing_off = 0
        self._closed = False
        self._headers: RateHeaders | None = None
        slots.follow(lambda: self._limiter.capacity() + self._backing_off)

    @property
    def limit(self) -> int:
        """Calls that this process may have in flight."""
        return self._limiter.limit

    @property
    def wants(self) -> bool:
        return self._slots.wanted

    def try_acquire(self) -> Permit | None:
        if self._closed:
            return self.acquire_now()
        if self._waiting or self._limiter.wait():
            return None
        return self.acquire_now()

    def acquire_now(self) -> Permit:
        level = self._limiter.start()
        if self._limiter.paced:
            self._slots.wake()  # as soon as a call starts, another request may wait
        return Permit(level, self._limiter.probes(level))

    async def acquire(self, seconds: float) -> Permit:
        self._limiter.waits()
        granted: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._waiting.append(granted)
        self._grant_waiting()
        try:
            async with asyncio.timeout(seconds):
                return await granted
        except BaseException:
            if granted.done() and not granted.cancelled():
                self.release(granted.result())
            else:
                granted.cancel()
            raise

    def release(self, permit: Permit, *, refused: bool = False) -> None:
        self._limiter.end(permit.level, refused=refused)
        self._grant_waiting()

    def answered(self, completion: ProviderAnswer, seconds: float) -> None:
        usage = completion.usage
        self._limiter.answered(seconds, usage.input_tokens + usage.output_tokens)
        if completion.headers is not None:
            self._headers = completion.headers

    def back_off(self, requests: int) -> None:
        self._backing_off += requests
        if requests > 0:
            self._slots.wake()

    def close(self) -> None:
        self._closed = True
        self._grant_waiting()

    def report(self, seconds: float) -> tuple[CallCounts, tuple[HeaderLimit | None, HeaderLimit | None]]:
        """What happened in the `seconds` since the last report, and the latest rate-limit headers."""
        headers, self._headers = self._headers, None
        return self._limiter.report(seconds), header_limits(headers)

    def follow(self, share: Allocation) -> None:
        self._limiter.follow(share)
        self._grant_waiting()
        self._slots.wake()

    def _grant_waiting(self) -> None:
        while self._waiting:
            if self._waiting[0].done():  # it timed out or was cancelled
                self._waiting.popleft()
                continue
            wait = 0.0 if self._closed else self._limiter.wait()
            if wait:
                self._grant_later(wait)
                return
            self._waiting.popleft().set_result(self.acquire_now())

    def _grant_later(self, wait: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wait < math.inf:
            self._timer = asyncio.get_running_loop().call_later(wait, self._grant_waiting)


def header_limits(headers: RateHeaders | None) -> tuple[HeaderLimit | None, HeaderLimit | None]:
    """The headers' limits of requests and of tokens; None where the limit or what is left of it is not given."""
    if headers is None:
        return None, None
    return (
        _header_limit(headers.requests_limit, headers.requests_remaining, headers.requests_reset),
        _header_limit(headers.tokens_limit, headers.tokens_remaining, headers.tokens_reset),
    )


def _header_limit(limit: int | None, remaining: int | None, reset: float | None) -> HeaderLimit | None:
    if limit is None or remaining is None or limit <= 0:
        return None
    return HeaderLimit(limit=limit, remaining=max(0, remaining), reset=reset)
