"""What each provider would take now: its breaker, pause and holds at one time of Redis' clock.

Workers read it for their gate (gate.py), API processes for what they accept.
"""

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.clock import from_ms
from contracts.enums import CircuitState, LLMProviderType
from contracts.errors import Unavailable
from guard import keys
from guard.hold import FIELDS as HOLD_FIELDS
from guard.hold import Hold, number, read_hold, whole
from ledger.keys import queued

#: A running probe usually ends within this many ms, however long its lease is.
PROBE_MS = 5_000

_BREAKER_FIELDS = (
    "state", "since", "until", "owner", "lease", "last_success", "last_failure", "failures", "average", "last_error",
)  # fmt: skip

#: Number of replies for each provider.
_REPLIES = 5


@dataclass(frozen=True)
class ProviderAvailability:
    """One provider's state. Integer times are in ms of Redis' clock; 0: never."""

    #: When this was read.
    now: int = field(default=0, compare=False)
    state: CircuitState = CircuitState.CLOSED
    #: When `state` last changed.
    since: datetime | None = None
    #: When an open breaker lets a probe through.
    probe_at: int = 0
    #: End of the probe's lease.
    leased_until: int = 0
    last_success: datetime | None = None
    last_failure: datetime | None = None
    #: Failures since the last success.
    failure_count: int = 0
    average_response_time_ms: float | None = None
    #: Code of the last error that counted for the breaker or raised a hold.
    last_error_code: str | None = None
    pause_end: int = 0
    #: In ms.
    pause_length: int = 0
    hold: Hold | None = None
    #: By model name.
    held_models: Mapping[str, Hold] = field(default_factory=dict)
    #: Requests in the provider's queue.
    queued: int = 0

    @property
    def paused_for(self) -> int:
        """How long the pause still lasts, in ms; 0: there is none."""
        return max(0, self.pause_end - self.now)

    @property
    def probe_in(self) -> int | None:
        """Ms until the breaker's probe may start (0: now); None: the breaker is closed."""
        if self.state is CircuitState.CLOSED:
            return None
        return max(0, self.probe_at - self.now, self.leased_until - self.now)

    @cached_property
    def available(self) -> bool:
        """Whether a call, or at least a probe, could start now."""
        return not self._blocked and (self.hold is None or self._is_probe)

    @cached_property
    def retry_after(self) -> float | None:
        """Seconds after which to ask again; None: it is available, or the time is unknown."""
        return self._blocked / 1000 or None

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

    @property
    def _is_probe(self) -> bool:
        """Whether the next accepted request would be the hold's probe: one is due, and no other request is queued."""
        return self.hold is not None and self.hold.probe_in == 0 and not self.queued

    @property
    def _blocked(self) -> int:
        """Ms after which it is worth asking again; 0: now, or unknown, for a manual hold without an end."""
        blocked = self.paused_for
        if self.probe_at > self.now:
            blocked = max(blocked, self.probe_at - self.now)
        elif self.leased_until > self.now:
            blocked = max(blocked, min(PROBE_MS, self.leased_until - self.now))
        if self.hold is None or self._is_probe:
            return blocked
        if self.hold.probe_in is None:
            return max(blocked, self.hold.ends - self.now)
        return max(blocked, PROBE_MS, self.hold.probe_in)


class Availability:
    """Reads the availability of `providers`. All readers share answers up to an age of `ttl` (seconds)."""

    def __init__(self, redis: Redis, providers: Iterable[LLMProviderType], *, ttl: float = 0.0) -> None:
        self._redis = redis
        self._providers = tuple(providers)
        self._ttl = ttl
        self.latest: dict[LLMProviderType, ProviderAvailability] = {}
        """The answer of the last `read`; empty before the first one."""
        self._fresh_until = 0.0
        self._reading: asyncio.Task[dict[LLMProviderType, ProviderAvailability]] | None = None

    async def read(self) -> dict[LLMProviderType, ProviderAvailability]:
        """Availability of each provider. The dict may be shared: do not change it.

        Raises
        ------
        Unavailable
            Redis does not answer.
        """
        if time.monotonic() < self._fresh_until:
            return self.latest
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._refresh())
            # Retrieve the exception. Readers get it through the shield; if all were cancelled, asyncio would log it.
            self._reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        # A cancelled reader must not cancel the read that others wait for.
        return await asyncio.shield(self._reading)

    async def _refresh(self) -> dict[LLMProviderType, ProviderAvailability]:
        self.latest = dict(zip(self._providers, await read_all(self._redis, self._providers), strict=True))
        self._fresh_until = time.monotonic() + self._ttl
        return self.latest


async def read_all(redis: Redis, providers: Sequence[LLMProviderType]) -> list[ProviderAvailability]:
    """The state of each provider, in order. One round trip, and one more for each provider with models on hold.

    Raises
    ------
    Unavailable
        Redis does not answer.
    """
    pipeline = redis.pipeline(transaction=False)
    pipeline.time()
    for provider in providers:
        pipeline.hmget(keys.breaker(provider), _BREAKER_FIELDS)
        pipeline.get(keys.gate(provider))
        pipeline.hmget(keys.hold(provider), HOLD_FIELDS)
        pipeline.smembers(keys.held_models(provider))
        pipeline.zcard(queued(provider.value))
    try:
        (seconds, micros), *replies = await pipeline.execute()
        now = seconds * 1000 + micros // 1000
        rows = [replies[i : i + _REPLIES] for i in range(0, len(replies), _REPLIES)]
        models = [
            await _held_models(redis, provider, row[3], now) for provider, row in zip(providers, rows, strict=True)
        ]
    except RedisError as error:
        raise Unavailable("the circuit breakers cannot be read") from error
    return [
        _parsed(now, breaker, gate, read_hold(hold, now), held, waiting)
        for (breaker, gate, hold, _, waiting), held in zip(rows, models, strict=True)
    ]


async def _held_models(redis: Redis, provider: LLMProviderType, names: Collection[bytes], now: int) -> dict[str, Hold]:
    if not names:
        return {}
    models = sorted(name.decode(errors="replace") for name in names)
    pipeline = redis.pipeline(transaction=False)
    for model in models:
        pipeline.hmget(keys.hold(provider, model), HOLD_FIELDS)
    holds = zip(models, await pipeline.execute(), strict=True)
    return {model: hold for model, values in holds if (hold := read_hold(values, now))}


def _parsed(
    now: int,
    breaker: list[bytes | None],
    gate: bytes | None,
    hold: Hold | None,
    held_models: Mapping[str, Hold],
    waiting: int,
) -> ProviderAvailability:
    state, since, probe_at, owner, lease, last_success, last_failure, failures, average, last_error = breaker
    # A newer version may append to it.
    pause_end, pause_length, *_ = *map(whole, (gate or b"").split()), 0, 0
    return ProviderAvailability(
        now=now,
        state=_state(state),
        since=_time(since),
        probe_at=whole(probe_at),
        leased_until=whole(lease) if owner else 0,
        last_success=_time(last_success),
        last_failure=_time(last_failure),
        failure_count=whole(failures),
        average_response_time_ms=number(average),
        last_error_code=last_error.decode(errors="replace") if last_error else None,
        pause_end=pause_end,
        pause_length=pause_length,
        hold=hold,
        held_models=held_models,
        queued=waiting,
    )


def _time(value: bytes | None) -> datetime | None:
    milliseconds = whole(value)
    return from_ms(milliseconds) if milliseconds else None


def _state(value: bytes | None) -> CircuitState:
    """A state that only a newer version knows counts as half-open: no call but a probe may start."""
    try:
        return CircuitState(value.decode()) if value else CircuitState.CLOSED
    except ValueError:
        return CircuitState.HALF_OPEN
