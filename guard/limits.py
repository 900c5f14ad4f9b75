"""Requests and tokens a minute, per provider and model, shared by all workers. limits.lua holds the bucket's rules.

A bucket holds about a second's worth. So what is granted within any minute stays within the limit, at the start too, at
the price of a sixtieth of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.enums import LLMProviderType
from contracts.settings import Settings
from guard import keys
from ledger.group import GroupCommit
from ledger.scripts import Beside, Script
from telemetry.observer import Note, Observer, silent

#: What a bucket holds, in seconds of its limit.
BURST_SECONDS = 1.0

#: What is given back goes with the next reservation, or so many seconds later: nobody waits for it, and by itself it
#: would be a round trip and a sync of Redis' file for each call, in front of the call's end.
SETTLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Reservation:
    """When `granted`, the call may start after `wait` seconds, and `settle` or `cancel` must follow.

    When not, nothing was reserved, since it would have meant waiting for longer than UMPIRE_RATE_WAIT_SECONDS; then
    `pause` is how long the gate should be closed. It opens while the last of those who wait are still waiting: a gate
    that opened after them would let the limit go unused for as long as workers need to start again.
    """

    model: str
    tokens: int
    granted: bool = True
    wait: float = 0.0
    pause: float = 0.0
    counted: bool = True
    """Redis knows of it: not so where it did not answer."""


class Asked(NamedTuple):
    """A reservation that is asked for beside something else; `RateLimiter.answer` tells what came of it."""

    model: str
    tokens: int
    beside: Beside


class Limiter(Protocol):
    @property
    def burst_tokens(self) -> float:
        """The most that a call may reserve without others having to wait for it."""
        ...

    async def reserve(self, model: str, tokens: int) -> Reservation:
        """Reserve one request and so many tokens (estimated)."""
        ...

    async def settle(self, reservation: Reservation, used_tokens: int) -> None:
        """The call was made: give back, or charge, what the estimate was wrong by."""

    async def cancel(self, reservation: Reservation) -> None:
        """The call was not made: give everything back."""


class AskingLimiter(Limiter, Protocol):
    def ask(self, model: str, tokens: int) -> Asked | None:
        """What `reserve` asks, to be sent beside another script; None: there is nothing to ask."""

    async def answer(self, asked: Asked) -> Reservation:
        """What came of it, once it was sent."""
        ...


class Unlimited:
    """The limiter of a provider without limits. No round trip."""

    burst_tokens = math.inf

    async def reserve(self, model: str, tokens: int) -> Reservation:
        return Reservation(model, tokens)

    def ask(self, model: str, tokens: int) -> None:  # noqa: ARG002 - the Protocol's
        return None

    async def answer(self, asked: Asked) -> Reservation:
        return Reservation(asked.model, asked.tokens)

    async def settle(self, reservation: Reservation, used_tokens: int) -> None:  # noqa: ARG002 - the Protocol's
        return None

    async def cancel(self, reservation: Reservation) -> None:  # noqa: ARG002 - the Protocol's
        return None


class Bucket(NamedTuple):
    """So many a second flow in, so many at most lie in it; a rate of 0: no limit."""

    rate: float
    capacity: float

    @classmethod
    def of(cls, a_minute: int | None, *, unit: int) -> Self:
        """The bucket that grants at most so many in any minute, where nothing less than `unit` is granted at a time.

        A minute that begins with a full bucket grants what lies in it and what flows in, less than a unit of which
        stays behind: hence capacity + 60 × rate = limit + unit.
        """
        if a_minute is None:
            return cls(0.0, 0.0)
        burst = a_minute * BURST_SECONDS / 60
        return cls((a_minute - burst) / 60, burst + unit)


class _Operation(NamedTuple):
    key: str
    kind: str
    requests: int
    tokens: int


class RateLimiter:
    """Limits of one provider. Operations that come together share a round trip.

    Never raises: when Redis does not answer, "limit.unreachable" is noted and the call may go; the provider's own limit
    has the last word anyway.
    """

    def __init__(
        self, redis: Redis, provider: LLMProviderType, settings: Settings, observer: Observer = silent
    ) -> None:
        limits = settings.providers[provider]
        self._provider = provider
        self._observer = observer
        self._script = Script(redis, "limits", package="guard")
        # A single call is never charged more than a minute's worth: what is longer than that would stop all others.
        self._most_tokens = limits.tpm or 0
        self.burst_tokens = math.inf if limits.tpm is None else Bucket.of(limits.tpm, unit=0).capacity
        requests, tokens = Bucket.of(limits.rpm, unit=1), Bucket.of(limits.tpm, unit=0)
        self._longest = settings.worker.rate_wait_seconds
        self._rules = (*requests, *tokens, self._longest)
        self._group: GroupCommit[_Operation, tuple[int, int]] = GroupCommit(self._commit)

    async def reserve(self, model: str, tokens: int) -> Reservation:
        tokens = min(tokens, self._most_tokens)
        return self._reservation(model, tokens, await self._do(model, "take", 1, tokens))

    def ask(self, model: str, tokens: int) -> Asked:
        tokens = min(tokens, self._most_tokens)
        operation = _Operation(keys.limit(self._provider, model), "take", 1, tokens)
        return Asked(model, tokens, Beside(self._script, (*self._rules, *operation)))

    async def answer(self, asked: Asked) -> Reservation:
        try:
            [reply] = await asked.beside.answer()
        except (RedisError, OSError) as error:
            self._unreachable("take", error)
            reply = None
        return self._reservation(asked.model, asked.tokens, reply)

    def _reservation(self, model: str, tokens: int, reply: tuple[int, int] | None) -> Reservation:
        if reply is None:
            return Reservation(model, 0, counted=False)  # so that `settle` charges all that was used
        granted, micros = reply
        wait = micros / 1_000_000
        return Reservation(model, tokens, bool(granted), wait, 0.0 if granted else wait - self._longest / 2)

    async def settle(self, reservation: Reservation, used_tokens: int) -> None:
        surplus = reservation.tokens - min(used_tokens, self._most_tokens)
        if reservation.granted and surplus:
            await self._do(reservation.model, "give", 0, surplus, within=SETTLE_SECONDS)

    async def cancel(self, reservation: Reservation) -> None:
        if reservation.granted and reservation.counted:
            await self._do(reservation.model, "give", 1, reservation.tokens, within=SETTLE_SECONDS)

    async def _do(
        self, model: str, kind: str, requests: int, tokens: int, *, within: float | None = None
    ) -> tuple[int, int] | None:
        operation = _Operation(keys.limit(self._provider, model), kind, requests, tokens)
        try:
            return await self._group.submit(operation, within=within)
        except RedisError as error:
            self._unreachable(kind, error)
            return None

    def _unreachable(self, kind: str, error: Exception) -> None:
        labels = {"provider": self._provider.value, "operation": kind}
        self._observer(Note("limit.unreachable", "warning", labels, fields={"error": type(error).__name__}))

    async def _commit(self, operations: Sequence[_Operation]) -> list[tuple[int, int]]:
        replies = await self._script(*self._rules, *(part for operation in operations for part in operation))
        return [(granted, micros) for granted, micros in replies]


def make_limiter(
    redis: Redis, provider: LLMProviderType, settings: Settings, observer: Observer = silent
) -> AskingLimiter:
    """The limiter that the provider's settings ask for."""
    limits = settings.providers[provider]
    if limits.rpm is None and limits.tpm is None:
        return Unlimited()
    return RateLimiter(redis, provider, settings, observer)
