"""Requests and tokens a minute, per provider and model, shared by all workers: a token bucket for each (limits.lua).

A bucket holds about a second's worth of calls. So the calls granted within any minute stay within the limit, the first
minute included; that costs a sixtieth of the limit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.enums import LLMProviderType
from contracts.settings import Settings
from guard import keys
from guard.arguments import LimitsHead, LimitsRow
from ledger.redis.group_commit import GroupCommit
from ledger.scripts import Piggyback, Script, flatten
from telemetry.observer import Note, Observer, silent

#: Size of a bucket, in seconds of its limit.
BURST_SECONDS = 1.0

#: Amounts given back are sent with the next reservation, or after this many seconds. No call waits for them. A
#: round trip for each would cost every call a sync of Redis' file.
SETTLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Reservation:
    """If `granted`, the call may start after `wait` seconds, and `settle` or `cancel` must follow.

    If not, nothing was reserved, since the wait would be longer than `rate_wait_seconds`; `pause` is then how many
    seconds the gate should be closed. It opens while the last waiting calls still wait: if it opened later, the limit
    would go unused for as long as workers need to start again.
    """

    model: str
    tokens: int
    granted: bool = True
    wait: float = 0.0
    pause: float = 0.0
    counted: bool = True
    """Whether Redis has counted it: False if Redis did not answer."""


class PendingReservation(NamedTuple):
    """A reservation that is sent in the round trip of another script; `RateLimiter.answer` returns its result."""

    model: str
    tokens: int
    piggyback: Piggyback


class Limiter:
    """The limiter of a provider without limits: no round trip. A call needs one reservation, then `settle` or `cancel`;
    `prepare` and `answer` together do the same as `reserve`.
    """

    #: Most tokens that a call may reserve without making other calls wait.
    burst_tokens = math.inf

    async def reserve(self, model: str, tokens: int) -> Reservation:
        """Reserve one request and `tokens` tokens, an estimate."""
        return Reservation(model, tokens)

    def prepare(self, model: str, tokens: int) -> PendingReservation | None:  # noqa: ARG002 - no operation
        """The operation of `reserve`, to be sent in another script's round trip; None: nothing needs to be sent."""
        return None

    async def answer(self, pending: PendingReservation) -> Reservation:
        """The result of `prepare`, once it was sent."""
        return Reservation(pending.model, pending.tokens)

    async def settle(self, reservation: Reservation, used_tokens: int) -> None:
        """The call was made: give back, or charge, the difference to the estimate."""

    async def cancel(self, reservation: Reservation) -> None:
        """The call was not made: give everything back."""


class Bucket(NamedTuple):
    """`rate`: inflow a second; `capacity`: most that it holds. A rate of 0: no limit."""

    rate: float
    capacity: float

    @classmethod
    def of(cls, a_minute: int | None, *, unit: int) -> Self:
        """The bucket that grants at most `a_minute` in any minute, if each grant is `unit` or more.

        A minute that begins with a full bucket grants its contents and its inflow, of which less than a unit stays
        behind: hence capacity + 60 × rate = limit + unit.
        """
        if a_minute is None:
            return cls(0.0, 0.0)
        burst = a_minute * BURST_SECONDS / 60
        return cls((a_minute - burst) / 60, burst + unit)


class RateLimiter(Limiter):
    """The limits of one provider. Concurrent operations share a round trip.

    Never raises: if Redis does not answer, "limit.unreachable" is noted and the call may start; the provider's own
    limit applies anyway.
    """

    def __init__(
        self, redis: Redis, provider: LLMProviderType, settings: Settings, observer: Observer = silent
    ) -> None:
        limits = settings.providers[provider]
        self._provider = provider
        self._observer = observer
        self._script = Script(redis, "limits", package="guard")
        # A single call is never charged more than a minute's worth: a longer one would stop all others.
        self._most_tokens = limits.tpm or 0
        self.burst_tokens = math.inf if limits.tpm is None else Bucket.of(limits.tpm, unit=0).capacity
        requests, tokens = Bucket.of(limits.rpm, unit=1), Bucket.of(limits.tpm, unit=0)
        self._longest = settings.worker.rate_wait_seconds
        self._head = LimitsHead(*requests, *tokens, self._longest)
        self._group: GroupCommit[LimitsRow, tuple[int, int]] = GroupCommit(self._commit)

    async def reserve(self, model: str, tokens: int) -> Reservation:
        tokens = min(tokens, self._most_tokens)
        return self._reservation(model, tokens, await self._do(model, "take", 1, tokens))

    def prepare(self, model: str, tokens: int) -> PendingReservation:
        tokens = min(tokens, self._most_tokens)
        operation = LimitsRow(keys.limit(self._provider, model), "take", 1, tokens)
        return PendingReservation(model, tokens, Piggyback(self._script, (*self._head, *operation)))

    async def answer(self, pending: PendingReservation) -> Reservation:
        try:
            [reply] = await pending.piggyback.answer()
        except (RedisError, OSError) as error:
            self._unreachable("take", error)
            reply = None
        return self._reservation(pending.model, pending.tokens, reply)

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
        operation = LimitsRow(keys.limit(self._provider, model), kind, requests, tokens)
        try:
            return await self._group.submit(operation, within=within)
        except RedisError as error:
            self._unreachable(kind, error)
            return None

    def _unreachable(self, kind: str, error: Exception) -> None:
        labels = {"provider": self._provider.value, "operation": kind}
        self._observer(Note("limit.unreachable", "warning", labels, fields={"error": type(error).__name__}))

    async def _commit(self, operations: Sequence[LimitsRow]) -> list[tuple[int, int]]:
        replies = await self._script(*self._head, *flatten(operations))
        return [(granted, micros) for granted, micros in replies]


def make_limiter(redis: Redis, provider: LLMProviderType, settings: Settings, observer: Observer = silent) -> Limiter:
    """The limiter for the provider's settings."""
    limits = settings.providers[provider]
    if limits.rpm is None and limits.tpm is None:
        return Limiter()
    return RateLimiter(redis, provider, settings, observer)
