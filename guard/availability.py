"""Which providers would take a call now, by the breakers, pauses and holds of all of them, read in one round trip."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from redis.asyncio import Redis

from contracts.clock import from_ms
from contracts.enums import CircuitState, LLMProviderType
from guard.hold import Hold
from guard.snapshot import Snapshot, snapshots

#: A running probe usually ends within this many ms, however long its lease is.
PROBE_MS = 5_000


@dataclass(frozen=True, slots=True)
class ProviderAvailability:
    """`available`: a call, or at least a probe, could start now; if not, `retry_after` is when to ask again (seconds).

    `since` is when the state last changed, `failure_count` the failures since the last success.
    """

    state: CircuitState = CircuitState.CLOSED
    available: bool = True
    retry_after: float | None = None
    since: datetime | None = None
    last_success: datetime | None = None
    last_failure: datetime | None = None
    failure_count: int = 0
    average_response_time_ms: float | None = None
    last_error_code: str | None = None
    hold: Hold | None = None
    held_models: Mapping[str, Hold] = field(default_factory=dict)

    @property
    def is_usual(self) -> bool:
        """Whether it takes every call: no hold of it or of a model, breaker closed, no pause."""
        return self.available and not self.hold and not self.held_models and self.state is CircuitState.CLOSED

    def hold_of(self, model: str) -> Hold | None:
        """The hold that applies to a request for this model."""
        return self.hold or self.held_models.get(model)

    def takes(self, model: str) -> bool:
        """Whether a call for this model, or at least its probe, could start now."""
        held = self.held_models.get(model)
        return self.available and (held is None or held.probe_in == 0)


class Availability:
    """Reads the availability of `providers`. With a `ttl` (seconds), all readers share answers up to that age."""

    def __init__(self, redis: Redis, providers: Iterable[LLMProviderType], *, ttl: float = 0.0) -> None:
        self._redis = redis
        self._providers = tuple(providers)
        self._ttl = ttl
        self._latest: dict[LLMProviderType, ProviderAvailability] = {}
        self._fresh_until = 0.0
        self._reading: asyncio.Task[dict[LLMProviderType, ProviderAvailability]] | None = None

    async def read(self) -> dict[LLMProviderType, ProviderAvailability]:
        """Availability of each provider. The dict may be shared: do not change it.

        Raises
        ------
        Unavailable
            Redis does not answer.
        """
        if not self._ttl:
            return await self._fetch()
        if time.monotonic() < self._fresh_until:
            return self._latest
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._refresh())
            self._reading.add_done_callback(_seen)
        # A cancelled reader must not cancel the read that others wait for.
        return await asyncio.shield(self._reading)

    @property
    def latest(self) -> Mapping[LLMProviderType, ProviderAvailability]:
        """The answer of the last `read`; empty before the first one, and without a `ttl`."""
        return self._latest

    async def _refresh(self) -> dict[LLMProviderType, ProviderAvailability]:
        self._latest = await self._fetch()
        self._fresh_until = time.monotonic() + self._ttl
        return self._latest

    async def _fetch(self) -> dict[LLMProviderType, ProviderAvailability]:
        taken = await snapshots(self._redis, self._providers)
        return {provider: assess(snapshot) for provider, snapshot in zip(self._providers, taken, strict=True)}


def assess(snapshot: Snapshot) -> ProviderAvailability:
    blocked = snapshot.paused_for
    if snapshot.opens > snapshot.now:
        blocked = max(blocked, snapshot.opens - snapshot.now)
    elif snapshot.leased_until > snapshot.now:
        blocked = max(blocked, min(PROBE_MS, snapshot.leased_until - snapshot.now))
    held = snapshot.hold is not None and not _may_probe(snapshot)
    if held:
        blocked = max(blocked, _hold_left(snapshot))
    return ProviderAvailability(
        state=snapshot.state,
        available=not blocked and not held,
        retry_after=blocked / 1000 if blocked else None,
        since=_moment(snapshot.since),
        last_success=_moment(snapshot.last_success),
        last_failure=_moment(snapshot.last_failure),
        failure_count=snapshot.failures,
        average_response_time_ms=snapshot.average,
        last_error_code=snapshot.last_error or None,
        hold=snapshot.hold,
        held_models=snapshot.held_models,
    )


def _may_probe(snapshot: Snapshot) -> bool:
    """Whether the next accepted request would be the hold's probe: one is due, and no other request is queued."""
    return snapshot.hold is not None and snapshot.hold.probe_in == 0 and not snapshot.queued


def _hold_left(snapshot: Snapshot) -> int:
    """Ms after which it is worth asking again; 0: unknown, for a manual hold without an end."""
    hold = snapshot.hold
    if hold is None:
        return 0
    if hold.probe_in is None:
        return max(0, hold.ends - snapshot.now)
    return max(PROBE_MS, hold.probe_in)


def _seen(reading: "asyncio.Task[dict[LLMProviderType, ProviderAvailability]]") -> None:
    """Retrieve the exception. Readers get it through the shield; if all were cancelled, asyncio would log it."""
    if not reading.cancelled():
        reading.exception()


def _moment(milliseconds: int) -> datetime | None:
    return from_ms(milliseconds) if milliseconds else None
