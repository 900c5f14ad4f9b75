"""A circuit breaker per provider, shared by all workers; breaker.lua holds its rules.

A failure is an error that `trips` (no connection, 5xx, 529, timeout). A success is a whole answer, even without a
verdict. A 429 or another 4xx is neither: it shows that the provider is alive, but not that it can judge.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.clock import duration_ms, from_ms
from contracts.enums import CircuitState, LLMProviderType
from contracts.errors import AnswerError, ProviderError, UmpireError, Unavailable
from contracts.settings import Settings
from guard.arguments import BreakerHead, BreakerLease, BreakerReport, BreakerSettle
from ledger.redis.group_commit import GroupCommit
from ledger.scripts import Script
from telemetry.observer import Note, Observer, silent

#: Successful probes that close the breaker.
SUCCESSES_NEEDED = 1


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of the breaker's state; `retry_after`: seconds until a probe may start."""

    provider: LLMProviderType
    state: CircuitState
    since: datetime
    retry_after: float | None


class Breaker:
    """One provider's breaker, as one worker process sees it.

    Reports never raise: a breaker that cannot be reached must not turn an answer into an error. A report that fails is
    noted as "breaker.unreported"; its successes are kept for the next one, its failures are dropped.
    """

    def __init__(
        self, redis: Redis, provider: LLMProviderType, settings: Settings, observer: Observer = silent
    ) -> None:
        self._script = Script(redis, "breaker", package="guard")
        self._provider = provider
        self._observer = observer
        self._volume = settings.breaker_volume
        self._window_ms = duration_ms(settings.breaker.breaker_window_seconds)
        self._recovery_ms = duration_ms(settings.breaker.breaker_recovery_seconds)
        self._successes = 0
        self._seconds = 0.0
        self._holds = settings.hold.hold == "on"
        self.known = CircuitState.CLOSED
        """The breaker's state as this process last saw it."""
        self._failures: GroupCommit[tuple[float, str], Transition | None] = GroupCommit(self._commit)

    def succeeded(self, seconds: float) -> None:
        """A call got an answer. Costs no round trip: `flush` reports it to Redis."""
        self._successes += 1
        self._seconds += seconds

    async def failed(self, error: UmpireError, seconds: float = 0.0) -> Transition | None:
        """An attempt that took `seconds` ended in this error. Reported at once, together with unreported successes."""
        if isinstance(error, AnswerError):
            self.succeeded(seconds)
        if not _trips(error):
            return None
        return await self._failures.submit((seconds, error.code.value))

    async def flush(self) -> Transition | None:
        """Report the successes since the last report. To be called a few times a second."""
        return await self._report(()) if self._successes else None

    async def lease_probe(self, owner: str, seconds: float) -> Transition | None:
        """Lease the probe of the provider for `seconds`. None: no probe is due, or another one holds the lease.

        `owner` must be unique to this probe. Returns the half-open state, to be published.

        Raises
        ------
        Unavailable
            Redis does not answer.
        """
        try:
            head = BreakerHead("lease", self._provider.value)
            reply = await self._script(*head, *BreakerLease(owner, duration_ms(seconds)))
        except RedisError as error:
            raise Unavailable("Redis is unavailable: no probe can be leased") from error
        return self._transition(reply)

    async def probe_succeeded(self, owner: str, seconds: float = 0.0) -> Transition | None:
        """The provider answered the probe, which took `seconds`."""
        return await self._settle(owner, "success", seconds)

    async def probe_failed(self, owner: str, error: UmpireError) -> Transition | None:
        """The probe ended in this error, which does not always mean that the provider is still down.

        An error that trips opens the breaker for another recovery period. Any other answer of the provider, even a 429,
        shows that it is back. An error of our own shows nothing, and only frees the lease. So does an error that puts
        the provider on hold, since the hold has its own probe (guard/hold.py).
        """
        if _trips(error):
            return await self._settle(owner, "failure", code=error.code.value)
        answered = isinstance(error, ProviderError) and not (self._holds and error.hold)
        return await self._settle(owner, "success" if answered else "none")

    async def probe_released(self, owner: str) -> None:
        """The probe made no call: free its lease."""
        await self._settle(owner, "none")

    async def _commit(self, failures: Sequence[tuple[float, str]]) -> list[Transition | None]:
        """Report all failures in one round trip: when a provider dies, a hundred calls may end together."""
        return [await self._report(failures), *[None] * (len(failures) - 1)]

    async def _report(self, failures: Sequence[tuple[float, str]]) -> Transition | None:
        successes, seconds = self._successes, self._seconds
        self._successes, self._seconds = 0, 0.0
        mean_ms = 1000 * seconds / successes if successes else 0.0
        code = failures[-1][1] if failures else ""
        report = BreakerReport(successes, mean_ms, self._volume, self._window_ms, self._recovery_ms, code)
        try:
            reply = await self._noting("report", *report, *(duration_ms(took) for took, _ in failures))
        except RedisError:
            self._successes += successes
            self._seconds += seconds
            return None
        self.known = CircuitState(reply[0].decode()) if reply else CircuitState.CLOSED
        return self._transition(reply)

    async def _settle(self, owner: str, outcome: str, seconds: float = 0.0, code: str = "") -> Transition | None:
        settled = BreakerSettle(owner, outcome, duration_ms(seconds), self._recovery_ms, SUCCESSES_NEEDED, code)
        with suppress(RedisError):
            return self._transition(await self._noting("settle", *settled))
        return None

    async def _noting(self, operation: str, *args: str | float) -> Any:
        """Run the script. If it raises RedisError, note that as well."""
        try:
            return await self._script(*BreakerHead(operation, self._provider.value), *args)
        except RedisError as error:
            labels = {"provider": self._provider.value, "operation": operation}
            self._observer(Note("breaker.unreported", "warning", labels, fields={"error": type(error).__name__}))
            raise

    def _transition(self, reply: Any) -> Transition | None:
        if reply is None or len(reply) == 1:
            return None
        state = self.known = CircuitState(reply[0].decode())
        retry_after = reply[2] / 1000 if state is CircuitState.OPEN else None
        labels = {"provider": self._provider.value, "state": state.value}
        if retry_after is None:
            self._observer(Note("breaker.changed", "info", labels))
        else:
            fields = {
                "error_code": reply[4].decode(),
                "failures": reply[3],
                "window_seconds": self._window_ms / 1000,
                "next_probe_seconds": retry_after,
            }
            self._observer(Note("breaker.changed", "warning", labels, fields=fields))
        return Transition(self._provider, state, from_ms(reply[1]), retry_after)


def _trips(error: UmpireError) -> bool:
    return isinstance(error, ProviderError) and error.trips
