"""Prefetches a call's rate-limit reservation in the same write as the claim of its request. On an idle worker this
saves one round trip, and one sync of Redis' file, between a request and its call.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from guard.limits import Limiter, PendingReservation, Reservation
from ledger.scripts import Piggyback

#: A reservation is prefetched for the last call's model and this many times its tokens: the next essays may be longer.
HEADROOM = 1.25


class PrefetchingLimiter:
    """Wraps the process' Limiter. `settle` and `cancel` work in the background: a paid answer must not run into its
    deadline while it waits for Redis. To be used on one event loop.
    """

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self.burst_tokens = limiter.burst_tokens
        self._last: tuple[str, int] | None = None
        self._pending: tuple[int, PendingReservation] | None = None
        self._giving_back: set[asyncio.Task[None]] = set()

    def prefetch(self) -> Piggyback | None:
        """A reservation for a call like the last one, to be sent with a claim. `reserve` or `drop` must follow.

        None: no call was made yet, a reservation is prefetched already, or there is no limit.
        """
        if self._last is None or self._pending is not None:
            return None
        model, tokens = self._last[0], int(self._last[1] * HEADROOM)
        # A guess must not run the bucket into debt: all other calls would wait for that.
        if tokens > self.burst_tokens:
            return None
        pending = self._limiter.prepare(model, tokens)
        if pending is None:
            return None
        self._pending = tokens, pending
        return pending.piggyback

    def drop(self) -> None:
        """There is no call: give the prefetched reservation back, unless a call has used it."""
        pending, self._pending = self._pending, None
        if pending is not None:
            self._in_background(self._cancel(pending[1]))

    async def _cancel(self, pending: PendingReservation) -> None:
        await self._limiter.cancel(await self._limiter.answer(pending))

    async def reserve(self, model: str, tokens: int) -> Reservation:
        self._last = model, tokens
        if self._pending is not None:
            prefetched_tokens, pending = self._pending
            if tokens <= prefetched_tokens:
                self._pending = None
                reservation = await self._limiter.answer(pending)
                if reservation.granted and reservation.model == model:
                    if reservation.tokens <= tokens:
                        return reservation
                    # Give back at once the tokens that the call does not need.
                    self._in_background(self._limiter.settle(reservation, tokens))
                    return replace(reservation, tokens=tokens)
                await self.cancel(reservation)
            else:
                self.drop()
        return await self._limiter.reserve(model, tokens)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._giving_back.add(task)
        task.add_done_callback(self._giving_back.discard)

    async def settle(self, reservation: Reservation, used_tokens: int) -> None:
        self._in_background(self._limiter.settle(reservation, used_tokens))

    async def cancel(self, reservation: Reservation) -> None:
        self._in_background(self._limiter.cancel(reservation))

    async def close(self, seconds: float) -> None:
        """Wait until everything was given back, for up to `seconds`."""
        if self._giving_back:
            await asyncio.wait(self._giving_back, timeout=seconds)
