"""Reads the breakers, pauses and holds of providers from Redis, at one moment of its clock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.enums import CircuitState, LLMProviderType
from contracts.errors import Unavailable
from guard import keys
from guard.hold import FIELDS as HOLD_FIELDS
from guard.hold import Hold, number, read_hold, whole
from ledger.keys import queued

_FIELDS = (
    "state", "since", "until", "owner", "lease", "last_success", "last_failure", "failures", "average", "last_error",
)  # fmt: skip

#: Number of replies for each provider.
_REPLIES = 5


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Times are in ms of Redis' clock; 0: never. `now`: when the snapshot was taken."""

    now: int
    state: CircuitState = CircuitState.CLOSED
    since: int = 0
    #: Until then an open breaker lets nothing through.
    opens: int = 0
    #: End of the probe's lease.
    leased_until: int = 0
    last_success: int = 0
    last_failure: int = 0
    failures: int = 0
    average: float | None = None
    pause_end: int = 0
    pause_length: int = 0
    #: Code of the last error that counted for the breaker or raised a hold; empty: none did.
    last_error: str = ""
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
        """Ms until a probe may start (0: now); None: the breaker is closed."""
        if self.state is CircuitState.CLOSED:
            return None
        return max(0, self.opens - self.now, self.leased_until - self.now)


async def snapshots(redis: Redis, providers: Sequence[LLMProviderType]) -> list[Snapshot]:
    """One snapshot for each provider, in order. One round trip, and one more for each provider with models on hold.

    Raises
    ------
    Unavailable
        Redis does not answer.
    """
    pipeline = redis.pipeline(transaction=False)
    pipeline.time()
    for provider in providers:
        pipeline.hmget(keys.breaker(provider), _FIELDS)
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
        _snapshot(now, breaker, gate, read_hold(hold, now), held, waiting)
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


def _snapshot(
    now: int,
    breaker: list[bytes | None],
    gate: bytes | None,
    hold: Hold | None,
    held_models: Mapping[str, Hold],
    waiting: int,
) -> Snapshot:
    state, since, opens, owner, lease, last_success, last_failure, failures, average, last_error = breaker
    # A newer version may append to it.
    pause_end, pause_length, *_ = *map(whole, (gate or b"").split()), 0, 0
    return Snapshot(
        now=now,
        state=_state(state),
        since=whole(since),
        opens=whole(opens),
        leased_until=whole(lease) if owner else 0,
        last_success=whole(last_success),
        last_failure=whole(last_failure),
        failures=whole(failures),
        average=number(average),
        pause_end=pause_end,
        pause_length=pause_length,
        last_error=(last_error or b"").decode(errors="replace"),
        hold=hold,
        held_models=held_models,
        queued=waiting,
    )


def _state(value: bytes | None) -> CircuitState:
    """A state that only a newer version knows counts as half-open: no call but a probe may start."""
    try:
        return CircuitState(value.decode()) if value else CircuitState.CLOSED
    except ValueError:
        return CircuitState.HALF_OPEN
